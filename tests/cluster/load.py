"""Clients that command sessions as fast as they are answered, and an audit of the results.

Every command has an id of its own. Those that adjust a clock give it as their
reason too, so the event log says which of them there have been, and how often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from chalicelib.core.commands import Adjust, Command, Switch
from chalicelib.core.errors import StoreUnavailable
from chalicelib.core.events import CycleSwitched, TimeAdjusted
from chalicelib.core.rules import deadline_ms
from chalicelib.core.setup import Participant, SyncMode, create_setup
from chalicelib.engine.idempotency import IdempotentRequest
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.store.keys import SessionKeys
from tests.failover import Failover
from tests.servers import Place, eventually

SHARDS = 16
HOUR_MS = 3_600_000
AGAIN_AFTER_S = 0.01
AT_MOST = 2_000


def a_session(engine: SyncEngine) -> str:
    """A session that runs, and whose clocks won't run out while a test does."""
    session_id = str(uuid4())
    engine.create_session(
        create_setup(
            session_id=session_id,
            sync_mode=SyncMode.PER_PARTICIPANT,
            participants=[Participant(f"p{at}", at, HOUR_MS) for at in range(3)],
            total_time_ms=3 * HOUR_MS,
        )
    )
    engine.start_session(session_id)
    return session_id


@dataclass
class Ledger:
    """The responses that the players got to adjustments, by command id.

    ``acknowledged`` says of which session each was, ``confirmed`` which of them
    the replica is known to have had.
    """

    acknowledged: dict[str, str] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    refusals: int = 0
    surprises: list[BaseException] = field(default_factory=list)


class Players:
    """One for each engine, from when the block begins until it ends.

    A client that is refused because the store is away insists, under the same id,
    as a client does that wants its command carried out once. ``phase`` is what
    the ids of the commands that are begun from now on start with.
    """

    def __init__(self, engines: Sequence[SyncEngine], session_ids: Sequence[str]) -> None:
        self.ledger = Ledger()
        self.phase = "first"
        self._session_ids = session_ids
        self._enough = Event()
        self._lock = Lock()
        self._threads = [
            Thread(target=self._play, args=player_and_engine)
            for player_and_engine in enumerate(engines)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in self._threads)

    def confirm(self, store: Failover) -> None:
        """Note what the replica has by now; false answers leave what is known as it is."""
        acknowledged = set(self.ledger.acknowledged)
        if store.has_confirmed():
            self.ledger.confirmed = acknowledged

    def _play(self, player: int, engine: SyncEngine) -> None:
        for number in count():
            if self._enough.is_set():
                return
            session_id = self._session_ids[number % len(self._session_ids)]
            command_id = f"{self.phase}-{player}-{number}"
            command: Command = Adjust(1, "p0", reason=command_id) if number % 3 else Switch()
            try:
                self._insist(engine, session_id, command_id, command)
            except BaseException as error:
                self.ledger.surprises.append(error)
                return

    def _insist(
        self, engine: SyncEngine, session_id: str, command_id: str, command: Command
    ) -> None:
        while True:
            try:
                engine.execute_idempotent(session_id, command, _once(command_id))
            except StoreUnavailable:
                with self._lock:
                    self.ledger.refusals += 1
                if self._enough.wait(AGAIN_AFTER_S):
                    return
            else:
                if isinstance(command, Adjust):
                    self.ledger.acknowledged[command_id] = session_id
                return


def _once(command_id: str) -> IdempotentRequest:
    return IdempotentRequest(command_id, command_id.encode(), lambda _: b"")


def more(players: Players, many: int) -> None:
    """Return once so many more commands have been acknowledged, or something went wrong."""
    ledger = players.ledger
    enough = len(ledger.acknowledged) + many
    eventually(lambda: len(ledger.acknowledged) >= enough or ledger.surprises, 30)


def audit(engine: SyncEngine, store: Place, session_ids: Sequence[str]) -> dict[str, int]:
    """Read everything and hold it against the laws; each adjustment, and which version it made."""
    index_agrees(engine, store, session_ids)
    found: list[tuple[str, int]] = []
    for session_id in session_ids:
        paused = engine.pause_session(session_id)
        logged = engine.get_events(session_id, None, AT_MOST)
        # One event each, as no clock ran out: every version was made once, from the one before.
        versions = [one.version for one in logged]
        assert versions == list(range(1, paused.session.version + 1)), (
            f"{len(versions)} events of {paused.session.version} versions, from {versions[0]} on,"
            f" {sorted(set(range(versions[0], versions[-1])) - set(versions))} missing"
        )
        events = [one.event for one in logged]
        participants = paused.state["participants"]
        switches = sum(isinstance(event, CycleSwitched) for event in events)
        assert sum(one["cycle_count"] for one in participants) == switches
        given_ms = sum(event.delta_ms for event in events if isinstance(event, TimeAdjusted))
        assert sum(one["total_time_ms"] for one in participants) == 3 * HOUR_MS + given_ms
        used_ms = sum(one["time_used_ms"] for one in participants)
        assert used_ms == paused.now_ms - (paused.session.started_at_ms or 0)
        found += [
            (one.event.reason or "", one.version)
            for one in logged
            if isinstance(one.event, TimeAdjusted)
        ]
    carried_out = Counter(reason for reason, _ in found)
    assert [reason for reason, times in carried_out.items() if times > 1] == []
    return dict(found)


def index_agrees(engine: SyncEngine, store: Place, session_ids: Sequence[str]) -> None:
    sessions = {one: engine.get_current_state(one).session for one in session_ids}
    keys = {SessionKeys.of(one, SHARDS).deadlines for one in session_ids}
    with store.admin() as admin:
        indexed: dict[str, int] = {}
        for key in keys:
            found: Any = admin.zrange(key, 0, -1, withscores=True)
            indexed |= {name.decode(): int(at_ms) for name, at_ms in found}
    assert {one: indexed.get(one) for one in sessions} == {
        one: deadline_ms(session) for one, session in sessions.items()
    }
