"""Passwords, rights, TLS and clusters: access to a server, and the reason if it is denied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Barrier

import pytest

from chalicelib.core.commands import Switch
from chalicelib.ports import IdempotencyRecord, RateLimitCheck, Scope, StoreUnavailable
from chalicelib.rate_limit.limiter import MINUTE_US, Limit
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from tests.fixtures import OpenStore
from tests.servers import (
    HOST,
    Certificate,
    Cluster,
    Proxy,
    RedisProcess,
    all_at_once,
    ask,
    eventually,
    proxy_to,
    running,
    self_signed,
    speaking_http,
    valkey_binary,
)
from tests.waiting import HUNG_AFTER_S, Bound

from .permissions import documented
from .sessions import new_id, next_of, started, switch
from .test_unavailable import is_back, unavailable

SCOPES: tuple[Scope, ...] = ("general", "switch")


def works(open_store: OpenStore, url: str) -> None:
    store = open_store(url)
    store.ping()
    session = started(store)
    session_id = session.setup.session_id
    limit_checks = [RateLimitCheck(scope, new_id(), Limit(1, MINUTE_US)) for scope in SCOPES]
    for limit_check in limit_checks:
        store.load(session_id, new_id("key"), limit_check)
    assert switch(store, session_id, limit_check=limit_checks[1]) == 3
    assert all(limit_check.quota is not None for limit_check in limit_checks)
    store.commit(next_of(session, Switch(), store.now_ms(), expires_at_ms=None))
    assert store.read_events(session_id, None, 1)
    store.save_response(session_id, new_id("key"), IdempotencyRecord(3), 1_000)
    store.delete(session_id, new_id("command"), b"gone")


@pytest.fixture
def guarded(any_server: RedisProcess) -> Iterator[RedisProcess]:
    """A server with two users: one with all rights that are needed, one that may only read."""
    with any_server.admin() as admin:
        ask(admin, "ACL", "SETUSER", "tickless", "on", ">s3cret/@:", *documented())
        look = ("+ping", "+time", "+eval", "+evalsha", "+hmget", "+zscore", "~*")
        ask(admin, "ACL", "SETUSER", "visitor", "on", ">visitor", *look)
        yield any_server
        ask(admin, "ACL", "DELUSER", "tickless", "visitor")


def as_user(server: RedisProcess, user: str) -> str:
    return f"redis://{user}@{HOST}:{server.port}/0"


def test_user_with_a_quoted_password_is_accepted(
    open_store: OpenStore, guarded: RedisProcess
) -> None:
    works(open_store, as_user(guarded, "tickless:s3cret%2F%40%3A"))


def test_wrong_password_is_named_as_the_cause_and_not_quoted(
    open_store: OpenStore, guarded: RedisProcess
) -> None:
    with pytest.raises(StoreUnavailable, match="WRONGPASS invalid username-password") as failure:
        open_store(as_user(guarded, "tickless:wrong-secret")).ping()
    assert "wrong-secret" not in str(failure.value)


def test_missing_rights_are_named_as_the_cause(
    open_store: OpenStore, guarded: RedisProcess
) -> None:
    store = open_store(as_user(guarded, "visitor:visitor"))
    assert store.load(new_id()).session is None
    with pytest.raises(StoreUnavailable, match=r"(?i)permission|can't run this command"):
        started(store)
    visitor = open_store(guarded.url.replace("redis://", "redis://visitor:visitor@"))
    with pytest.raises(StoreUnavailable, match=r"(?i)permission|can't run this command"):
        visitor.delete(new_id(), new_id("command"), b"gone")


def test_password_suffices_for_the_default_user(open_store: OpenStore, tmp_path: Path) -> None:
    with running(valkey_binary(), tmp_path / "guarded", "--requirepass", "open sesame") as server:
        works(open_store, f"redis://:open%20sesame@{HOST}:{server.port}")
        with pytest.raises(StoreUnavailable, match="NOAUTH"):
            open_store(server.url).load(new_id())


@pytest.fixture
def tls(valkey: RedisProcess, certificate: Certificate) -> Iterator[Proxy]:
    with proxy_to(valkey.port, certificate.server_context()) as between:
        yield between


def test_tls_works_with_a_trusted_certificate(
    open_store: OpenStore, tls: Proxy, certificate: Certificate
) -> None:
    assert tls.url.startswith("rediss://")
    works(open_store, f"{tls.url}?ssl_ca_certs={certificate.path}")


def test_untrusted_certificate_is_refused(
    open_store: OpenStore, tls: Proxy, tmp_path: Path
) -> None:
    stranger = self_signed(tmp_path)
    with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        open_store(f"{tls.url}?ssl_ca_certs={stranger.path}").ping()


@pytest.mark.parametrize("fault", [Proxy.refuse, Proxy.blackhole])
def test_unanswered_tls_handshake_fails_soon_and_recovers(
    open_store: OpenStore, tls: Proxy, certificate: Certificate, fault: object, bound: Bound
) -> None:
    store = open_store(f"{tls.url}?ssl_ca_certs={certificate.path}")
    store.ping()
    assert callable(fault)
    fault(tls)
    with unavailable(bound):
        store.ping()
    with unavailable(bound):
        store.ping()
    tls.allow()
    is_back(store, bound)


def test_cluster_setting_without_a_cluster_is_named_as_the_cause(
    open_store: OpenStore, valkey: RedisProcess
) -> None:
    with pytest.raises(StoreUnavailable, match="Cluster mode is not enabled"):
        open_store(valkey.url, cluster=True).ping()


@pytest.mark.cluster
def test_cluster_without_its_setting_is_named_as_the_cause(
    open_store: OpenStore, valkey_cluster: Cluster
) -> None:
    store = open_store(valkey_cluster.url)

    def load_some() -> None:
        # Of so many, some lie on other nodes.
        for number in range(50):
            store.load(f"session-{number}")

    with pytest.raises(StoreUnavailable, match="MOVED"):
        load_some()


def test_server_that_is_not_redis_is_named_as_the_cause(open_store: OpenStore) -> None:
    with speaking_http() as port, pytest.raises(StoreUnavailable, match="Protocol error"):
        open_store(f"redis://{HOST}:{port}").ping()


def test_closed_client_reopens(any_server: RedisProcess) -> None:
    server = RedisClient(Settings(redis_url=any_server.url))
    server.close()
    assert server.execute("ECHO", "here") == b"here"
    with any_server.admin() as admin:
        opened = len(admin.client_list())
        server.close()
        eventually(lambda: len(admin.client_list()) == opened - 1)
    assert server.execute("ECHO", "here") == b"here"
    server.close()


def test_sixty_four_threads_share_a_store_but_never_a_connection(
    open_store: OpenStore, own_valkey: RedisProcess
) -> None:
    store = open_store(own_valkey.url)
    sessions = [started(store) for _ in range(64)]
    together = Barrier(64)

    def use(number: int) -> None:
        together.wait(HUNG_AFTER_S)
        for _ in range(5):
            loaded = store.load(sessions[number].setup.session_id)
            assert loaded.session == sessions[number]

    all_at_once(use, threads=64)
