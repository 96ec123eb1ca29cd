"""Contract of the connection registry: the fake and Redis, standalone and Cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

import pytest

from chalicelib.auth.policy import Bearer, Role
from chalicelib.core.commands import Start
from chalicelib.core.errors import RateLimited, Unauthenticated
from chalicelib.core.session import Status
from chalicelib.ports import (
    ConnectionContext,
    ConnectionRegistry,
    DeadlineIndex,
    Heartbeat,
    HeartbeatPolicy,
    RateLimitCheck,
    SessionStore,
    StoreUnavailable,
)
from chalicelib.rate_limit.limiter import MINUTE_US, Limit
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.connection_registry import RedisConnections
from chalicelib.store.deadline_index import RedisDeadlines
from chalicelib.store.keys import SessionKeys, connection
from chalicelib.store.session_store import STATUS_NUMBERS, RedisStore
from tests.auth.bearers import a_bearer
from tests.fakes import FakeDeadlines, FakeRegistry, FakeStore
from tests.fixtures import ON_A_CLUSTER
from tests.servers import Proxy, RedisProcess
from tests.store.sessions import HOUR_MS, a_setup, created, next_of

HERE = "https://abc.execute-api.eu-west-1.amazonaws.com/dev"
THERE = "http://127.0.0.1:8001/dev"


@dataclass
class Place:
    registry: ConnectionRegistry
    store: SessionStore
    deadlines: DeadlineIndex
    expires_at_ms: Callable[[str], int | None]
    away: Callable[[], None] = field(default=lambda: None)


@pytest.fixture(params=["fake", "valkey", "redis7", ON_A_CLUSTER])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "fake":
        store = FakeStore()
        index = FakeDeadlines(store)
        yield Place(
            FakeRegistry(store),
            store,
            index,
            store.expires_at_ms,
            lambda: setattr(store, "away", True),
        )
        return
    running = request.getfixturevalue(request.param)
    settings = Settings(redis_url=running.url, redis_cluster=running.is_cluster)
    server = RedisClient(settings)
    nowhere = RedisClient(Settings(redis_url="redis://127.0.0.1:1/0"))

    def expires_at_ms(session_id: str) -> int | None:
        keys = SessionKeys.of(session_id, 16)
        session_ms, events_ms = (
            server.execute("PEXPIRETIME", key) for key in (keys.session, keys.events)
        )
        assert events_ms in (-2, session_ms)
        return session_ms if session_ms > 0 else None

    place = Place(
        RedisConnections(server, 16, HeartbeatPolicy(), 24 * HOUR_MS),
        RedisStore(server, 16),
        RedisDeadlines(server, 16),
        expires_at_ms,
    )

    def away() -> None:
        place.registry = RedisConnections(nowhere, 16, HeartbeatPolicy(), 24 * HOUR_MS)

    place.away = away
    yield place
    server.close()
    nowhere.close()


@pytest.fixture
def session_id() -> str:
    return str(uuid4())


@pytest.fixture
def connection_id() -> str:
    return f"{uuid4().hex[:15]}="


def listed(place: Place, session_id: str) -> set[str]:
    return {one.connection_id for one in place.registry.connections_of(session_id).connections}


def record_heartbeat(place: Place, session_id: str, connection_id: str) -> Heartbeat:
    """The heartbeat of a registered connection."""
    heartbeat = place.registry.record_heartbeat(session_id, connection_id, HERE)
    assert heartbeat is not None
    return heartbeat


def due_ms(place: Place, session_id: str) -> int | None:
    """When the index says that a session was to be settled, if that has passed."""
    shards = range(place.deadlines.shards)
    due = [one for shard in shards for one in place.deadlines.due(shard, 10_000).deadlines]
    return next((one.at_ms for one in due if one.session_id == session_id), None)


def test_registered_connection_is_listed_with_endpoint_and_instants(
    place: Place, session_id: str, connection_id: str
) -> None:
    heartbeat = place.registry.register(session_id, connection_id, HERE)

    watchers = place.registry.connections_of(session_id)
    (watcher,) = watchers.connections
    assert (watcher.connection_id, watcher.endpoint) == (connection_id, HERE)
    assert watcher.registered_at_ms == watcher.last_seen_at_ms == heartbeat.now_ms
    assert watchers.now_ms >= heartbeat.now_ms
    assert place.registry.session_of(connection_id) == session_id


def test_registering_restores_a_missing_or_late_deadline(
    place: Place, session_id: str, connection_id: str
) -> None:
    now_ms = place.store.now_ms()
    session = created(place.store, a_setup(session_id), due_ms=now_ms)

    for wrong_ms in (None, now_ms + 60_000):
        place.deadlines.correct(session_id, session, wrong_ms)
        assert due_ms(place, session_id) is None
        place.registry.register(session_id, connection_id, HERE)
        assert due_ms(place, session_id) == now_ms

    # An entry that is too early is corrected by the sweeper that finds it due.
    place.deadlines.correct(session_id, session, now_ms - 1)
    place.registry.register(session_id, connection_id, HERE)
    assert due_ms(place, session_id) == now_ms - 1


def test_registering_adds_no_deadline_to_a_session_without_one(
    place: Place, session_id: str, connection_id: str
) -> None:
    created(place.store, a_setup(session_id), due_ms=None)
    place.registry.register(session_id, connection_id, HERE)
    place.registry.register(str(uuid4()), connection_id, HERE)

    assert due_ms(place, session_id) is None


def test_session_lives_on_while_a_client_is_connected(
    place: Place, session_id: str, connection_id: str
) -> None:
    now_ms = place.store.now_ms()
    created(
        place.store,
        a_setup(session_id),
        expires_at_ms=now_ms + 23 * HOUR_MS,
        renewable_until_ms=now_ms + 31 * 24 * HOUR_MS,
    )
    heartbeat = place.registry.register(session_id, connection_id, HERE)

    assert place.expires_at_ms(session_id) == heartbeat.now_ms + 24 * HOUR_MS


@pytest.mark.parametrize(
    ("expires_in_ms", "renewable_ms", "lives_ms"),
    [
        # At most once an hour.
        (23 * HOUR_MS + 60_000, 31 * 24 * HOUR_MS, 23 * HOUR_MS + 60_000),
        # Up to its limit.
        (2 * HOUR_MS, 10 * HOUR_MS, 10 * HOUR_MS),
        (10 * HOUR_MS, 10 * HOUR_MS, 10 * HOUR_MS),
        # Never shorter: a clock that runs, or a deadline to come, has it live longer.
        (40 * HOUR_MS, 10 * HOUR_MS, 40 * HOUR_MS),
        (40 * HOUR_MS, 31 * 24 * HOUR_MS, 40 * HOUR_MS),
        (2 * HOUR_MS, None, 2 * HOUR_MS),
        (None, 10 * HOUR_MS, None),
    ],
)
def test_session_is_renewed_at_most_once_an_hour_and_up_to_its_limit(
    place: Place,
    session_id: str,
    connection_id: str,
    expires_in_ms: int | None,
    renewable_ms: int | None,
    lives_ms: int | None,
) -> None:
    now_ms = place.store.now_ms()
    created(
        place.store,
        a_setup(session_id),
        expires_at_ms=None if expires_in_ms is None else now_ms + expires_in_ms,
        renewable_until_ms=None if renewable_ms is None else now_ms + renewable_ms,
    )
    place.registry.register(session_id, connection_id, HERE)

    assert place.expires_at_ms(session_id) == (None if lives_ms is None else now_ms + lives_ms)


def test_settling_does_not_shorten_what_a_client_may_renew(
    place: Place, session_id: str, connection_id: str
) -> None:
    now_ms = place.store.now_ms()
    session = created(
        place.store,
        a_setup(session_id),
        expires_at_ms=now_ms + HOUR_MS,
        renewable_until_ms=now_ms + 9 * HOUR_MS,
    )
    place.store.commit(next_of(session, Start(), now_ms, expires_at_ms=None))
    place.registry.register(session_id, connection_id, HERE)

    assert place.expires_at_ms(session_id) == now_ms + 9 * HOUR_MS


def test_renewed_session_is_counted_for_as_long_as_it_lives(
    valkey: RedisProcess, session_id: str, connection_id: str
) -> None:
    server = RedisClient(Settings(redis_url=valkey.url))
    store = RedisStore(server, 16)
    now_ms = store.now_ms()
    session = created(store, a_setup(session_id))
    running = next_of(
        session,
        Start(),
        now_ms,
        expires_at_ms=now_ms + HOUR_MS,
        renewable_until_ms=now_ms + 9 * HOUR_MS,
    )
    store.commit(running)
    RedisConnections(server, 16, HeartbeatPolicy(), 24 * HOUR_MS).register(
        session_id, connection_id, HERE
    )

    with valkey.admin() as admin:
        score = admin.zscore(SessionKeys.of(session_id, 16).sessions, session_id)
    status, minute_ms = divmod(int(score or 0), 2**43)
    assert status == STATUS_NUMBERS[Status.RUNNING]
    assert 0 <= minute_ms - (now_ms + 9 * HOUR_MS) < 60_000
    server.close()


def test_messages_are_limited_per_connection(
    place: Place, session_id: str, connection_id: str
) -> None:
    def remaining(connection_id: str) -> int:
        limit_check = RateLimitCheck("message", connection_id, Limit(3, MINUTE_US))
        with suppress(RateLimited):
            place.registry.record_heartbeat(session_id, connection_id, HERE, limit_check)
        assert limit_check.quota is not None
        return -1 if limit_check.quota.exceeded else limit_check.quota.remaining

    place.registry.register(session_id, connection_id, HERE)
    place.registry.register(session_id, f"{connection_id}2", HERE)

    assert [remaining(connection_id) for _ in range(4)] == [2, 1, 0, -1]
    assert remaining(f"{connection_id}2") == 2


def test_heartbeat_updates_only_the_last_seen_instant(
    place: Place, session_id: str, connection_id: str
) -> None:
    first = place.registry.register(session_id, connection_id, HERE)
    if isinstance(place.store, FakeStore):
        place.store.advance(5)
    while (again := record_heartbeat(place, session_id, connection_id)).now_ms == first.now_ms:
        pass

    (watcher,) = place.registry.connections_of(session_id).connections
    assert watcher.registered_at_ms == first.now_ms
    assert watcher.last_seen_at_ms == again.now_ms


def test_heartbeat_does_for_the_session_what_registering_does(
    place: Place, session_id: str, connection_id: str
) -> None:
    now_ms = place.store.now_ms()
    session = created(
        place.store,
        a_setup(session_id),
        due_ms=now_ms,
        expires_at_ms=now_ms + 9 * HOUR_MS,
        renewable_until_ms=now_ms + 31 * 24 * HOUR_MS,
    )
    place.registry.register(session_id, connection_id, HERE)
    place.deadlines.correct(session_id, session, None)

    record_heartbeat(place, session_id, connection_id)

    assert due_ms(place, session_id) == now_ms


def test_renewing_returns_the_context(place: Place, session_id: str, connection_id: str) -> None:
    bearer = a_viewer(place, session_id)
    place.registry.register(session_id, connection_id, HERE, bearer)

    assert place.registry.renew(connection_id) == ConnectionContext(session_id, bearer)
    assert place.registry.renew(f"2{connection_id}") is None
    assert place.registry.context_of(f"2{connection_id}") is None


def test_heartbeat_of_an_unregistered_connection_changes_nothing(
    place: Place, session_id: str, connection_id: str
) -> None:
    now_ms = place.store.now_ms()
    session = created(
        place.store,
        a_setup(session_id),
        due_ms=now_ms,
        expires_at_ms=now_ms + HOUR_MS,
        renewable_until_ms=now_ms + 9 * HOUR_MS,
    )
    place.deadlines.correct(session_id, session, None)
    limit_check = RateLimitCheck("message", connection_id, Limit(1, MINUTE_US))

    assert place.registry.record_heartbeat(session_id, connection_id, HERE, limit_check) is None

    assert listed(place, session_id) == set()
    assert place.registry.context_of(connection_id) is None
    assert limit_check.quota is None
    assert due_ms(place, session_id) is None
    assert place.expires_at_ms(session_id) == now_ms + HOUR_MS


@pytest.mark.parametrize("with_token", [False, True])
@pytest.mark.parametrize("order", ["fdrh", "frdh", "frhd", "rfdh", "rfhd", "rhfd"])
def test_message_that_races_the_end_of_its_connection_does_not_register_it_again(
    place: Place, session_id: str, connection_id: str, order: str, with_token: bool
) -> None:
    """A message renews, then records its heartbeat; $disconnect finds the session, then removes."""
    bearer = a_viewer(place, session_id) if with_token else None
    place.registry.register(session_id, connection_id, HERE, bearer)
    steps: dict[str, Callable[[], object]] = {
        "r": lambda: place.registry.renew(connection_id),
        "h": lambda: place.registry.record_heartbeat(
            session_id, connection_id, HERE, bearer=bearer
        ),
        "f": lambda: place.registry.session_of(connection_id),
        "d": lambda: place.registry.remove(session_id, [connection_id]),
    }

    for step in order:
        steps[step]()

    assert listed(place, session_id) == set()
    assert place.registry.context_of(connection_id) is None


def test_heartbeat_returns_the_current_version(place: Place, connection_id: str) -> None:
    setup = a_setup()
    session_id = setup.session_id
    assert place.registry.register(session_id, connection_id, HERE).epoch is None

    session = created(place.store, setup)

    heartbeat = record_heartbeat(place, session_id, connection_id)
    assert (heartbeat.epoch, heartbeat.version) == (session.epoch, 1)
    assert heartbeat.updated_at_ms == session.updated_at_ms


def test_connections_are_listed_per_session(
    place: Place, session_id: str, connection_id: str
) -> None:
    place.registry.register(session_id, connection_id, HERE)
    place.registry.register(session_id, f"2{connection_id}", THERE)

    assert listed(place, session_id) == {connection_id, f"2{connection_id}"}
    assert listed(place, str(uuid4())) == set()


def test_lists_of_many_sessions_are_read_in_order(
    place: Place, session_id: str, connection_id: str
) -> None:
    other, empty = str(uuid4()), str(uuid4())
    place.registry.register(session_id, connection_id, HERE)
    place.registry.register(other, f"2{connection_id}", THERE)

    lists = place.registry.connections_of_many([other, empty, session_id])

    assert [[one.connection_id for one in found.connections] for found in lists] == [
        [f"2{connection_id}"],
        [],
        [connection_id],
    ]
    assert place.registry.connections_of_many([]) == []


def test_deregistered_connection_is_not_listed(
    place: Place, session_id: str, connection_id: str
) -> None:
    place.registry.register(session_id, connection_id, HERE)
    place.registry.deregister(connection_id)
    place.registry.deregister(connection_id)

    assert listed(place, session_id) == set()
    assert place.registry.session_of(connection_id) is None


def test_removed_connection_can_register_again(
    place: Place, session_id: str, connection_id: str
) -> None:
    place.registry.register(session_id, connection_id, HERE)
    place.registry.register(session_id, f"2{connection_id}", HERE)
    place.registry.remove(session_id, [connection_id, f"2{connection_id}", "never seen="])
    assert listed(place, session_id) == set()

    place.registry.register(session_id, connection_id, HERE)
    assert listed(place, session_id) == {connection_id}


def test_every_watched_session_is_found(place: Place, session_id: str, connection_id: str) -> None:
    other = str(uuid4())
    place.registry.register(session_id, connection_id, HERE)
    place.registry.register(other, f"2{connection_id}", HERE)

    found = set(place.registry.sessions_with_connections())

    assert {session_id, other} <= found
    place.registry.deregister(connection_id)
    assert session_id not in set(place.registry.sessions_with_connections())


def test_unavailable_registry_raises(place: Place, session_id: str, connection_id: str) -> None:
    place.away()

    for call in (
        lambda: place.registry.register(session_id, connection_id, HERE),
        lambda: place.registry.record_heartbeat(session_id, connection_id, HERE),
        lambda: place.registry.renew(connection_id),
        lambda: place.registry.session_of(connection_id),
        lambda: place.registry.connections_of(session_id),
        lambda: place.registry.connections_of_many([session_id]),
        lambda: place.registry.remove(session_id, [connection_id]),
    ):
        with pytest.raises(StoreUnavailable):
            call()


@pytest.mark.parametrize("heartbeat_ms", [30_000, 5_000])
def test_records_outlive_their_connection_by_a_few_heartbeats_at_most(
    valkey: RedisProcess, session_id: str, connection_id: str, heartbeat_ms: int
) -> None:
    server = RedisClient(Settings(redis_url=valkey.url))
    registry = RedisConnections(server, 16, HeartbeatPolicy(heartbeat_ms), 24 * HOUR_MS)
    registry.register(session_id, connection_id, HERE)

    with valkey.admin() as admin:
        assert 3 * heartbeat_ms < admin.pttl(connection(connection_id)) <= 4 * heartbeat_ms
        admin.pexpire(connection(connection_id), heartbeat_ms)
        registry.renew(connection_id)
        assert 3 * heartbeat_ms < admin.pttl(connection(connection_id)) <= 4 * heartbeat_ms
        life_ms = admin.pttl(SessionKeys.of(session_id, 16).connections)
        assert 2 * 3_600_000 < life_ms <= 130 * 60_000
    server.close()


def test_lost_reply_does_not_register_twice(
    proxy: Proxy, valkey: RedisProcess, session_id: str, connection_id: str
) -> None:
    server = RedisClient(Settings(redis_url=proxy.url))
    registry = RedisConnections(server, 16, HeartbeatPolicy(), 24 * HOUR_MS)
    registry.register(session_id, f"2{connection_id}", HERE)
    proxy.drop_next_reply(to=connection_id.encode())

    registry.register(session_id, connection_id, HERE)

    assert proxy.has_dropped
    assert len(registry.connections_of(session_id).connections) == 2
    server.close()


# Tokens


def a_viewer(place: Place, session_id: str, for_s: int = 60) -> Bearer:
    now_s = place.store.now_ms() // 1000
    return a_bearer(
        Role.PARTICIPANT,
        session_id=session_id,
        token_id=uuid4().hex,
        valid_from_s=now_s - 10,
        valid_until_s=now_s + for_s,
    )


def test_connection_with_a_token_has_its_bearer_and_expiry(
    place: Place, session_id: str, connection_id: str
) -> None:
    bearer = a_viewer(place, session_id)
    created(place.store, a_setup(session_id))
    for _ in range(2):
        assert place.registry.register(session_id, connection_id, HERE, bearer=bearer).version == 1

    assert place.registry.context_of(connection_id) == ConnectionContext(session_id, bearer)
    assert place.registry.session_of(connection_id) == session_id
    (watcher,) = place.registry.connections_of(session_id).connections
    assert (watcher.endpoint, watcher.valid_until_ms) == (HERE, bearer.valid_until_s * 1000)


def test_connection_without_a_token_has_no_bearer(
    place: Place, session_id: str, connection_id: str
) -> None:
    place.registry.register(session_id, connection_id, HERE)

    assert place.registry.context_of(connection_id) == ConnectionContext(session_id, None)
    assert place.registry.context_of(f"2{connection_id}") is None
    assert [
        one.valid_until_ms for one in place.registry.connections_of(session_id).connections
    ] == [None]


def test_message_with_a_token_is_limited_like_any_other(
    place: Place, session_id: str, connection_id: str
) -> None:
    bearer = a_viewer(place, session_id)
    place.registry.register(session_id, connection_id, HERE, bearer)
    for left in (1, 0):
        limit_check = RateLimitCheck("message", connection_id, Limit(2, MINUTE_US))
        place.registry.record_heartbeat(session_id, connection_id, HERE, limit_check, bearer)
        assert limit_check.quota is not None
        assert limit_check.quota.remaining == left


@pytest.mark.parametrize("for_s", [-1, 60])
def test_connection_with_an_invalid_token_is_not_listed(
    place: Place, session_id: str, connection_id: str, for_s: int
) -> None:
    bearer = a_viewer(place, session_id, for_s)
    place.store.revoke(session_id, bearer.token_id, 60_000)

    with pytest.raises(Unauthenticated):
        place.registry.register(session_id, connection_id, HERE, bearer)

    assert listed(place, session_id) == set()


def test_message_of_a_revoked_token_is_not_counted(
    place: Place, session_id: str, connection_id: str
) -> None:
    bearer = a_viewer(place, session_id)
    place.registry.register(session_id, connection_id, HERE, bearer)
    place.store.revoke(session_id, bearer.token_id, 60_000)
    limit_check = RateLimitCheck("message", connection_id, Limit(2, MINUTE_US))

    with pytest.raises(Unauthenticated):
        place.registry.record_heartbeat(session_id, connection_id, HERE, limit_check, bearer)

    assert limit_check.quota is None


def test_connections_of_tokens_minted_with_a_revoked_one_are_invalid(
    place: Place, session_id: str, connection_id: str
) -> None:
    host = a_viewer(place, session_id)
    for at, more in enumerate(("", ".a", ".a.b", "x")):
        bearer = replace(host, token_id=f"{host.token_id}{more}")
        place.registry.register(session_id, f"{at}{connection_id}", HERE, bearer=bearer)

    place.store.revoke(session_id, host.token_id, 60_000)

    listed = place.registry.connections_of(session_id).connections
    assert {one.connection_id for one in listed if one.valid_until_ms == 0} == {
        f"{at}{connection_id}" for at in range(3)
    }


def test_connection_of_a_revoked_token_stays_listed_as_invalid(
    place: Place, session_id: str, connection_id: str
) -> None:
    leaving, staying = a_viewer(place, session_id), a_viewer(place, session_id)
    place.registry.register(session_id, connection_id, HERE, bearer=leaving)
    place.registry.register(session_id, f"2{connection_id}", HERE, bearer=leaving)
    place.registry.register(session_id, f"3{connection_id}", HERE, bearer=staying)
    place.registry.register(session_id, f"4{connection_id}", HERE)

    place.store.revoke(session_id, leaving.token_id, 60_000)

    assert {
        (one.connection_id, one.endpoint, one.valid_until_ms)
        for one in place.registry.connections_of(session_id).connections
    } == {
        (connection_id, HERE, 0),
        (f"2{connection_id}", HERE, 0),
        (f"3{connection_id}", HERE, staying.valid_until_s * 1000),
        (f"4{connection_id}", HERE, None),
    }
    place.registry.deregister(connection_id)
    assert connection_id not in listed(place, session_id)
