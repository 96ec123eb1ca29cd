"""An unavailable store fails soon with its reason, and recovers at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest
import redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from chalicelib.core.commands import Switch
from chalicelib.ports import Committed, SessionStore, StoreUnavailable
from chalicelib.store import client, script
from chalicelib.store.keys import shard_tag
from chalicelib.store.session_store import RedisStore
from tests.fixtures import OpenStore
from tests.servers import (
    Cluster,
    Proxy,
    RedisProcess,
    all_at_once,
    ask,
    eventually,
    proxy_to,
    running,
    valkey_binary,
)
from tests.waiting import HUNG_AFTER_S, Bound

from .sessions import a_setup, created, new_id, next_of, started, switch

GIVES_UP_WITHIN_S = 2.0
BACK_WITHIN_S = 1.0


@contextmanager
def unavailable(bound: Bound, match: str = ".") -> Iterator[pytest.ExceptionInfo[StoreUnavailable]]:
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match=match) as failure:
        yield failure
    assert time.monotonic() - begun < bound(GIVES_UP_WITHIN_S)


def works(store: SessionStore) -> Callable[[], bool]:
    def worked() -> bool:
        try:
            store.load(new_id())
        except StoreUnavailable:
            return False
        return True

    return worked


def is_back(store: SessionStore, bound: Bound) -> None:
    """From here on it must work again within a second, and go on working."""
    eventually(works(store), bound(BACK_WITHIN_S))
    session = started(store)
    assert store.commit(next_of(session, Switch(), store.now_ms())) == Committed(3)


def use_from_many_threads(store: SessionStore, threads: int = 8) -> None:
    """Leave that many connections in the pool."""
    together = Barrier(threads)

    def use(_: int) -> None:
        together.wait(HUNG_AFTER_S)
        store.ping()

    all_at_once(use, threads)


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "refused": Proxy.refuse,
    "blackholed": Proxy.blackhole,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_fails_soon_and_recovers_with_the_network(
    open_store: OpenStore, proxy: Proxy, fault: str, bound: Bound
) -> None:
    store = open_store(proxy.url)
    session = started(store)
    session_id = session.setup.session_id
    use_from_many_threads(store)
    commit = next_of(session, Switch(), session.updated_at_ms)
    calls: list[Callable[[], object]] = [
        lambda: store.load(session_id),
        lambda: store.commit(commit),
        lambda: store.delete(session_id, new_id("command"), b"gone"),
        store.now_ms,
        store.ping,
    ]
    FAULTS[fault](proxy)

    def fail(number: int) -> None:
        with unavailable(bound):
            calls[number]()

    all_at_once(fail, threads=len(calls))
    proxy.allow()
    is_back(store, bound)
    assert store.load(session_id).session == session


@pytest.mark.parametrize("fault", FAULTS)
def test_store_that_starts_later_is_used_when_it_starts(
    open_store: OpenStore, proxy: Proxy, fault: str, bound: Bound
) -> None:
    FAULTS[fault](proxy)
    store = open_store(proxy.url)
    with unavailable(bound):
        store.ping()
    proxy.allow()
    is_back(store, bound)


def test_cut_connection_is_not_noticed(open_store: OpenStore, proxy: Proxy) -> None:
    store = open_store(proxy.url)
    session = started(store)
    use_from_many_threads(store)
    proxy.cut()
    assert store.load(session.setup.session_id).session == session
    proxy.cut()
    assert switch(store, session.setup.session_id) == 3


@pytest.mark.parametrize("health_check_interval_s", [0.001, 15])
def test_silently_dead_connections_cost_one_wait(
    open_store: OpenStore,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    health_check_interval_s: float,
    bound: Bound,
) -> None:
    # What a frozen Lambda finds when it thaws, before the health check's
    # interval is over and after it.
    monkeypatch.setattr(client, "HEALTH_CHECK_INTERVAL_S", health_check_interval_s)
    store = open_store(proxy.url)
    use_from_many_threads(store)
    proxy.blackhole()
    proxy.allow()
    begun = time.monotonic()
    store.ping()
    assert time.monotonic() - begun < bound(BACK_WITHIN_S)


@pytest.fixture
def store(open_store: OpenStore, own_server: RedisProcess) -> RedisStore:
    """A store on a server of its own."""
    return open_store(own_server.url)


def test_killed_server_fails_soon_and_is_used_again_when_restarted(
    store: RedisStore, own_server: RedisProcess, bound: Bound
) -> None:
    started(store)
    use_from_many_threads(store)
    own_server.kill()
    with unavailable(bound, "refused|closed|reset"):
        store.load(new_id())
    own_server.start()
    is_back(store, bound)


def test_unnoticed_restart_leaves_no_stale_connection(
    store: RedisStore, own_server: RedisProcess
) -> None:
    started(store)
    use_from_many_threads(store)
    own_server.kill()
    own_server.start()
    # The first call, with no failure in between: new sockets, and new scripts.
    started(store)


def test_frozen_server_fails_soon_and_is_used_again_when_thawed(
    store: RedisStore, own_server: RedisProcess, bound: Bound
) -> None:
    started(store)
    own_server.freeze()
    with unavailable(bound, "Timeout"):
        store.load(new_id())
    own_server.thaw()
    is_back(store, bound)


def test_forgotten_scripts_are_sent_again(store: RedisStore, own_server: RedisProcess) -> None:
    session = started(store)
    with own_server.admin() as admin:
        admin.script_flush()
        assert switch(store, session.setup.session_id) == 3
        admin.script_flush()
        store.delete(session.setup.session_id, new_id("command"), b"gone")


def test_server_that_is_still_loading_is_unavailable(
    store: RedisStore, own_server: RedisProcess, bound: Bound
) -> None:
    with own_server.admin() as admin:
        ask(admin, "DEBUG", "POPULATE", 2000)
        admin.save()
    own_server.kill()
    # Each key takes a millisecond to load, so that it takes two seconds or so.
    own_server.start(
        "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024", wait=False
    )
    eventually(own_server.is_loading)
    with unavailable(bound, "LOADING"):
        store.load(new_id())
    eventually(own_server.answers)
    is_back(store, bound)


def test_new_primary_behind_the_same_address_is_used(
    open_store: OpenStore, own_valkey: RedisProcess, tmp_path: Path
) -> None:
    with (
        running(valkey_binary(), tmp_path / "second") as second,
        proxy_to(own_valkey.port) as address,
    ):
        store = open_store(address.url)
        started(store)
        use_from_many_threads(store)
        with own_valkey.admin() as admin:
            ask(admin, "REPLICAOF", "127.0.0.1", second.port)
        # Old connections still lead to the demoted server; new ones don't.
        address.lead_to(second.port)
        session = started(store)
        with second.admin() as admin:
            assert admin.keys(f"*{session.setup.session_id}")


Admin = Callable[[redis.Redis], object]


def refuse_to_save(server: RedisProcess, admin: redis.Redis) -> None:
    admin.config_set("save", "3600 1")
    # Renaming onto a directory fails, and with it the snapshot.
    (server.directory / "dump.rdb").mkdir()
    admin.bgsave()
    eventually(lambda: admin.info()["rdb_last_bgsave_status"] == "err")


# An unreachable primary keeps what the replica has.
REFUSALS: dict[str, tuple[Callable[[RedisProcess, redis.Redis], object], Admin, bool]] = {
    "READONLY": (
        lambda _, admin: ask(admin, "REPLICAOF", "127.0.0.1", "1"),
        lambda admin: ask(admin, "REPLICAOF", "NO", "ONE"),
        True,
    ),
    "MASTERDOWN": (
        lambda _, admin: (
            admin.config_set("replica-serve-stale-data", "no"),
            ask(admin, "REPLICAOF", "127.0.0.1", "1"),
        ),
        lambda admin: ask(admin, "REPLICAOF", "NO", "ONE"),
        False,
    ),
    "NOREPLICAS": (
        lambda _, admin: admin.config_set("min-replicas-to-write", "1"),
        lambda admin: admin.config_set("min-replicas-to-write", "0"),
        True,
    ),
    "MISCONF": (
        refuse_to_save,
        lambda admin: admin.config_set("stop-writes-on-bgsave-error", "no"),
        True,
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_server_that_refuses_commands_is_unavailable(
    store: RedisStore, own_server: RedisProcess, refusal: str, bound: Bound
) -> None:
    break_down, repair, is_readable = REFUSALS[refusal]
    session = started(store)
    use_from_many_threads(store)
    commit = next_of(session, Switch(), store.now_ms())
    with own_server.admin() as admin:
        break_down(own_server, admin)
        with unavailable(bound, refusal):
            store.commit(commit)
        if is_readable:
            assert store.load(session.setup.session_id).session == session
        else:
            with unavailable(bound, refusal):
                store.load(session.setup.session_id)
        repair(admin)
    is_back(store, bound)


def test_full_server_is_unavailable_and_stores_nothing(
    store: RedisStore, own_server: RedisProcess, bound: Bound
) -> None:
    session = started(store)
    session_id = session.setup.session_id
    with own_server.admin() as admin:
        before = sorted(admin.keys("*"))
        admin.config_set("maxmemory", "1")
        with unavailable(bound, "OOM"):
            store.commit(next_of(session, Switch(), store.now_ms()))
        with unavailable(bound, "OOM"):
            created(store, a_setup())
        assert store.load(session_id).session == session
        assert sorted(admin.keys("*")) == before
        # What frees memory must stay possible.
        store.delete(session_id, new_id("command"), b"gone")
        assert store.load(session_id).session is None
        admin.config_set("maxmemory", "0")
    is_back(store, bound)


def test_too_many_clients_is_unavailable_and_not_a_mistake(
    open_store: OpenStore, own_server: RedisProcess, bound: Bound
) -> None:
    with own_server.admin() as admin:
        admin.ping()
        admin.config_set("maxclients", "1")
        store = open_store(own_server.url)
        with unavailable(bound, "max number of clients|not ready|closed|reset"):
            store.ping()
        admin.config_set("maxclients", "100")
    is_back(store, bound)


def test_script_error_is_not_reported_as_unavailable(
    open_store: OpenStore, valkey: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in script.SCRIPTS.glob("*.lua"):
        (tmp_path / file.name).write_bytes(b"return redis.call('HGET', 'one argument') ")
    monkeypatch.setattr(script, "SCRIPTS", tmp_path)
    with pytest.raises(ResponseError, match="compiling"):
        open_store(valkey.url).load(new_id())


def test_threads_give_up_together(open_store: OpenStore, proxy: Proxy, bound: Bound) -> None:
    store = open_store(proxy.url)
    proxy.blackhole()

    def fail(_: int) -> None:
        with unavailable(bound):
            store.ping()

    all_at_once(fail, threads=64)


@pytest.mark.cluster
def test_cluster_with_a_dead_node_fails_soon_and_recovers_with_it(
    open_store: OpenStore, own_cluster: Cluster, bound: Bound
) -> None:
    store = open_store(own_cluster.url, cluster=True)
    # By ids of which some, every time, lead to the one that dies.
    sessions = [f"session-{number}" for number in range(12)]
    for session_id in sessions:
        started(store, a_setup(session_id))
    victim = own_cluster.nodes[2]
    victim.kill()
    failed = 0
    for session_id in sessions:
        begun = time.monotonic()
        try:
            store.load(session_id)
        except StoreUnavailable:
            failed += 1
        assert time.monotonic() - begun < bound(GIVES_UP_WITHIN_S)
    assert failed > 0
    victim.start()
    eventually(own_cluster.is_whole)
    is_back(store, bound)


@pytest.mark.cluster
def test_frozen_cluster_fails_soon(
    open_store: OpenStore, own_cluster: Cluster, bound: Bound
) -> None:
    store = open_store(own_cluster.url, cluster=True)
    session = started(store)
    use_from_many_threads(store)
    for node in own_cluster.nodes:
        node.freeze()

    def fail(_: int) -> None:
        for _ in range(3):
            with unavailable(bound):
                store.load(session.setup.session_id)

    # None of them waits until each of the others has found out for itself.
    all_at_once(fail, threads=32)
    never = open_store(own_cluster.url, cluster=True)
    with unavailable(bound):
        never.ping()
    for node in own_cluster.nodes:
        node.thaw()
    eventually(own_cluster.is_whole)
    is_back(store, bound)
    is_back(never, bound)


@pytest.mark.cluster
def test_moved_slot_is_followed(open_store: OpenStore, own_cluster: Cluster) -> None:
    store = open_store(own_cluster.url, cluster=True)
    started(store)
    # The client's map of the first node's slots is wrong from here on.
    slots = {key_slot(shard_tag(shard).encode()) for shard in range(16)}
    own_cluster.hand_over([slot for slot in slots if slot < 5461], giver=0, taker=1)
    for _ in range(20):
        session = started(store)
        assert store.load(session.setup.session_id).session == session


def test_queued_calls_share_the_timeout_of_a_silent_server(
    open_store: OpenStore, proxy: Proxy, bound: Bound
) -> None:
    store = open_store(proxy.url)
    store.ping()
    proxy.blackhole()
    begun = time.monotonic()

    def fail(_: int) -> None:
        for _ in range(16):
            with pytest.raises(StoreUnavailable):
                store.ping()

    all_at_once(fail, threads=8)

    assert time.monotonic() - begun < bound(GIVES_UP_WITHIN_S)
    proxy.allow()
    is_back(store, bound)
