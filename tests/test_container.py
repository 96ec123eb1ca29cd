"""The container builds services on first use, each with its dependencies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.auth.policy import Role
from chalicelib.container import Container
from chalicelib.core.setup import Participant, SyncMode, create_setup
from chalicelib.settings import Settings
from tests.auth.bearers import ANNE, SESSION, a_bearer
from tests.fakes import FakeConnectionsApi, FakeRegistry, FakeStore

READING = """
import sys
from chalicelib.core.errors import StoreUnavailable
from chalicelib.settings import Settings
from chalicelib.container import Container
try:
    Container(Settings(redis_url="redis://127.0.0.1:1")).engine.get_current_state("x")
except StoreUnavailable:
    print(sorted({name for name in sys.modules if "chalicelib.broadcast" in name}))
"""


def test_reads_import_no_broadcast_module() -> None:
    done = subprocess.run(
        [sys.executable, "-c", READING],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"


@pytest.fixture
def api() -> FakeConnectionsApi:
    return FakeConnectionsApi()


def container_with(api: FakeConnectionsApi, **settings: Any) -> Container:
    container = Container(Settings(**settings))
    store = FakeStore()
    vars(container).update(store=store, connections=FakeRegistry(store), connections_api=api)
    setup = create_setup(
        session_id=SESSION,
        sync_mode=SyncMode.PER_PARTICIPANT,
        participants=[Participant(ANNE, 0, 60_000)],
        total_time_ms=60_000,
    )
    container.engine.create_session(setup)
    container.connections.register(SESSION, "c1", "https://a.example")
    return container


def test_inline_broadcast_posts_each_commit(api: FakeConnectionsApi) -> None:
    container = container_with(api)

    container.engine.start_session(SESSION)
    assert [one["type"] for one in api.messages("c1")] == ["STATE_UPDATE"]

    container.engine.delete_session(SESSION)
    assert [one["type"] for one in api.messages("c1")] == ["STATE_UPDATE", "SESSION_DELETED"]
    assert api.closed == ["c1"]


def test_inline_broadcast_closes_connections_of_revoked_tokens(api: FakeConnectionsApi) -> None:
    container = container_with(api)
    viewer = a_bearer(Role.VIEWER)
    container.connections.register(SESSION, "c2", "https://a.example", bearer=viewer)

    container.engine.revoke_token(SESSION, viewer.token_id, a_bearer())

    assert api.closed == ["c2"]


def test_relay_broadcast_posts_nothing_inline(api: FakeConnectionsApi) -> None:
    container = container_with(api, broadcast="relay")

    container.engine.start_session(SESSION)

    assert container.broadcaster is None
    assert api.sent == {}
