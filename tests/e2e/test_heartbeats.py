"""The judge of convergence can tell a heartbeat that helped from one that did not."""

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


def pong(told: StateVersion, at_ms: int = SINCE_MS) -> Message:
    return {"type": "PONG", "receivedAt": at_ms, **told.to_message()}


def sync(at_ms: int = SINCE_MS) -> Message:
    return {"type": "STATE_SYNC", "timestamp": at_ms}


def heard(message: Message, shows: StateVersion, *, is_answer: bool = False) -> Note:
    return Note(message, shows, was_sent=False, is_answer=is_answer)


def sent(message: Message, shows: StateVersion) -> Note:
    return Note(message, shows, was_sent=True, is_answer=False)


def test_who_shows_it_already_needs_no_heartbeat() -> None:
    assert found_wanting([sent(PING, NEW), heard(pong(NEW), NEW)], NEW, SINCE_MS) == 0


def test_a_heartbeat_of_which_the_answer_got_lost_has_to_be_followed_by_another() -> None:
    one = [sent(PING, OLD), heard(pong(NEW), OLD), sent(RECONNECT, OLD)]
    answered = [heard(sync(), OLD), heard(sync(), NEW, is_answer=True)]

    assert found_wanting([*one, *answered], NEW, SINCE_MS) == 1
    assert found_wanting([*one, *one, *answered], NEW, SINCE_MS) == 2


def test_what_was_said_before_the_last_change_proves_nothing() -> None:
    early = [heard(pong(OLD, 99), OLD), heard(sync(99), OLD, is_answer=True)]
    assert found_wanting(early, NEW, SINCE_MS) == 0


def test_an_answer_that_got_through_and_did_not_help_is_a_fault() -> None:
    with pytest.raises(AssertionError, match="got through"):
        found_wanting([heard(sync(), OLD, is_answer=True)], NEW, SINCE_MS)


@pytest.mark.parametrize("told", [OLD, NEW._replace(updated_at="later"), NO_SESSION])
def test_a_heartbeat_that_tells_of_another_state_is_a_fault(told: StateVersion) -> None:
    with pytest.raises(AssertionError):
        found_wanting([heard(pong(told), NEW)], NEW, SINCE_MS)
