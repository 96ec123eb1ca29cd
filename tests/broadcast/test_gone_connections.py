"""Gone connections leave the registry, and wait while the store is unavailable."""

from __future__ import annotations

import pytest

from chalicelib.broadcast.gone_connections import GoneConnections
from chalicelib.core.errors import StoreUnavailable
from tests.fakes import FakeRegistry, FakeStore

ENDPOINT = "https://abc.execute-api.eu-west-1.amazonaws.com/dev"


def registered(*connections: tuple[str, str]) -> FakeRegistry:
    registry = FakeRegistry(FakeStore())
    for session_id, connection_id in connections:
        registry.register(session_id, connection_id, ENDPOINT)
    return registry


def listed(registry: FakeRegistry) -> dict[str, list[str]]:
    return {session_id: list(found) for session_id, found in registry.lists.items() if found}


def test_only_gone_connections_are_removed() -> None:
    registry = registered(("a", "1"), ("a", "2"), ("b", "3"), ("b", "4"))
    gone = GoneConnections(registry)
    gone.add("a", "1")
    gone.add("b", "4")
    gone.add("a", "2")
    gone.deregister()
    assert listed(registry) == {"b": ["3"]}


def test_connection_that_is_back_is_not_removed_again() -> None:
    registry = registered(("a", "1"))
    gone = GoneConnections(registry)
    gone.add("a", "1")
    gone.deregister()
    registry.register("a", "1", ENDPOINT)
    gone.deregister()
    assert listed(registry) == {"a": ["1"]}


def test_connections_wait_while_the_store_is_unavailable() -> None:
    registry = registered(("a", "1"), ("b", "2"))
    gone = GoneConnections(registry)
    gone.add("a", "1")
    gone.add("b", "2")
    registry.store.away = True
    with pytest.raises(StoreUnavailable):
        gone.deregister()
    registry.store.away = False
    assert listed(registry) == {"a": ["1"], "b": ["2"]}
    gone.deregister()
    assert listed(registry) == {}
