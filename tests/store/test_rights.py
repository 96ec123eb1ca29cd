"""The rights that the documents tell of suffice, and none of them is one too many."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chalicelib.core.errors import StoreUnavailable
from chalicelib.settings import Settings
from tests.servers import HOST, RedisProcess, ask

from .rights import documented, walk


def grant(server: RedisProcess, rights: Sequence[str]) -> Settings:
    """How to come in as somebody who may do this and nothing else, and finds no script known."""
    with server.admin() as admin:
        ask(admin, "ACL", "SETUSER", "tickless", "reset", "on", ">secret", *rights)
        admin.script_flush()
    url = f"redis://tickless:secret@{HOST}:{server.port}/0"
    return Settings(redis_url=url, broadcast="relay")


def test_everything_is_allowed_to_whom_the_documented_rights_are_given(
    any_server: RedisProcess,
) -> None:
    walk(grant(any_server, documented()))


def test_each_of_the_documented_rights_is_needed(own_valkey: RedisProcess) -> None:
    needless = []
    for right in documented():
        with own_valkey.admin() as admin:
            admin.flushall()
        try:
            walk(grant(own_valkey, [other for other in documented() if other != right]))
        # What can't be counted is let through, and the walk misses the figures.
        except (StoreUnavailable, AssertionError):
            continue
        needless.append(right)

    assert needless == []


def test_the_rights_are_written_as_an_acl_takes_them() -> None:
    assert all(re.fullmatch(r"[~&]\w+:\*|\+\w+", right) for right in documented())
