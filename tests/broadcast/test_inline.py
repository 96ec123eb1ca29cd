"""Inline broadcast: what a commit waits for, and the results."""

from __future__ import annotations

import logging
from time import monotonic

import pytest

from chalicelib.auth.policy import Role
from chalicelib.broadcast import inline
from chalicelib.broadcast.connections_api import Closed, ConnectionsApi, NoCredentials
from chalicelib.broadcast.inline import THROTTLED_SECONDS, WITHIN_SECONDS, InlineBroadcaster
from chalicelib.telemetry import definitions as names
from chalicelib.telemetry.metrics import Telemetry
from tests.auth.bearers import a_bearer
from tests.chess import SESSION
from tests.fakes import FakeRegistry, FakeStore, RecordingSink
from tests.waiting import Bound

from .connections_api.stub_server import HANG, Stub

MESSAGE = b'{"type":"STATE_UPDATE"}'


def announcing(api: ConnectionsApi, stub: Stub, *connection_ids: str) -> InlineBroadcaster:
    registry = FakeRegistry(FakeStore())
    for connection_id in connection_ids:
        registry.register(SESSION, connection_id, stub.endpoint)
    return InlineBroadcaster(registry, lambda: api)


def seconds_of(broadcaster: InlineBroadcaster) -> float:
    began_s = monotonic()
    broadcaster.broadcast(SESSION, MESSAGE)
    return monotonic() - began_s


def test_client_that_does_not_read_delays_the_caller_briefly_and_no_other_client(
    api: ConnectionsApi,
    stub: Stub,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    bound: Bound,
) -> None:
    monkeypatch.setattr(inline, "WITHIN_SECONDS", bound(WITHIN_SECONDS))
    quick = [f"quick-{number}" for number in range(50)]
    broadcaster = announcing(api, stub, "slow", *quick)
    broadcaster.broadcast(SESSION, MESSAGE)
    stub.respond("slow", *[429] * 10_000)

    waited_s = seconds_of(broadcaster)

    assert THROTTLED_SECONDS <= waited_s < bound(WITHIN_SECONDS) / 2
    assert all(len(stub.bodies(one)) == 2 for one in quick)
    (line,) = [vars(one) for one in caplog.records if one.levelname == "WARNING"]
    assert line["posts"] == {"delivered": 50, "limited": 1}


def test_unanswered_post_is_given_up_at_the_deadline(
    api: ConnectionsApi, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "WITHIN_SECONDS", 0.5)
    stub.respond("slow", *[429] * 10_000)
    stub.respond("hanging", HANG)

    waited_s = seconds_of(announcing(api, stub, "slow", "hanging"))

    assert waited_s >= 0.5


@pytest.mark.parametrize("trouble", [NoCredentials("none"), Closed("closed"), RuntimeError("bug")])
def test_commit_stands_if_its_broadcast_fails(
    trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def no_api() -> ConnectionsApi:
        raise trouble

    registry = FakeRegistry(FakeStore())
    registry.register(SESSION, "a", "http://127.0.0.1:1/dev")

    broadcaster = InlineBroadcaster(registry, no_api)
    broadcaster.broadcast(SESSION, MESSAGE)
    broadcaster.broadcast_and_close(SESSION, MESSAGE)

    assert [one.levelno for one in caplog.records] == [logging.ERROR] * 2


@pytest.mark.parametrize("trouble", [NoCredentials("none"), Closed("closed"), RuntimeError("bug")])
def test_token_is_revoked_if_closing_its_connections_fails(
    trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def no_api() -> ConnectionsApi:
        raise trouble

    store = FakeStore()
    registry, guest = FakeRegistry(store), a_bearer(Role.VIEWER, session_id=SESSION)
    store.clock_ms = guest.valid_until_s * 1000 - 1
    registry.register(SESSION, "ended", "http://127.0.0.1:1/dev", bearer=guest)
    store.advance(1)

    InlineBroadcaster(registry, no_api).close_revoked(SESSION)

    assert [one.levelno for one in caplog.records] == [logging.ERROR]


def test_messages_to_closed_connections_count_as_posts(api: ConnectionsApi, stub: Stub) -> None:
    store, sink = FakeStore(), RecordingSink()
    registry, guest = FakeRegistry(store), a_bearer(Role.VIEWER, session_id=SESSION)
    store.clock_ms = guest.valid_until_s * 1000 - 1
    registry.register(SESSION, "ended", stub.endpoint, bearer=guest)
    store.advance(1)

    InlineBroadcaster(registry, lambda: api, telemetry=Telemetry(sink)).close_revoked(SESSION)

    assert sink.counts == {(names.POSTS.name, ("delivered",)): 1}
