"""The relay: what is published reaches the connections of its endpoint, and only those."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.auth.policy import Bearer, Role
from chalicelib.broadcast.connections_api.ports import DeliveryStatus
from chalicelib.broadcast.relay import Relay, Subscription
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import StoreUnavailable
from chalicelib.schemas.pushes import session_deleted
from chalicelib.settings import Settings
from chalicelib.store import subscription as subscriptions
from chalicelib.store.subscription import subscription
from chalicelib.telemetry import definitions as names
from chalicelib.telemetry.metrics import Telemetry
from tests.auth.bearers import a_bearer
from tests.chess import SESSION, chess
from tests.fakes import FakeConnectionsApi, FakeRegistry, FakeStore, RecordingSink
from tests.fixtures import OpenStore
from tests.servers import Cluster, Proxy, RedisProcess, eventually, proxy_to
from tests.waiting import HUNG_AFTER_S

HERE = "http://127.0.0.1:8001/dev"
THERE = "http://127.0.0.1:9001/dev"


class FakeSubscription:
    """Returns queued messages; None stands for the loss of the connection."""

    def __init__(self) -> None:
        self.messages: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()
        self.opened = 0

    @contextmanager
    def open(self) -> Iterator[FakeSubscription]:
        self.opened += 1
        yield self

    def next(self, within_seconds: float) -> tuple[str, bytes] | None:
        try:
            message = self.messages.get(timeout=within_seconds)
        except Empty:
            return None
        if message is None:
            raise StoreUnavailable("lost")
        return message


def drain(listening: Subscription, at_a_time_s: float = 5.0) -> None:
    """Receive everything until the subscription is lost, which must not take for ever."""
    give_up_at = time.monotonic() + HUNG_AFTER_S
    while time.monotonic() < give_up_at:
        listening.next(at_a_time_s)


def create_session(engine: SyncEngine, session_id: str) -> str:
    engine.create_session(chess(session_id=session_id))
    return session_id


class Scene:
    """A relay whose surroundings are in memory."""

    def __init__(
        self, store: FakeStore, registry: FakeRegistry, api: FakeConnectionsApi, **options: Any
    ) -> None:
        self.store = store
        self.registry = registry
        self.api = api
        self.engine = SyncEngine(CommitLoop(store, session_ttl_ms=3_600_000))
        self.subscription = FakeSubscription()
        self.sink = RecordingSink()
        self.relay = Relay(
            self.subscription.open,
            registry,
            self.engine,
            api,
            HERE,
            telemetry=Telemetry(self.sink),
            **options,
        )

    def create(self) -> None:
        create_session(self.engine, SESSION)

    def publish(self, message: bytes) -> None:
        self.subscription.messages.put((SESSION, message))

    def sent(self, connection_id: str = "a") -> list[Any]:
        return self.api.messages(connection_id)


@pytest.fixture
def scene() -> Iterator[Scene]:
    store = FakeStore()
    scene = Scene(store, FakeRegistry(store), FakeConnectionsApi())
    yield scene
    scene.relay.stop()


def test_update_is_posted_to_connections_of_this_endpoint_only(scene: Scene) -> None:
    for connection_id, endpoint in (("a", HERE), ("b", HERE), ("c", THERE)):
        scene.registry.register(SESSION, connection_id, endpoint)
    assert scene.relay.start()

    scene.publish(b'{"n": 1}')
    scene.publish(b'{"n": 2}')

    eventually(lambda: len(scene.sent("b")) == 2)
    assert scene.sent("a") == scene.sent("b") == [{"n": 1}, {"n": 2}]
    assert scene.sent("c") == []


def test_final_message_is_followed_by_the_close(scene: Scene) -> None:
    scene.registry.register(SESSION, "a", HERE)
    scene.relay.start()

    scene.publish(session_deleted(SESSION, 5))

    eventually(lambda: scene.registry.connections_of(SESSION).connections == [])
    assert [message["type"] for message in scene.sent("a")] == ["SESSION_DELETED"]
    assert scene.api.closed == ["a"]


def test_gone_connection_is_deregistered_after_the_grace_period(scene: Scene) -> None:
    scene.registry.register(SESSION, "old", HERE)
    scene.store.advance(15_000)
    scene.registry.register(SESSION, "new", HERE)
    scene.api.outcomes = {"old": [DeliveryStatus.GONE], "new": [DeliveryStatus.GONE]}
    scene.relay.start()

    scene.publish(b"{}")

    eventually(lambda: len(scene.registry.connections_of(SESSION).connections) == 1)
    assert scene.registry.connections_of(SESSION).connections[0].connection_id == "new"


def test_fan_out_is_measured_once_with_the_status_of_each_post(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.create()
    scene.registry.register(SESSION, "a", HERE)
    scene.relay.start()
    # The snapshot it begins with is one, too.
    eventually(lambda: scene.sink.observed)
    scene.sink.counts.clear()
    scene.sink.observed.clear()
    for connection_id in ("b", "c", "d"):
        scene.registry.register(SESSION, connection_id, HERE)
    scene.api.outcomes = {"b": [DeliveryStatus.GONE], "c": [DeliveryStatus.FAILED]}

    scene.publish(scene.store.published[0][1])

    eventually(lambda: len(scene.sink.counts) == 3)
    assert dict(scene.sink.counts) == {
        (names.POSTS.name, ("delivered",)): 2,
        (names.POSTS.name, ("gone",)): 1,
        (names.POSTS.name, ("failed",)): 1,
    }
    eventually(lambda: "fan-out" in caplog.messages)
    (line,) = [vars(record) for record in caplog.records if record.getMessage() == "fan-out"]
    epoch = scene.store.commits[0].session.epoch
    assert (line["levelname"], line["session_id"], line["epoch"], line["version"]) == (
        "WARNING",
        SESSION,
        epoch,
        1,
    )
    assert line["posts"] == {"delivered": 2, "gone": 1, "failed": 1}
    assert len(scene.sink.observed[names.FAN_OUT_SECONDS.name, ()]) == 1


def test_update_without_recipients_is_no_fan_out(scene: Scene) -> None:
    other = str(uuid4())
    scene.registry.register(SESSION, "c", THERE)
    scene.registry.register(other, "b", HERE)
    scene.relay.start()

    scene.publish(b'{"n": 1}')
    # Messages are taken in their order: this one's post shows that the first is done with.
    scene.subscription.messages.put((other, b'{"n": 2}'))
    eventually(lambda: scene.sent("b"))

    eventually(lambda: scene.sink.observed)
    assert len(scene.sink.observed[names.FAN_OUT_SECONDS.name, ()]) == 1
    assert scene.sink.counts == {(names.POSTS.name, ("delivered",)): 1}


def test_lost_subscription_is_replaced_and_each_client_gets_a_snapshot(scene: Scene) -> None:
    scene.create()
    scene.relay.start()
    scene.registry.register(SESSION, "a", HERE)
    scene.registry.register(SESSION, "c", THERE)

    scene.subscription.messages.put(None)
    scene.engine.start_session(SESSION)

    eventually(lambda: scene.sent("a"))
    assert (scene.sent("a")[0]["type"], scene.subscription.opened) == ("STATE_SYNC", 2)
    assert scene.sent("c") == []
    scene.publish(b'{"n": 3}')
    eventually(lambda: scene.sent("a")[-1] == {"n": 3})


def test_relay_that_replaces_a_killed_one_begins_with_snapshots(scene: Scene) -> None:
    scene.create()
    scene.registry.register(SESSION, "a", HERE)
    scene.registry.register("waits for a session", "b", HERE)
    assert scene.relay.start()

    eventually(lambda: scene.sent("a"))
    assert scene.sent("a")[0]["type"] == "STATE_SYNC"
    assert scene.sent("b") == []


@pytest.mark.parametrize("there_was_one", [True, False])
def test_session_missing_after_the_loss_is_announced(scene: Scene, there_was_one: bool) -> None:
    if there_was_one:
        scene.store.endings[SESSION] = ("deleted", scene.store.clock_ms)
    scene.registry.register(SESSION, "a", HERE)
    scene.relay.start()

    scene.subscription.messages.put(None)

    eventually(lambda: scene.sent("a"))
    message = scene.sent("a")[0]
    if there_was_one:
        assert (message["type"], message["reason"]) == ("SESSION_DELETED", "deleted")
    else:
        assert (message["type"], message["code"]) == ("ERROR", "SESSION_NOT_FOUND")
    assert scene.api.closed == []


def test_internal_error_does_not_end_the_relay(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.registry.register(SESSION, "a", HERE)
    scene.relay.start()
    scene.registry.lists[SESSION] = None  # type: ignore[assignment]
    scene.publish(b'{"n": 1}')
    eventually(lambda: "restarting" in caplog.text)
    scene.registry.lists[SESSION] = {}
    scene.registry.register(SESSION, "a", HERE)

    eventually(lambda: scene.subscription.opened > 1)
    scene.publish(b'{"n": 2}')

    eventually(lambda: {"n": 2} in scene.sent("a"))


def settings_of(proxy: Proxy, place: RedisProcess | Cluster) -> Settings:
    return Settings(redis_url=proxy.url, redis_cluster=place.is_cluster)


def test_redis_subscription_receives_commits_and_reports_its_loss(
    open_store: OpenStore, anywhere: RedisProcess | Cluster
) -> None:
    store = open_store(anywhere.url, cluster=anywhere.is_cluster)
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=60_000))
    with (
        proxy_to(anywhere.port) as proxy,
        subscription(settings_of(proxy, anywhere)) as listening,
    ):
        # Spread over all slots that sessions lie in, and so over all nodes.
        awaited = {create_session(engine, str(uuid4())) for _ in range(48)}
        while awaited:
            update = listening.next(HUNG_AFTER_S)
            assert update is not None
            awaited.discard(update[0])
        proxy.cut()
        with pytest.raises(StoreUnavailable):
            drain(listening)


def test_quiet_subscription_lasts_and_unanswered_ping_loses_it(
    valkey: RedisProcess, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "QUIET_S", 0.1)
    monkeypatch.setattr(subscriptions, "PONG_WITHIN_S", HUNG_AFTER_S)
    with subscription(settings_of(proxy, valkey)) as listening:
        for _ in range(10):
            listening.next(0.1)
        # As when the peer machine fails: the connection is never closed.
        proxy.blackhole()
        monkeypatch.setattr(subscriptions, "PONG_WITHIN_S", 0.3)
        with pytest.raises(StoreUnavailable, match="silent"):
            drain(listening, 0.1)


def test_subscribing_to_an_unavailable_store_fails() -> None:
    with (
        pytest.raises(StoreUnavailable),
        subscription(Settings(redis_url="redis://127.0.0.1:1/0")),
    ):
        pass


def test_silent_connection_is_closed_and_one_of_a_lost_endpoint_deregistered(scene: Scene) -> None:
    scene.registry.register(SESSION, "here", HERE)
    scene.registry.register(SESSION, "there", THERE)
    scene.store.advance(90_001)
    scene.registry.register(SESSION, "lively", THERE)
    scene.relay = Relay(
        scene.subscription.open,
        scene.registry,
        scene.engine,
        scene.api,
        HERE,
        sweep_every_seconds=0.01,
    )
    scene.relay.start()

    eventually(lambda: scene.api.closed == ["here"])
    listed = scene.registry.connections_of(SESSION).connections
    assert {"there", "lively"} <= {one.connection_id for one in listed}

    # Its own relay has had its time.
    scene.store.advance(30_000)
    scene.registry.register(SESSION, "lively", THERE)
    eventually(lambda: len(scene.registry.connections_of(SESSION).connections) == 1)
    assert scene.registry.connections_of(SESSION).connections[0].connection_id == "lively"
    assert scene.api.closed == ["here"]


# Tokens


def come(scene: Scene, connection_id: str, token_id: str, endpoint: str = HERE) -> Bearer:
    guest = a_bearer(Role.VIEWER, session_id=SESSION, token_id=token_id)
    scene.registry.register(SESSION, connection_id, endpoint, bearer=guest)
    return guest


def test_connection_of_a_revoked_token_is_told_why_and_closed(scene: Scene) -> None:
    come(scene, "a", "revoked")
    come(scene, "b", "other")
    come(scene, "c", "revoked", THERE)
    assert scene.relay.start()

    scene.store.revoke(SESSION, "revoked", 60_000)
    scene.publish(b"")

    eventually(lambda: scene.api.closed == ["a"])
    assert [one["code"] for one in scene.sent("a")] == ["SESSION_FORBIDDEN"]
    assert scene.sent("b") == scene.sent("c") == []
    eventually(
        lambda: (
            [one.connection_id for one in scene.registry.connections_of(SESSION).connections]
            == ["b", "c"]
        )
    )


def test_connection_of_an_expired_token_receives_no_update(scene: Scene) -> None:
    guest = come(scene, "a", "ended")
    scene.store.clock_ms = guest.valid_until_s * 1000
    scene.registry.register(SESSION, "b", HERE)
    scene.registry.lists[SESSION]["a"] = scene.registry.lists[SESSION]["a"]._replace(
        last_seen_at_ms=scene.store.clock_ms
    )
    assert scene.relay.start()

    scene.publish(b'{"n": 1}')

    eventually(lambda: scene.api.closed == ["a"])
    assert [one["code"] for one in scene.sent("a")] == ["SESSION_FORBIDDEN"]
    assert scene.sent("b") == [{"n": 1}]
