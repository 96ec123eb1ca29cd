"""The documented rights suffice, and each of them is needed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from redis.exceptions import NoPermissionError

from chalicelib.core.errors import StoreUnavailable
from chalicelib.settings import Settings
from chalicelib.store.client import open_redis
from tests.servers import HOST, Cluster, RedisProcess, ask

from .permissions import OPERATING, documented, walk

IN_A_CLUSTER = ["+cluster|slots", "+asking", "+command"]
IN_ANOTHER_DATABASE = "+select"


def grant(rights: Sequence[str], *servers: RedisProcess, database: int = 0) -> Settings:
    """Connect as a user with only these permissions, to a server without cached scripts."""
    for server in servers:
        with server.admin() as admin:
            ask(admin, "ACL", "SETUSER", "tickless", "reset", "on", ">secret", *rights)
            admin.script_flush()
    url = f"redis://tickless:secret@{HOST}:{servers[0].port}/{database}"
    return Settings(redis_url=url, redis_cluster=len(servers) > 1, broadcast="relay")


def test_documented_rights_suffice(any_server: RedisProcess) -> None:
    walk(grant(documented(), any_server))


def test_other_database_needs_the_select_right(any_server: RedisProcess) -> None:
    assert f"`{IN_ANOTHER_DATABASE}`" in OPERATING.read_text()

    walk(grant([*documented(), IN_ANOTHER_DATABASE], any_server, database=3))
    with pytest.raises(StoreUnavailable, match="NOPERM"):
        walk(grant(documented(), any_server, database=3))


@pytest.mark.cluster
def test_cluster_needs_further_rights(valkey_cluster: Cluster) -> None:
    assert f"`{' '.join(IN_A_CLUSTER)}`" in OPERATING.read_text()

    settings = grant([*documented(), *IN_A_CLUSTER], *valkey_cluster.nodes)
    walk(settings)
    # What follows a slot that is on its way.
    with open_redis(settings) as redis:
        assert redis.execute_command("ASKING") is True


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("right", "command"),
    [
        ("+cluster|slots", "CLUSTER SLOTS"),
        ("+asking", "ASKING"),
        ("+command", "COMMAND"),
    ],
)
def test_each_further_right_is_needed_and_named(
    valkey_cluster: Cluster, right: str, command: str
) -> None:
    rights = [*documented(), *(other for other in IN_A_CLUSTER if other != right)]
    settings = grant(rights, *valkey_cluster.nodes)
    with (
        open_redis(settings) as redis,
        pytest.raises(NoPermissionError, match=rf"'{right.strip('+')}'"),
    ):
        redis.execute_command(command)


def test_each_of_the_documented_rights_is_needed(own_valkey: RedisProcess) -> None:
    needless = []
    for right in documented():
        with own_valkey.admin() as admin:
            admin.flushall()
        try:
            walk(grant([other for other in documented() if other != right], own_valkey))
        # What can't be counted is let through, and the walk misses the figures.
        except (StoreUnavailable, AssertionError):
            continue
        needless.append(right)

    assert needless == []


def test_rights_are_valid_acl_rules() -> None:
    assert all(re.fullmatch(r"[~&]\w+:\*|\+\w+", right) for right in documented())
