"""The rights that the documents tell of suffice, and none of them is one too many."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from chalicelib.core.errors import StoreUnavailable
from chalicelib.settings import Settings
from tests.servers import HOST, Cluster, RedisProcess, ask

from .rights import OPERATING, documented, walk

IN_A_CLUSTER = ["+cluster|slots", "+cluster|shards", "+cluster|nodes"]


def grant(rights: Sequence[str], *servers: RedisProcess) -> Settings:
    """How to come in as somebody who may do this and nothing else, and finds no script known."""
    for server in servers:
        with server.admin() as admin:
            ask(admin, "ACL", "SETUSER", "tickless", "reset", "on", ">secret", *rights)
            admin.script_flush()
    url = f"redis://tickless:secret@{HOST}:{servers[0].port}/0"
    return Settings(redis_url=url, redis_cluster=len(servers) > 1, broadcast="relay")


def test_everything_is_allowed_to_whom_the_documented_rights_are_given(
    any_server: RedisProcess,
) -> None:
    walk(grant(documented(), any_server))


@pytest.mark.cluster
def test_in_a_cluster_those_to_ask_for_its_slots_come_on_top(valkey_cluster: Cluster) -> None:
    assert f"`{' '.join(IN_A_CLUSTER)}`" in OPERATING.read_text()

    walk(grant([*documented(), *IN_A_CLUSTER], *valkey_cluster.nodes))


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


def test_the_rights_are_written_as_an_acl_takes_them() -> None:
    assert all(re.fullmatch(r"[~&]\w+:\*|\+\w+", right) for right in documented())
