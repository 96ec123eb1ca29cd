"""A lost reply does not turn one command into two versions."""

from __future__ import annotations

from itertools import count
from threading import Thread

import pytest

from chalicelib.core.commands import Start, Switch
from chalicelib.core.session import create
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.idempotency import IdempotentRequest
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import Commit, Committed, IdempotencyRecord, SessionStore, StoreUnavailable
from tests.fixtures import OpenStore
from tests.servers import Proxy, RedisProcess, eventually
from tests.waiting import HUNG_AFTER_S

from .sessions import HOUR_MS, a_setup, created, creation, new_id, next_of, started, switch
from .test_unavailable import works


@pytest.fixture
def behind_proxy(open_store: OpenStore, proxy: Proxy) -> SessionStore:
    """A store whose replies can be lost; the server already knows its scripts."""
    store = open_store(proxy.url)
    session = started(store)
    store.delete(session.setup.session_id, new_id("command"), b"gone")
    return store


@pytest.fixture
def direct(open_store: OpenStore, valkey: RedisProcess) -> SessionStore:
    return open_store(valkey.url)


def test_lost_reply_to_a_commit_makes_one_version(
    behind_proxy: SessionStore, direct: SessionStore, proxy: Proxy
) -> None:
    session = started(direct)
    commit = next_of(session, Switch(), direct.now_ms())
    proxy.drop_next_reply(to=commit.command_id.encode())
    assert behind_proxy.commit(commit) == Committed(3, IdempotencyRecord(3))
    assert proxy.has_dropped
    assert direct.load(session.setup.session_id).session == commit.session


@pytest.mark.parametrize("lost", [b"key-of-a-lost-reply", b"fingerprint-of-a-lost-reply"])
def test_stored_response_survives_a_lost_reply(
    behind_proxy: SessionStore, direct: SessionStore, proxy: Proxy, lost: bytes
) -> None:
    session_id = started(direct).setup.session_id
    times = count(1)
    idempotency = IdempotentRequest(
        new_id("key-of-a-lost-reply"),
        b"fingerprint-of-a-lost-reply",
        lambda outcome: f"answer {next(times)}: {outcome.session.version}".encode(),
    )
    engine = SyncEngine(CommitLoop(behind_proxy, session_ttl_ms=HOUR_MS))
    # Of the load, which names the key, or of the commit, which has the answer.
    proxy.drop_next_reply(to=lost)

    first = engine.execute_idempotent(session_id, Switch(), idempotency)

    assert proxy.has_dropped
    assert first == b"answer 1: 3"
    switch(direct, session_id)
    assert engine.execute_idempotent(session_id, Switch(), idempotency) == first
    found = direct.load(session_id).session
    assert found is not None
    assert found.version == 4


@pytest.mark.parametrize("others", [20, 120])
def test_lost_reply_is_recovered_after_later_commits(
    behind_proxy: SessionStore, direct: SessionStore, proxy: Proxy, others: int
) -> None:
    session = started(direct)
    session_id = session.setup.session_id
    commit = next_of(session, Switch(), direct.now_ms())
    answers: list[object] = []

    def lose_both_replies() -> None:
        try:
            answers.append(behind_proxy.commit(commit))
        except StoreUnavailable as error:
            answers.append(error)

    # The store repeats the call at once; so that others can come in between,
    # no new connection is let through until they have.
    proxy.drop_next_reply(to=commit.command_id.encode())
    proxy.hold_new_connections()
    caller = Thread(target=lose_both_replies)
    caller.start()
    eventually(lambda: proxy.has_dropped)
    for _ in range(others):
        switch(direct, session_id)
    proxy.allow()
    caller.join(HUNG_AFTER_S)
    if isinstance(answers[0], StoreUnavailable):
        # The others took longer than the store waits: its caller repeats it.
        eventually(works(behind_proxy))
        answers[0] = behind_proxy.commit(commit)
    assert answers == [Committed(3, IdempotencyRecord(3))]
    now = direct.load(session_id).session
    assert now is not None
    assert now.version == 3 + others


def test_lost_reply_to_a_creation_creates_once(
    behind_proxy: SessionStore, direct: SessionStore, proxy: Proxy
) -> None:
    session = create(a_setup(), new_id("epoch"), direct.now_ms())
    commit = creation(session)
    proxy.drop_next_reply(to=commit.command_id.encode())
    assert behind_proxy.commit(commit) == Committed(1, IdempotencyRecord(1))
    assert proxy.has_dropped
    assert direct.load(session.setup.session_id).session == session


def test_lost_reply_to_a_delete_spares_a_newer_session(
    behind_proxy: SessionStore, direct: SessionStore, proxy: Proxy
) -> None:
    session = created(direct)
    session_id, command_id = session.setup.session_id, new_id("command")
    proxy.drop_next_reply(to=command_id.encode())
    proxy.hold_new_connections()
    caller = Thread(target=behind_proxy.delete, args=(session_id, command_id, b"final message"))
    caller.start()
    eventually(lambda: proxy.has_dropped)
    successor = created(direct, session.setup)
    proxy.allow()
    caller.join(HUNG_AFTER_S)
    assert not caller.is_alive()
    assert direct.load(session_id).session == successor


def test_lost_reply_to_a_load_is_retried(
    behind_proxy: SessionStore, direct: SessionStore, proxy: Proxy
) -> None:
    session = started(direct)
    proxy.drop_next_reply(to=session.setup.session_id.encode())
    assert behind_proxy.load(session.setup.session_id).session == session
    assert proxy.has_dropped


def test_commit_refused_while_unavailable_can_be_repeated(
    behind_proxy: SessionStore, direct: SessionStore, proxy: Proxy
) -> None:
    session = created(direct)
    commit: Commit = next_of(session, Start(), direct.now_ms())
    proxy.refuse()
    with pytest.raises(StoreUnavailable):
        behind_proxy.commit(commit)
    proxy.allow()
    assert behind_proxy.commit(commit) == Committed(2)
