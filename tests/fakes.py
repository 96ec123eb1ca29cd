"""Fakes of the adapters; each runs its adapter's contract suite."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

from chalicelib.auth.policy import Bearer
from chalicelib.broadcast.connections_api.ports import Delete, DeliveryStatus, R, Request
from chalicelib.core.errors import Unauthenticated
from chalicelib.core.events import Event
from chalicelib.core.session import Session, Status
from chalicelib.ports import (
    KEEP_ENDINGS_MS,
    REMEMBER_COMMANDS_MS,
    Commit,
    Committed,
    Connection,
    ConnectionContext,
    Deadline,
    Deleted,
    Due,
    Ending,
    Heartbeat,
    HeartbeatPolicy,
    IdempotencyRecord,
    Loaded,
    LoggedEvent,
    RateLimitCheck,
    SessionConnections,
    Stale,
    StoreStats,
    StoreUnavailable,
)
from chalicelib.store import codec
from chalicelib.telemetry.definitions import Gauge, Metric
from chalicelib.websocket.welcome import WelcomeEvent


@dataclass
class _Stored:
    session: Session
    events: list[tuple[int, Event]]
    expires_at_ms: int | None
    due_ms: int | None = None
    renewable_until_ms: int | None = None


@dataclass
class FakeStore:
    """RedisStore in memory, with a clock that only the test moves.

    ``published`` is every message with the id of the session whose watchers
    it went to; ``commits`` every commit that was made, repetitions left out;
    ``alarms`` names the only shard whenever a deadline was earlier than all.
    While ``away`` is true, every call raises StoreUnavailable; while
    ``cannot_count``, nothing is counted that is not counted with a session.
    """

    clock_ms: int = 1_700_000_000_000
    away: bool = False
    cannot_count: bool = False
    deadlines: dict[str, int] = field(default_factory=dict)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    deadline_notifications: SimpleQueue[int | None] = field(default_factory=SimpleQueue)
    revoked: dict[tuple[str, str], int] = field(default_factory=dict)
    endings: dict[str, tuple[Ending, int]] = field(default_factory=dict)
    _sessions: dict[str, _Stored] = field(default_factory=dict)
    _receipts: dict[tuple[str, str], tuple[IdempotencyRecord, int]] = field(default_factory=dict)
    _drained_at_us: dict[tuple[str, str], int] = field(default_factory=dict)

    def advance(self, ms: int) -> None:
        self.clock_ms += ms

    def load(
        self,
        session_id: str,
        command_id: str | None = None,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Loaded:
        self._answer()
        if bearer is not None:
            self._look_at(session_id, bearer, limit_check)
        stored = self._stored(session_id)
        record = self._kept(session_id, command_id) if command_id is not None else None
        if limit_check is not None and limit_check.scope == "switch":
            if stored is not None and record is None:
                self._look_for_room(limit_check)
                limit_check.enforce()
        elif limit_check is not None:
            self.count_request(limit_check)
        ending = None if stored else self._ending(session_id)
        return Loaded(stored.session if stored else None, self.clock_ms, record, ending)

    def _ending(self, session_id: str) -> Ending | None:
        ending, at_ms = self.endings.get(session_id, (None, 0))
        return ending if self.clock_ms - at_ms < KEEP_ENDINGS_MS else None

    def authorize(
        self, session_id: str, bearer: Bearer | None, limit_check: RateLimitCheck | None = None
    ) -> int:
        self._answer()
        if bearer is not None:
            self._look_at(session_id, bearer, limit_check)
        if limit_check is not None:
            self.count_request(limit_check)
        return self.clock_ms

    def revoke(self, session_id: str, token_id: str, keep_ms: int) -> None:
        self._answer()
        self.revoked[session_id, token_id] = self.clock_ms + keep_ms
        self.published.append((session_id, b""))

    def holds(self, session_id: str, bearer: Bearer) -> bool:
        """As token.lua says it."""
        kept_until_ms = [self.revoked.get((session_id, one), 0) for one in bearer.revocations]
        is_revoked = max(kept_until_ms, default=0) > self.clock_ms
        since_ms, until_ms = bearer.valid_from_s * 1000, bearer.valid_until_s * 1000
        return since_ms <= self.clock_ms < until_ms and not is_revoked

    def _look_at(self, session_id: str, bearer: Bearer, limit_check: RateLimitCheck | None) -> None:
        if self.holds(session_id, bearer):
            return
        if limit_check is not None and limit_check.scope == "general":
            self._count(limit_check)
        raise Unauthenticated

    def count_request(self, limit_check: RateLimitCheck) -> None:
        self._count(limit_check)
        limit_check.enforce()

    def _count(self, limit_check: RateLimitCheck) -> None:
        if self.away or self.cannot_count:
            limit_check.failed_open()
        else:
            self.consume(limit_check)

    def _look_for_room(self, limit_check: RateLimitCheck) -> None:
        drained_at_us, now_us, fits = self._measure(limit_check)
        if not fits:
            limit_check.record(drained_at_us, now_us, fits)

    def consume(self, limit_check: RateLimitCheck) -> None:
        """As bucket.lua does."""
        drained_at_us, now_us, fits = self._measure(limit_check)
        if fits:
            drained_at_us += limit_check.limit.interval_us
            self._drained_at_us[limit_check.scope, limit_check.subject] = drained_at_us
        limit_check.record(drained_at_us, now_us, fits)

    def _measure(self, limit_check: RateLimitCheck) -> tuple[int, int, bool]:
        now_us, limit = self.clock_ms * 1000, limit_check.limit
        drained_at_us = self._drained_at_us.get((limit_check.scope, limit_check.subject), now_us)
        drained_at_us = max(now_us, drained_at_us)
        fits = drained_at_us + limit.interval_us - now_us <= limit.capacity_us
        return drained_at_us, now_us, fits

    def save_response(
        self, session_id: str, command_id: str, record: IdempotencyRecord, keep_ms: int
    ) -> IdempotencyRecord:
        self._answer()
        before = self._kept(session_id, command_id)
        if before is None:
            self._keep(session_id, command_id, record, keep_ms)
        return before or record

    def commit(
        self, commit: Commit, limit_check: RateLimitCheck | None = None
    ) -> Committed | Stale:
        self._answer()
        switch = limit_check if limit_check is not None and limit_check.scope == "switch" else None
        # What can't be stored can't be committed, and nothing is stored as it
        # was handed in: a mistake of the codec shows here, too.
        session = _through_the_codec(commit.session)
        session_id = session.setup.session_id
        before = self._kept(session_id, commit.command_id)
        if before is not None:
            if switch is not None:
                switch.skipped()
            return Committed(before.version, before)
        stored = self._stored(session_id)
        if commit.base_version == 0:
            fits = stored is None
        else:
            fits = stored is not None and (stored.session.epoch, stored.session.version) == (
                session.epoch,
                commit.base_version,
            )
            made_at_ms = commit.base_updated_at_ms
            fits &= stored is None or made_at_ms in (None, stored.session.updated_at_ms)
        if not fits:
            return Stale(Loaded(stored.session if stored else None, self.clock_ms))
        if switch is not None:
            self.consume(switch)
            switch.enforce()
        if stored is None:
            stored = self._sessions[session_id] = _Stored(session, [], None)
        # A session's setup is written only when it is created or changed.
        setup = session.setup if commit.writes_setup else stored.session.setup
        stored.session = replace(session, setup=setup)
        stored.events += [(session.version, event) for event in commit.events]
        record = commit.record or IdempotencyRecord(session.version)
        self._keep(session_id, commit.command_id, record, commit.keep_ms)
        stored.due_ms = commit.due_ms
        if commit.due_ms is None:
            self.deadlines.pop(session_id, None)
        else:
            to_come = [at_ms for at_ms in self.deadlines.values() if at_ms > self.clock_ms]
            if commit.due_ms < min(to_come, default=commit.due_ms + 1):
                self.deadline_notifications.put(0)
            self.deadlines[session_id] = commit.due_ms
        stored.expires_at_ms = commit.expires_at_ms or stored.expires_at_ms
        stored.renewable_until_ms = commit.renewable_until_ms or stored.renewable_until_ms
        self.commits.append(commit)
        self.published.append((session_id, commit.update))
        return Committed(session.version)

    def load_many(self, session_ids: Sequence[str]) -> Sequence[Loaded]:
        return [self.load(session_id) for session_id in session_ids]

    def commit_many(self, commits: Sequence[Commit]) -> Sequence[Committed | Stale]:
        return [self.commit(commit) for commit in commits]

    def delete(
        self,
        session_id: str,
        command_id: str,
        final_message: bytes,
        *,
        base: Session | None = None,
        record: IdempotencyRecord | None = None,
        keep_ms: int = REMEMBER_COMMANDS_MS,
    ) -> Deleted | Stale:
        self._answer()
        before = self._kept(session_id, command_id)
        if before is not None:
            return Deleted(False, before)
        stored = self._stored(session_id)
        if base is not None:
            found = stored and (stored.session.epoch, stored.session.version)
            if found != (base.epoch, base.version):
                return Stale(Loaded(stored.session if stored else None, self.clock_ms))
        self._sessions.pop(session_id, None)
        if stored is not None or session_id in self.endings:
            self.endings[session_id] = ("deleted", self.clock_ms)
        self.deadlines.pop(session_id, None)
        self._keep(session_id, command_id, record or IdempotencyRecord(0), keep_ms)
        if stored is not None:
            self.published.append((session_id, final_message))
        return Deleted(stored is not None)

    def read_events(
        self, session_id: str, after: str | None, limit: int
    ) -> Sequence[LoggedEvent] | None:
        self._answer()
        events = self.events(session_id)
        if not events:
            return None
        begin = 0 if after is None else int(after.partition("-")[2]) + 1
        return [
            LoggedEvent(f"0-{number}", version, codec.decode_event(codec.encode_event(event)))
            for number, (version, event) in enumerate(events)
        ][begin : begin + limit]

    def now_ms(self) -> int:
        self._answer()
        return self.clock_ms

    def ping(self) -> None:
        self._answer()

    def lose(self, session_id: str) -> None:
        """Forget a session, but not its deadline, as a server short of memory does."""
        self._sessions.pop(session_id, None)

    def keep_for_ever(self, session_id: str) -> None:
        """Take the time to live from a session."""
        self._sessions[session_id].expires_at_ms = None

    def records(self) -> list[IdempotencyRecord]:
        """All idempotency records that the store keeps."""
        return [record for record, _ in self._receipts.values()]

    def session_ids(self) -> list[str]:
        return list(self._sessions)

    def mend_index(self, session_id: str) -> None:
        """As record_heartbeat.lua does."""
        stored = self._stored(session_id)
        if stored is not None and stored.due_ms is not None:
            listed_ms = self.deadlines.get(session_id, stored.due_ms)
            self.deadlines[session_id] = min(listed_ms, stored.due_ms)

    def renew(self, session_id: str, ttl_ms: int) -> None:
        """As record_heartbeat.lua does."""
        stored = self._stored(session_id)
        if stored is None or stored.expires_at_ms is None or stored.renewable_until_ms is None:
            return
        expires_at_ms = min(self.clock_ms + ttl_ms, stored.renewable_until_ms)
        if expires_at_ms - stored.expires_at_ms >= min(3_600_000, ttl_ms // 2):
            stored.expires_at_ms = expires_at_ms

    def copied(self) -> FakeStore:
        """A replica that receives nothing from now on."""
        replica = FakeStore(self.clock_ms)
        replica.become(self)
        return replica

    def become(self, replica: FakeStore) -> None:
        """Fail over: what the replica had not received is lost. The clock goes on."""
        self.deadlines = dict(replica.deadlines)
        self._receipts = dict(replica._receipts)
        self.endings = dict(replica.endings)
        self._sessions = {
            session_id: replace(stored, events=list(stored.events))
            for session_id, stored in replica._sessions.items()
        }

    def events(self, session_id: str) -> list[tuple[int, Event]]:
        """What is in the log of a session: each event and the version it belongs to."""
        stored = self._stored(session_id)
        return list(stored.events) if stored else []

    def expires_at_ms(self, session_id: str) -> int | None:
        stored = self._stored(session_id)
        return stored.expires_at_ms if stored else None

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailable("The fake store is away")

    def _stored(self, session_id: str) -> _Stored | None:
        stored = self._sessions.get(session_id)
        if stored is None:
            return None
        if stored.expires_at_ms is not None and stored.expires_at_ms <= self.clock_ms:
            # As in Redis, the index of deadlines knows nothing of this.
            del self._sessions[session_id]
            self.endings[session_id] = ("expired", stored.expires_at_ms)
            return None
        return stored

    def _kept(self, session_id: str, command_id: str) -> IdempotencyRecord | None:
        kept, until_ms = self._receipts.get((session_id, command_id), (None, 0))
        return kept if until_ms > self.clock_ms else None

    def _keep(
        self, session_id: str, command_id: str, record: IdempotencyRecord, keep_ms: int
    ) -> None:
        kept = codec.decode_record(codec.encode_record(record))
        self._receipts[session_id, command_id] = (kept, self.clock_ms + keep_ms)


def _through_the_codec(session: Session) -> Session:
    return codec.decode(
        session.epoch,
        session.version,
        codec.encode_setup(session.setup),
        codec.encode_facts(session),
    )


@dataclass
class FakeDeadlines:
    """RedisDeadlines in memory: one shard, which is the index of a FakeStore."""

    store: FakeStore
    shards: int = 1

    def due(self, shard: int, limit: int) -> Due:
        assert shard == 0
        now_ms = self.store.now_ms()
        by_time = sorted((at_ms, one) for one, at_ms in list(self.store.deadlines.items()))
        due = [Deadline(one, at_ms) for at_ms, one in by_time if at_ms <= now_ms]
        coming = [at_ms for at_ms, _ in by_time if at_ms > now_ms]
        return Due(due[:limit], coming[0] if coming else None, now_ms)

    def correct(self, session_id: str, found: Session | None, due_ms: int | None) -> None:
        now = self.store.load(session_id).session
        if (now and (now.epoch, now.version)) != (found and (found.epoch, found.version)):
            return
        if due_ms is None:
            self.store.deadlines.pop(session_id, None)
        else:
            self.store.deadlines[session_id] = due_ms


@dataclass
class FakeAlarms:
    """Deadline notifications of a FakeStore; ``None`` stands for a lost connection."""

    store: FakeStore
    opened: int = 0

    @contextmanager
    def open(self) -> Iterator[FakeAlarms]:
        self.opened += 1
        yield self

    def next(self, within_seconds: float) -> int | None:
        try:
            shard = self.store.deadline_notifications.get(
                timeout=within_seconds or None, block=within_seconds > 0
            )
        except Empty:
            return None
        if shard is None:
            raise StoreUnavailable("lost")
        return shard


@dataclass
class FakeRegistry:
    """RedisConnections in memory, on the clock and the sessions of a FakeStore.

    The first of ``after_renewal`` happens between a message's renewal and its heartbeat.
    """

    store: FakeStore
    heartbeat_policy: HeartbeatPolicy = field(default_factory=HeartbeatPolicy)
    session_ttl_ms: int = 24 * 3_600_000
    lists: dict[str, dict[str, Connection]] = field(default_factory=dict)
    after_renewal: list[Callable[[], object]] = field(default_factory=list)
    _sessions: dict[str, tuple[ConnectionContext, int]] = field(default_factory=dict)

    def register(
        self, session_id: str, connection_id: str, endpoint: str, bearer: Bearer | None = None
    ) -> Heartbeat:
        heartbeat = self._record(session_id, connection_id, endpoint, None, bearer, is_new=True)
        assert heartbeat is not None
        self._remember(connection_id, ConnectionContext(session_id, bearer))
        return heartbeat

    def renew(self, connection_id: str) -> ConnectionContext | None:
        context = self.context_of(connection_id)
        if context is not None:
            self._remember(connection_id, context)
        if self.after_renewal:
            self.after_renewal.pop(0)()
        return context

    def record_heartbeat(
        self,
        session_id: str,
        connection_id: str,
        endpoint: str,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Heartbeat | None:
        return self._record(session_id, connection_id, endpoint, limit_check, bearer, is_new=False)

    def _remember(self, connection_id: str, context: ConnectionContext) -> None:
        until_ms = self.store.now_ms() + self.heartbeat_policy.abandoned_ms
        self._sessions[connection_id] = (context, until_ms)

    def _record(
        self,
        session_id: str,
        connection_id: str,
        endpoint: str,
        limit_check: RateLimitCheck | None,
        bearer: Bearer | None,
        *,
        is_new: bool,
    ) -> Heartbeat | None:
        loaded = self.store.load(session_id, bearer=bearer)
        listed = self.lists.setdefault(session_id, {})
        known = listed.get(connection_id)
        if known is None and not is_new:
            return None
        self.store.mend_index(session_id)
        self.store.renew(session_id, self.session_ttl_ms)
        if limit_check is not None:
            self.store.consume(limit_check)
        now_ms = loaded.now_ms
        registered_at_ms = known.registered_at_ms if known else now_ms
        until_ms = None if bearer is None else bearer.valid_until_s * 1000
        listed[connection_id] = Connection(
            connection_id, endpoint, registered_at_ms, now_ms, until_ms
        )
        if limit_check is not None:
            limit_check.enforce()
        if loaded.session is None:
            return Heartbeat(now_ms)
        session = loaded.session
        return Heartbeat(now_ms, session.epoch, session.version, session.updated_at_ms)

    def session_of(self, connection_id: str) -> str | None:
        context = self.context_of(connection_id)
        return context.session_id if context is not None else None

    def context_of(self, connection_id: str) -> ConnectionContext | None:
        context, until_ms = self._sessions.get(connection_id, (None, 0))
        return context if until_ms > self.store.now_ms() else None

    def deregister(self, connection_id: str) -> None:
        session_id = self.session_of(connection_id)
        if session_id is not None:
            self.remove(session_id, [connection_id])

    def connections_of(self, session_id: str) -> SessionConnections:
        now_ms = self.store.now_ms()
        listed = list(self.lists.get(session_id, {}).values())
        return SessionConnections([self._as_of_now(session_id, one) for one in listed], now_ms)

    def _as_of_now(self, session_id: str, watcher: Connection) -> Connection:
        context, _ = self._sessions.get(watcher.connection_id, (None, 0))
        bearer = context.bearer if context is not None else None
        names = () if bearer is None else bearer.revocations
        if not any((session_id, one) in self.store.revoked for one in names):
            return watcher
        return watcher._replace(valid_until_ms=0)

    def connections_of_many(self, session_ids: Sequence[str]) -> Sequence[SessionConnections]:
        return [self.connections_of(session_id) for session_id in session_ids]

    def remove(self, session_id: str, connection_ids: Sequence[str]) -> None:
        self.store.ping()
        for connection_id in connection_ids:
            self.lists.get(session_id, {}).pop(connection_id, None)
            self._sessions.pop(connection_id, None)

    def become(self, replica: FakeRegistry) -> None:
        """Fail over together with the store."""
        self.lists = {name: dict(listed) for name, listed in replica.lists.items()}
        self._sessions = dict(replica._sessions)

    def sessions_with_connections(self) -> Iterator[str]:
        return iter([session_id for session_id, listed in self.lists.items() if listed])


@dataclass
class FakeStats:
    """RedisStats in memory: what a FakeStore and a FakeRegistry hold."""

    store: FakeStore
    registry: FakeRegistry

    def read(self) -> StoreStats:
        now_ms = self.store.now_ms()
        stored = map(self.store.load, self.store.session_ids())
        statuses = Counter(one.session.status for one in stored if one.session is not None)
        last_seen_at_ms = [
            watcher.last_seen_at_ms
            for listed in self.registry.lists.values()
            for watcher in listed.values()
        ]
        late_ms = [now_ms - at_ms for at_ms in self.store.deadlines.values() if at_ms <= now_ms]
        return StoreStats(
            sessions={status: statuses[status] for status in Status},
            connections=sum(
                now_ms - at_ms <= self.registry.heartbeat_policy.silent_ms
                for at_ms in last_seen_at_ms
            ),
            overdue=len(late_ms),
            overdue_ms=max(late_ms, default=0),
        )


@dataclass
class RecordingSink:
    """A sink that remembers everything, by the metric's name and its labels."""

    counts: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)
    observed: dict[tuple[str, tuple[str, ...]], list[float]] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)
    flushes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        with self._lock:
            self.counts[metric.name, labels] += amount

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        with self._lock:
            self.observed.setdefault((metric.name, labels), []).append(seconds)

    def set(self, gauge: Gauge, value: float) -> None:
        self.found[gauge.name] = value

    def flush(self) -> None:
        self.flushes += 1


@dataclass
class FakeConnectionsApi:
    """@connections in memory: what each connection was sent, and which were closed.

    ``outcomes`` says, by connection, the status of its next posts, one after
    another; the last of them stays. Other connections are delivered to.
    """

    sent: dict[str, list[bytes]] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    outcomes: dict[str, list[DeliveryStatus]] = field(default_factory=dict)
    endpoints: set[str] = field(default_factory=set)

    def submit_all(self, requests: Sequence[R], done: Callable[[R, DeliveryStatus], None]) -> None:
        for request in requests:
            done(request, self._carry_out(request))

    def post_all(
        self, requests: Sequence[Request], within_seconds: float, max_throttled_seconds: float = inf
    ) -> list[DeliveryStatus]:
        return [self._carry_out(request) for request in requests]

    def delete(self, endpoint: str, connection_id: str, within_seconds: float) -> DeliveryStatus:
        return self._carry_out(Delete(endpoint, connection_id, within_seconds))

    def close(self, within_seconds: float) -> None:
        """Nothing is ever under way."""

    def messages(self, connection_id: str) -> list[Any]:
        return [json.loads(data) for data in self.sent.get(connection_id, [])]

    def _carry_out(self, request: Request) -> DeliveryStatus:
        self.endpoints.add(request.endpoint)
        if isinstance(request, Delete):
            self.closed.append(request.connection_id)
            return DeliveryStatus.DELIVERED
        planned = self.outcomes.get(request.connection_id, [DeliveryStatus.DELIVERED])
        outcome = planned.pop(0) if len(planned) > 1 else planned[0]
        if outcome is DeliveryStatus.DELIVERED:
            self.sent.setdefault(request.connection_id, []).append(request.data)
        return outcome


@dataclass
class RecordingWelcomeInvoker:
    """Records the welcome messages that it is asked to send."""

    events: list[WelcomeEvent] = field(default_factory=list)

    def invoke(self, event: WelcomeEvent) -> None:
        self.events.append(event)


def websocket_event(connection_id: str, at_ms: int, **more: Any) -> dict[str, Any]:
    """An event of API Gateway's WebSocket API."""
    return {
        "requestContext": {
            "connectionId": connection_id,
            "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
            "stage": "dev",
            "requestTimeEpoch": at_ms,
        },
        **more,
    }
