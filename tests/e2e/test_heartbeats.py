"""The convergence check distinguishes a heartbeat that helped from one that did not."""

from __future__ import annotations

import pytest

from tickless.state_version import NO_SESSION, StateVersion
from tickless.wire_types import Message

from .client import Note
from .heartbeats import found_wanting

OLD, NEW = StateVersion("e", 1, "early"), StateVersion("e", 2, "late")
SINCE_MS = 100
PING: Message = {"type": "PING"}
RECONNECT: Message = {"type": "RECONNECT"}


def pong(reported: StateVersion, at_ms: int = SINCE_MS) -> Message:
    return {"type": "PONG", "receivedAt": at_ms, **reported.to_message()}


def sync(at_ms: int = SINCE_MS) -> Message:
    return {"type": "STATE_SYNC", "timestamp": at_ms}


def received(message: Message, shows: StateVersion, *, is_answer: bool = False) -> Note:
    return Note(message, shows, was_sent=False, is_answer=is_answer)


def sent(message: Message, shows: StateVersion) -> Note:
    return Note(message, shows, was_sent=True, is_answer=False)


def test_current_client_needs_no_heartbeat() -> None:
    assert found_wanting([sent(PING, NEW), received(pong(NEW), NEW)], NEW, SINCE_MS) == 0


def test_lost_heartbeat_response_requires_another() -> None:
    one = [sent(PING, OLD), received(pong(NEW), OLD), sent(RECONNECT, OLD)]
    answered = [received(sync(), OLD), received(sync(), NEW, is_answer=True)]

    assert found_wanting([*one, *answered], NEW, SINCE_MS) == 1
    assert found_wanting([*one, *one, *answered], NEW, SINCE_MS) == 2


def test_messages_before_the_last_change_are_not_counted() -> None:
    early = [received(pong(OLD, 99), OLD), received(sync(99), OLD, is_answer=True)]
    assert found_wanting(early, NEW, SINCE_MS) == 0


def test_response_that_did_not_converge_is_a_failure() -> None:
    with pytest.raises(AssertionError, match="got through"):
        found_wanting([received(sync(), OLD, is_answer=True)], NEW, SINCE_MS)


@pytest.mark.parametrize("reported", [OLD, NEW._replace(updated_at="later"), NO_SESSION])
def test_heartbeat_that_reports_another_state_is_a_failure(reported: StateVersion) -> None:
    with pytest.raises(AssertionError):
        found_wanting([received(pong(reported), NEW)], NEW, SINCE_MS)
