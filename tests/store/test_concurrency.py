"""Concurrent commits: none is lost or applied twice, and the index agrees with the sessions."""

from __future__ import annotations

import random
from threading import Semaphore, Thread

import redis

from chalicelib.core.commands import Command, Pause, Resume, Start, Switch, apply
from chalicelib.core.rules import due_ms
from chalicelib.core.session import Rotation, Session, create
from chalicelib.ports import SessionStore, Stale, StoreUnavailable
from chalicelib.store.keys import SessionKeys
from tests.fixtures import OpenStore
from tests.servers import Cluster, Proxy, RedisProcess, all_at_once
from tests.waiting import HUNG_AFTER_S

from .sessions import HOUR_MS, a_setup, creation, new_id, started, switch, the_commit


def attempt(store: SessionStore, session_id: str, command: Command) -> None:
    """Once, without a retry."""
    loaded = store.load(session_id)
    if loaded.session is None:
        return
    decision = apply(loaded.session, command, loaded.now_ms)
    if decision.session is not loaded.session:
        store.commit(the_commit(decision, loaded.session.version))


def indexed_ms(admin: redis.Redis, session_id: str) -> int | None:
    score = admin.zscore(SessionKeys.of(session_id, 16).deadlines, session_id)
    return None if score is None else int(score)


def expected_ms(session: Session | None) -> int | None:
    return None if session is None else due_ms(session)


def test_every_competing_switch_makes_exactly_one_version(
    open_store: OpenStore, anywhere: RedisProcess | Cluster
) -> None:
    store = open_store(anywhere.url, cluster=anywhere.is_cluster)
    session_id = started(store).setup.session_id
    made: list[int] = []
    all_at_once(lambda _: made.extend(switch(store, session_id) for _ in range(25)), threads=8)
    assert sorted(made) == list(range(3, 3 + 200))
    now = store.load(session_id).session
    assert isinstance(now, Rotation)
    assert now.version == 202
    assert sum(tally.cycle_count for tally in now.tallies) == 200
    with anywhere.admin() as admin:
        assert admin.xlen(SessionKeys.of(session_id, 16).events) == 201


def test_index_agrees_with_the_session_after_races(
    open_store: OpenStore, valkey: RedisProcess
) -> None:
    store = open_store(valkey.url)
    chance = random.Random(7)
    with valkey.admin() as admin:
        for _ in range(15):
            setup = a_setup(warn_at_ms=[299_990, 1_000])
            session_id = setup.session_id
            plans = [
                [chance.choice(["create", "delete", "command", "command"]) for _ in range(8)]
                for _ in range(6)
            ]
            commands: list[Command] = [Start(), Switch(), Pause(), Resume()]

            def work(number: int, setup=setup, plans=plans, commands=commands) -> None:  # type: ignore[no-untyped-def]
                for step in plans[number]:
                    if step == "create":
                        fresh = create(setup, new_id("epoch"), store.now_ms())
                        store.commit(creation(fresh))
                    elif step == "delete":
                        store.delete(setup.session_id, new_id("command"), b"gone")
                    else:
                        attempt(store, setup.session_id, random.choice(commands))

            all_at_once(work, threads=6)
            assert indexed_ms(admin, session_id) == expected_ms(store.load(session_id).session)


def test_cut_connections_make_no_command_count_twice(open_store: OpenStore, proxy: Proxy) -> None:
    store = open_store(proxy.url)
    session_id = started(store).setup.session_id
    threads, each = 4, 30
    succeeded = Semaphore(0)

    def cut() -> None:
        # Not at intervals: on a slow machine no call would ever get through.
        for _ in range(threads * each):
            assert succeeded.acquire(timeout=HUNG_AFTER_S)
            proxy.cut()

    def insist(_: int) -> None:
        for _ in range(each):
            command_id = new_id("command")
            while True:
                try:
                    switch(store, session_id, command_id)
                    break
                except StoreUnavailable:
                    pass
            succeeded.release()

    cutter = Thread(target=cut)
    cutter.start()
    all_at_once(insist, threads=threads)
    cutter.join(HUNG_AFTER_S)
    now = store.load(session_id).session
    assert now is not None
    assert now.version == 2 + threads * each


def test_one_of_many_creations_wins_and_the_others_are_stale(
    open_store: OpenStore, anywhere: RedisProcess | Cluster
) -> None:
    store = open_store(anywhere.url, cluster=anywhere.is_cluster)
    setup = a_setup()
    results: list[object] = []
    all_at_once(
        lambda _: results.append(
            store.commit(creation(create(setup, new_id("epoch"), store.now_ms())))
        ),
        threads=16,
    )
    winner = store.load(setup.session_id).session
    losers = [result for result in results if isinstance(result, Stale)]
    assert len(losers) == 15
    assert all(loser.current.session == winner for loser in losers)


def test_commands_are_remembered_for_a_minute_and_no_longer(
    open_store: OpenStore, anywhere: RedisProcess | Cluster
) -> None:
    store = open_store(anywhere.url, cluster=anywhere.is_cluster)
    session_id = started(store).setup.session_id
    keys = SessionKeys.of(session_id, 16)
    switch(store, session_id, "made")
    store.delete(session_id, "deleted", b"gone")
    with anywhere.admin() as admin:
        for command_id in ("made", "deleted"):
            assert 50_000 < admin.pttl(keys.reply(command_id)) <= 60_000


def test_connections_are_kept_at_least_as_long_as_the_session(
    open_store: OpenStore, anywhere: RedisProcess | Cluster
) -> None:
    store = open_store(anywhere.url, cluster=anywhere.is_cluster)
    setup = a_setup()
    connections = SessionKeys.of(setup.session_id, 16).connections
    with anywhere.admin() as admin:
        admin.hset(connections, "connection", "endpoint")
        admin.pexpire(connections, HOUR_MS)
        session = create(setup, new_id("epoch"), store.now_ms())
        store.commit(creation(session))
        expires_at_ms = session.created_at_ms + 24 * HOUR_MS
        assert admin.pexpiretime(connections) == expires_at_ms
        # Renewed to an earlier instant than it already has, it stays.
        loaded = store.load(setup.session_id)
        decision = apply(session, Start(), loaded.now_ms)
        store.commit(the_commit(decision, 1, expires_at_ms=loaded.now_ms + 1_000))
        assert admin.pexpiretime(connections) == expires_at_ms
        store.delete(setup.session_id, new_id("command"), b"gone")
        assert admin.exists(connections)


def test_leftover_event_log_is_not_continued_by_a_new_session(
    open_store: OpenStore, anywhere: RedisProcess | Cluster
) -> None:
    store = open_store(anywhere.url, cluster=anywhere.is_cluster)
    session = started(store)
    keys = SessionKeys.of(session.setup.session_id, 16)
    with anywhere.admin() as admin:
        # As a server short of memory does, which evicts key by key.
        admin.unlink(keys.session)
        assert admin.xlen(keys.events) == 1
        started(store, session.setup)
        assert admin.xlen(keys.events) == 1


def test_event_log_keeps_about_the_latest_thousand(
    open_store: OpenStore, valkey: RedisProcess
) -> None:
    store = open_store(valkey.url)
    session = started(store)
    decision = apply(session, Switch(), store.now_ms())
    for _ in range(15):
        many = the_commit(decision, session.version, events=decision.events * 100)
        store.commit(many)
        session = decision.session
        decision = apply(session, Switch(), store.now_ms())
    with valkey.admin() as admin:
        kept = admin.xlen(SessionKeys.of(session.setup.session_id, 16).events)
    assert 1_000 <= kept < 1_200
