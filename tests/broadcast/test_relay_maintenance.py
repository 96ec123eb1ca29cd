"""Relay maintenance: sweeps, snapshots and deregistering; none of them delays an update."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from threading import Event
from time import monotonic

import pytest

from chalicelib.auth.policy import Role
from chalicelib.broadcast import relay_maintenance as upkeep
from chalicelib.broadcast.connections_api.ports import DeliveryStatus, R
from chalicelib.broadcast.recipients import SESSIONS_PER_READ
from chalicelib.broadcast.relay_maintenance import SNAPSHOTS_AT_ONCE, Snapshots
from chalicelib.ports import Loaded, SessionConnections, StoreUnavailable
from tests.auth.bearers import a_bearer
from tests.chess import SESSION
from tests.fakes import FakeConnectionsApi, FakeRegistry, FakeStore
from tests.servers import eventually
from tests.waiting import HUNG_AFTER_S, Bound

from .test_relay import HERE, THERE, Scene, create_session


def a_session_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


class Gate:
    """Blocks threads while it is shut, and reports that one is waiting."""

    def __init__(self) -> None:
        self.reached = Event()
        self._open = Event()
        self._open.set()

    def shut(self) -> None:
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def passed(self) -> None:
        if not self._open.is_set():
            self.reached.set()
            assert self._open.wait(HUNG_AFTER_S)


@dataclass
class SlowStore(FakeStore):
    gate: Gate = field(default_factory=Gate)
    unreadable: set[str] = field(default_factory=set)
    meanwhile: Callable[[], object] | None = None

    def load_many(self, session_ids: Sequence[str]) -> Sequence[Loaded]:
        self.gate.passed()
        if self.unreadable & set(session_ids):
            raise ValueError("nonsense")
        loaded = super().load_many(session_ids)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return loaded


@dataclass
class SlowRegistry(FakeRegistry):
    sweeps: Gate = field(default_factory=Gate)
    removals: Gate = field(default_factory=Gate)
    largest: int = 0
    troubles: list[Exception] = field(default_factory=list)

    def connections_of_many(self, session_ids: Sequence[str]) -> Sequence[SessionConnections]:
        self.sweeps.passed()
        self.largest = max(self.largest, len(session_ids))
        if self.troubles:
            raise self.troubles.pop()
        return super().connections_of_many(session_ids)

    def remove(self, session_id: str, connection_ids: Sequence[str]) -> None:
        self.removals.passed()
        super().remove(session_id, connection_ids)


@dataclass
class SlowApi(FakeConnectionsApi):
    """While ``holds`` is true, nothing that is submitted comes to an end; ``most`` did at once."""

    holds: bool = False
    most: int = 0
    _held: SimpleQueue[Callable[[], object]] = field(default_factory=SimpleQueue)

    def submit_all(self, requests: Sequence[R], done: Callable[[R, DeliveryStatus], None]) -> None:
        if not self.holds:
            super().submit_all(requests, done)
            return
        for request in requests:
            self._held.put(partial(super().submit_all, [request], done))
            self.most = max(self.most, self._held.qsize())

    def let_go(self) -> None:
        while not self._held.empty():
            self._held.get()()


class SlowScene(Scene):
    """A relay that sweeps without a pause; the test can hold up what it does."""

    store: SlowStore
    registry: SlowRegistry
    api: SlowApi

    def __init__(self) -> None:
        store = SlowStore()
        super().__init__(store, SlowRegistry(store), SlowApi(), sweep_every_seconds=0.0)

    def open(self) -> None:
        for gate in (self.store.gate, self.registry.sweeps, self.registry.removals):
            gate.open()


@pytest.fixture
def scene() -> Iterator[SlowScene]:
    scene = SlowScene()
    scene.registry.register(SESSION, "a", HERE)
    yield scene
    scene.open()
    scene.relay.stop()


def test_sweep_delays_no_update(scene: SlowScene) -> None:
    for number in range(1, 1_000):
        scene.registry.register(a_session_id(number), f"{number}", HERE)
    assert scene.relay.start()
    scene.registry.sweeps.shut()
    assert scene.registry.sweeps.reached.wait(HUNG_AFTER_S)

    scene.publish(b'{"n": 1}')

    eventually(lambda: scene.sent() == [{"n": 1}])


def test_sweep_closes_connections_of_expired_tokens_and_tells_them_why(scene: SlowScene) -> None:
    guest = a_bearer(Role.VIEWER, session_id=SESSION)
    scene.store.clock_ms = guest.valid_until_s * 1000 - 1
    for connection_id, bearer in (("a", None), ("ended", guest)):
        scene.registry.register(SESSION, connection_id, HERE, bearer=bearer)
    scene.store.advance(1)
    assert scene.relay.start()

    eventually(lambda: scene.api.closed[:1] == ["ended"])
    assert [one["code"] for one in scene.sent("ended")][:1] == ["SESSION_FORBIDDEN"]
    assert "a" not in scene.api.closed


def test_snapshots_delay_no_update(scene: SlowScene) -> None:
    scene.store.gate.shut()
    assert scene.relay.start()
    assert scene.store.gate.reached.wait(HUNG_AFTER_S)

    scene.publish(b'{"n": 1}')

    eventually(lambda: scene.sent() == [{"n": 1}])


def test_deregistering_delays_no_update(scene: SlowScene) -> None:
    scene.registry.register(SESSION, "gone", HERE)
    scene.api.outcomes = {"gone": [DeliveryStatus.GONE]}
    scene.store.advance(15_000)
    scene.registry.removals.shut()
    assert scene.relay.start()
    scene.publish(b'{"n": 1}')
    assert scene.registry.removals.reached.wait(HUNG_AFTER_S)

    scene.publish(b'{"n": 2}')

    eventually(lambda: scene.sent() == [{"n": 1}, {"n": 2}])


def test_all_watched_sessions_are_read_in_small_batches(scene: SlowScene) -> None:
    many = 3 * SESSIONS_PER_READ
    for number in range(1, many):
        scene.registry.register(a_session_id(number), f"{number}", HERE)
    scene.store.advance(90_001)
    scene.registry.register(SESSION, "a", HERE)
    assert scene.relay.start()

    eventually(lambda: len(scene.api.closed) == many - 1)
    assert scene.registry.largest == SESSIONS_PER_READ
    eventually(lambda: list(scene.registry.sessions_with_connections()) == [SESSION])


def test_thousands_of_gone_connections_are_deregistered(scene: SlowScene) -> None:
    # To look for each among all of them would take minutes.
    many = 20_000
    for number in range(many):
        scene.registry.register(SESSION, f"{number}", THERE if number % 1_000 == 0 else HERE)
        scene.api.outcomes[f"{number}"] = [DeliveryStatus.GONE]
    scene.store.advance(15_000)
    assert scene.relay.start()

    scene.publish(b'{"n": 1}')

    eventually(lambda: len(scene.registry.connections_of(SESSION).connections) == 21)


def test_update_is_not_followed_by_an_older_snapshot(scene: SlowScene) -> None:
    create_session(scene.engine, SESSION)

    def a_command() -> None:
        scene.engine.start_session(SESSION)
        scene.publish(scene.store.published[-1][1])
        eventually(scene.sent)

    # The snapshot has been read, and not been sent.
    scene.store.meanwhile = a_command
    assert scene.relay.start()
    eventually(lambda: scene.store.meanwhile is None)
    # Whatever was begun by then is over with another sweep.
    scene.registry.sweeps.shut()
    assert scene.registry.sweeps.reached.wait(HUNG_AFTER_S)

    assert [(one["type"], one["version"]) for one in scene.sent()] == [("STATE_UPDATE", 2)]


def test_unreadable_session_keeps_no_other_from_its_snapshot(
    scene: SlowScene, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2 * SNAPSHOTS_AT_ONCE):
        session_id = create_session(scene.engine, a_session_id(number))
        scene.registry.register(session_id, f"{number}", HERE)
    scene.store.unreadable = {a_session_id(1)}

    assert scene.relay.start()

    others = [str(number) for number in range(2 * SNAPSHOTS_AT_ONCE) if number != 1]
    eventually(lambda: all(scene.sent(one) for one in others))
    assert {scene.sent(one)[0]["type"] for one in others} == {"STATE_SYNC"}
    assert scene.sent("1") == []
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == [
        f"relay: no snapshot of session {a_session_id(1)}"
    ]


@pytest.mark.parametrize("trouble", [StoreUnavailable("away"), ValueError("nonsense")])
def test_repeated_failure_is_survived_and_logged_once(
    scene: SlowScene, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    create_session(scene.engine, SESSION)
    scene.registry.register(SESSION, "silent", HERE)
    assert scene.relay.start()
    eventually(lambda: scene.sent("silent"))
    scene.registry.troubles = [trouble] * 3

    eventually(lambda: not scene.registry.troubles)
    scene.store.advance(90_001)
    scene.registry.register(SESSION, "a", HERE)

    eventually(lambda: scene.api.closed == ["silent"])
    assert len(caplog.records) == 1


def shown_to_many(scene: SlowScene) -> list[str]:
    """Connections that each watch a session of their own."""
    many = [str(number) for number in range(3 * SNAPSHOTS_AT_ONCE)]
    for name in many:
        session_id = create_session(scene.engine, a_session_id(int(name)))
        scene.registry.register(session_id, name, HERE)
    return many


def test_number_of_snapshots_before_an_update_is_bounded(
    scene: SlowScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "POSTED_WITHIN_SECONDS", HUNG_AFTER_S)
    many = shown_to_many(scene)
    scene.api.holds = True
    assert scene.relay.start()

    def all_are_shown() -> bool:
        scene.api.let_go()
        return all(scene.sent(one) for one in many)

    eventually(all_are_shown)

    # Two connections watch the first session.
    assert 0 < scene.api.most <= SNAPSHOTS_AT_ONCE + 1


def test_unanswered_snapshot_keeps_no_other_from_being_sent(
    scene: SlowScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "POSTED_WITHIN_SECONDS", 0.01)
    many = shown_to_many(scene)
    scene.api.holds = True

    assert scene.relay.start()

    eventually(lambda: scene.api.most == len(many) + 1)


def test_time_waited_for_snapshots_is_bounded_in_total(
    scene: SlowScene, monkeypatch: pytest.MonkeyPatch, bound: Bound
) -> None:
    patience_s = 0.5
    monkeypatch.setattr(upkeep, "POSTED_WITHIN_SECONDS", patience_s)
    many = shown_to_many(scene)
    scene.api.holds = True

    began_s = monotonic()
    assert scene.relay.start()
    eventually(lambda: scene.api.most == len(many) + 1)

    # The last of three lots has waited for two, and with naps as long for four.
    assert 2 * patience_s <= monotonic() - began_s < bound(3.5 * patience_s)


def test_loss_during_snapshots_sends_each_client_another(scene: SlowScene) -> None:
    create_session(scene.engine, SESSION)
    scene.store.gate.shut()
    assert scene.relay.start()
    assert scene.store.gate.reached.wait(HUNG_AFTER_S)

    scene.subscription.messages.put(None)
    eventually(lambda: scene.subscription.opened == 2)
    scene.store.gate.open()

    eventually(lambda: len(scene.sent()) == 2)
    assert {one["type"] for one in scene.sent()} == {"STATE_SYNC"}


def test_snapshot_overtaken_by_an_update_is_not_sent() -> None:
    snapshots, sent = Snapshots(), list[str]()

    def send(session_id: str) -> None:
        snapshots.send(session_id, lambda: sent.append(session_id))

    snapshots.cancel("a")
    snapshots.begin(["a", "b"])
    snapshots.cancel("b")
    for one in ("a", "b"):
        send(one)
    assert sent == ["a"]

    snapshots.begin(["b"])
    for one in ("a", "b"):
        send(one)
    assert sent == ["a", "b"]
