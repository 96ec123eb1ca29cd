"""The template's rights for the store's user suffice, on a cluster like ElastiCache's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis

from chalicelib.settings import Settings
from infra.merging import merged
from tests.servers import HOST, Cluster, ask
from tests.store.permissions import walk

ACCESS: str = merged()["Resources"]["StoreUser"]["Properties"]["AccessString"]
HARM = ("FLUSHALL", "KEYS *", "CONFIG GET *", "ACL LIST", "SHUTDOWN", "CLUSTER RESET")


@pytest.fixture
def guarded(valkey_cluster: Cluster) -> Iterator[Settings]:
    with ExitStack() as stack:
        for node in valkey_cluster.nodes:
            admin = stack.enter_context(node.admin())
            ask(admin, "ACL", "SETUSER", "guest", "reset", ">secret", *ACCESS.split())
            stack.callback(ask, admin, "ACL", "DELUSER", "guest")
        url = f"redis://guest:secret@{HOST}:{valkey_cluster.nodes[0].port}"
        yield Settings(redis_url=url, redis_cluster=True, broadcast="relay")


def test_every_command_of_the_store_is_allowed(guarded: Settings) -> None:
    walk(guarded)


@pytest.mark.parametrize("command", HARM)
def test_harmful_commands_are_denied(guarded: Settings, command: str) -> None:
    with (
        redis.Redis.from_url(guarded.redis_url) as guest,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        ask(guest, *command.split())
