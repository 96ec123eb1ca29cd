"""Contract of every SessionStore: rate limits, and what happens when counting fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from redis.crc import key_slot

from chalicelib.core.commands import Switch
from chalicelib.core.errors import RateLimited
from chalicelib.ports import RateLimitCheck, Scope, SessionStore, Stale, StoreUnavailable
from chalicelib.rate_limit.limiter import MINUTE_US, NULL_OBSERVER, Limit, LimitObserver
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.keys import SessionKeys, requests
from chalicelib.store.rate_limits import SKIP_S, RequestBuckets
from tests.fixtures import OpenStore
from tests.servers import Cluster, Proxy, RedisProcess, all_at_once
from tests.waiting import Bound

from .backends import Place
from .sessions import new_id, next_of, started, switch

HOUR_US = 60 * MINUTE_US
THREE_AN_HOUR = Limit(3, HOUR_US)


@dataclass
class Observer:
    limited: list[Scope] = field(default_factory=list)
    failed_open: int = 0

    def rate_limited(self, scope: Scope) -> None:
        self.limited.append(scope)

    def limiter_failed_open(self) -> None:
        self.failed_open += 1


@pytest.fixture
def observer() -> Observer:
    return Observer()


def remaining(limit_check: RateLimitCheck) -> int:
    assert limit_check.quota is not None
    return limit_check.quota.remaining


def asked(
    store: SessionStore,
    scope: Scope,
    session_id: str,
    limit: Limit = THREE_AN_HOUR,
    key: str | None = None,
    observer: LimitObserver = NULL_OBSERVER,
) -> RateLimitCheck:
    """A read, or a switch, as the engine makes it; its limit check."""
    limit_check = RateLimitCheck(scope, session_id, limit, observer)
    with suppress(RateLimited):
        store.load(session_id, key, limit_check)
        if scope == "switch":
            switch(store, session_id, key, limit_check)
    return limit_check


def passed(limit_check: RateLimitCheck) -> bool:
    return limit_check.quota is not None and not limit_check.quota.exceeded


scopes = pytest.mark.parametrize("scope", ["general", "switch"])


@scopes
def test_request_above_the_limit_is_refused_with_the_session(
    store: SessionStore, observer: Observer, scope: Scope
) -> None:
    session_id = started(store).setup.session_id

    limit_checks = [asked(store, scope, session_id, observer=observer) for _ in range(5)]

    assert [remaining(limit_check) for limit_check in limit_checks] == [2, 1, 0, 0, 0]
    assert observer.limited == [scope, scope]
    for limit_check in limit_checks[3:]:
        assert limit_check.quota is not None
        assert 1_140 <= limit_check.quota.retry_after_seconds <= 1_200
    one_more = RateLimitCheck(scope, session_id, THREE_AN_HOUR)
    with pytest.raises(RateLimited) as refused:
        store.load(session_id, limit_check=one_more)
    assert 1_140 <= refused.value.retry_after_seconds <= 1_200
    session = store.load(session_id).session
    assert session is not None
    assert session.version == (5 if scope == "switch" else 2)


def test_bucket_drains_and_is_forgotten(place: Place, store: SessionStore) -> None:
    session_id, limit = started(store).setup.session_id, Limit(2, 100_000)
    for _ in range(4):
        asked(store, "switch", session_id, limit)
    place.wait_until(store.now_ms() + 60)
    assert passed(asked(store, "switch", session_id, limit))

    place.wait_until(store.now_ms() + 110)
    assert remaining(asked(store, "switch", session_id, limit)) == 1


@scopes
def test_scopes_and_sessions_are_counted_separately(store: SessionStore, scope: Scope) -> None:
    ids = [started(store).setup.session_id for _ in range(2)]

    assert [remaining(asked(store, scope, session_id)) for session_id in ids] == [2, 2]


def test_request_for_a_missing_session_is_counted(store: SessionStore) -> None:
    address = new_id("address")
    limit_checks = [RateLimitCheck("general", address, THREE_AN_HOUR) for _ in range(2)]
    store.load(new_id(), limit_check=limit_checks[0])
    store.count_request(limit_checks[1])

    assert [remaining(limit_check) for limit_check in limit_checks] == [2, 1]


def test_switch_is_counted_when_it_is_applied(store: SessionStore) -> None:
    session = started(store)
    session_id = session.setup.session_id
    for _ in range(5):
        in_vain = RateLimitCheck("switch", session_id, THREE_AN_HOUR)
        store.load(session_id, limit_check=in_vain)
        assert not in_vain.is_resolved
    late = next_of(session, Switch(), store.now_ms())
    assert remaining(asked(store, "switch", session_id)) == 2

    lost = RateLimitCheck("switch", session_id, THREE_AN_HOUR)
    assert isinstance(store.commit(late, lost), Stale)

    assert not lost.is_resolved
    assert remaining(asked(store, "switch", session_id)) == 1


def test_switch_above_the_limit_changes_nothing(store: SessionStore) -> None:
    session_id, limit = started(store).setup.session_id, Limit(1, HOUR_US)
    limit_check = RateLimitCheck("switch", session_id, limit)
    store.load(session_id, limit_check=limit_check)
    asked(store, "switch", session_id, limit)

    with pytest.raises(RateLimited):
        switch(store, session_id, limit_check=limit_check)

    session = store.load(session_id).session
    assert session is not None
    assert session.version == 3


def test_full_bucket_does_not_refuse_repeated_commands(store: SessionStore) -> None:
    session_id, key = started(store).setup.session_id, new_id("key")
    limit = Limit(1, HOUR_US)
    asked(store, "switch", session_id, limit, key)
    again, other = (RateLimitCheck("switch", session_id, limit) for _ in range(2))

    loaded = store.load(session_id, key, again)
    assert loaded.record is not None
    assert not again.is_resolved

    store.delete(session_id, new_id("key"), b"bye")
    store.load(session_id, limit_check=other)
    assert not other.is_resolved


def test_equal_concurrent_switches_count_once(store: SessionStore) -> None:
    session, key = started(store), new_id("key")
    session_id, limit = session.setup.session_id, Limit(1, HOUR_US)
    limit_checks = [RateLimitCheck("switch", session_id, limit) for _ in range(3)]
    for limit_check in limit_checks:
        store.load(session_id, key, limit_check)
    commit = next_of(session, Switch(), store.now_ms(), command_id=key)

    for limit_check in limit_checks:
        store.commit(commit, limit_check)

    assert all(limit_check.is_resolved for limit_check in limit_checks)
    assert [passed(limit_check) for limit_check in limit_checks] == [True, False, False]
    assert [limit_check.quota for limit_check in limit_checks[1:]] == [None, None]


@scopes
def test_limit_holds_across_two_instances(
    open_store: OpenStore, any_server: RedisProcess, scope: Scope
) -> None:
    stores = [open_store(any_server.url) for _ in range(2)]
    session_id = started(stores[0]).setup.session_id
    let_in: list[RateLimitCheck] = []

    def ask(number: int) -> None:
        for _ in range(5):
            limit_check = asked(stores[number % 2], scope, session_id, Limit(20, HOUR_US))
            if passed(limit_check):
                let_in.append(limit_check)

    all_at_once(ask, threads=16)

    # The next would be let in after three minutes.
    assert len(let_in) == 20


def test_bucket_never_overfills_when_time_steps_back(
    open_store: OpenStore, any_server: RedisProcess
) -> None:
    store, address = open_store(any_server.url), new_id("address")
    with any_server.admin() as admin:
        admin.set(requests(address), (store.now_ms() + 2 * 3_600_000) * 1000)
        limit_check = RateLimitCheck("general", address, THREE_AN_HOUR)
        with pytest.raises(RateLimited):
            store.count_request(limit_check)

    assert limit_check.quota is not None
    assert limit_check.quota.retry_after_seconds == 1_200


# When counting fails


def test_reads_pass_and_are_logged_while_nothing_can_be_written(
    open_store: OpenStore,
    own_server: RedisProcess,
    observer: Observer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_store(own_server.url)
    session = started(store)
    store.count_request(RateLimitCheck("general", "an address", THREE_AN_HOUR))
    with own_server.admin() as admin:
        admin.config_set("maxmemory", "1")
        limit_checks = [
            RateLimitCheck("general", "an address", THREE_AN_HOUR, observer) for _ in range(5)
        ]
        for limit_check in limit_checks:
            loaded = store.load(session.setup.session_id, limit_check=limit_check)
            assert loaded.session == session
        admin.config_set("maxmemory", "0")

    assert observer.failed_open == 5
    # Once, and not for each of them.
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "limits are off" in caplog.text


def test_full_server_without_scripts_still_serves_reads(
    open_store: OpenStore, own_server: RedisProcess, observer: Observer
) -> None:
    store = open_store(own_server.url)
    session = started(store)
    with own_server.admin() as admin:
        admin.script_flush()
        admin.config_set("maxmemory", "1")
        limit_check = RateLimitCheck("general", "an address", THREE_AN_HOUR, observer)
        assert store.load(session.setup.session_id, limit_check=limit_check).session == session
        admin.config_set("maxmemory", "0")

    assert observer.failed_open == 1


def test_corrupt_bucket_refuses_no_request(
    open_store: OpenStore,
    any_server: RedisProcess,
    observer: Observer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, address = open_store(any_server.url), new_id("address")
    session = started(store)
    with any_server.admin() as admin:
        admin.rpush(requests(address), "not a time")
    loaded, alone = (RateLimitCheck("general", address, THREE_AN_HOUR, observer) for _ in range(2))

    assert store.load(session.setup.session_id, limit_check=loaded).session == session
    # Another store has not seen yet that counting fails.
    open_store(any_server.url).count_request(alone)

    assert observer.failed_open == 2
    assert caplog.text.count("WRONGTYPE") == 2


def test_forgotten_limit_script_is_sent_again(
    open_store: OpenStore, own_server: RedisProcess, observer: Observer
) -> None:
    store, session_id = open_store(own_server.url), new_id()
    with own_server.admin() as admin:
        for left in (2, 1):
            admin.script_flush()
            limit_check = RateLimitCheck("general", "an address", THREE_AN_HOUR, observer)
            store.load(session_id, limit_check=limit_check)
            assert remaining(limit_check) == left

    assert observer.failed_open == 0


def test_unavailable_store_raises_despite_limits(open_store: OpenStore, proxy: Proxy) -> None:
    store = open_store(proxy.url)
    store.ping()
    proxy.refuse()

    for scope in ("general", "switch"):
        with pytest.raises(StoreUnavailable):
            store.load(new_id(), limit_check=RateLimitCheck(scope, new_id(), THREE_AN_HOUR))


@pytest.fixture
def buckets(proxy: Proxy) -> Iterator[tuple[RequestBuckets, Callable[[float], None]]]:
    """Buckets whose time passes only when a test says so."""
    clock = [1_000.0]
    server = RedisClient(Settings(redis_url=proxy.url))

    def advance(seconds: float) -> None:
        clock[0] += seconds

    yield RequestBuckets(server, monotonic=lambda: clock[0]), advance
    server.close()


def test_failed_counting_is_skipped_for_a_while(
    buckets: tuple[RequestBuckets, Callable[[float], None]], proxy: Proxy, observer: Observer
) -> None:
    counting, advance = buckets
    address = new_id("address")

    def counted() -> RateLimitCheck:
        limit_check = RateLimitCheck("general", address, Limit(5, 10 * MINUTE_US), observer)
        counting.count(limit_check)
        return limit_check

    assert remaining(counted()) == 4
    proxy.refuse()
    assert counted().quota is None
    proxy.allow()
    assert counted().quota is None
    assert observer.failed_open == 2

    advance(SKIP_S)
    assert remaining(counted()) == 3
    assert observer.failed_open == 2


def test_unavailable_limit_node_refuses_no_request(
    open_store: OpenStore, own_cluster: Cluster, observer: Observer, bound: Bound
) -> None:
    store, first_of_the_last_node = open_store(own_cluster.url, cluster=True), 10923
    sessions = (started(store) for _ in range(100))
    session = next(
        one
        for one in sessions
        if key_slot(SessionKeys.of(one.setup.session_id, 16).session.encode())
        < first_of_the_last_node
    )
    addresses = (new_id("address") for _ in range(100))
    address = next(
        one for one in addresses if key_slot(requests(one).encode()) >= first_of_the_last_node
    )

    def loaded() -> RateLimitCheck:
        limit_check = RateLimitCheck("general", address, THREE_AN_HOUR, observer)
        assert store.load(session.setup.session_id, limit_check=limit_check).session == session
        return limit_check

    assert remaining(loaded()) == 2
    own_cluster.nodes[2].kill()
    begun = time.monotonic()
    for _ in range(20):
        loaded()

    # Only the first one found out.
    assert time.monotonic() - begun < bound(2)
    assert observer.failed_open == 20
