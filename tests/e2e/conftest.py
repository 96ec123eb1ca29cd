from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers import RedisProcess, running, valkey_binary

from .instances import Instance, instances


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A server for these tests alone: their instances sweep whatever is due on it."""
    with running(valkey_binary(), tmp_path_factory.mktemp("e2e-valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def pair(
    valkey: RedisProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Instance]]:
    """Two instances, shared: use sessions of your own, and leave them running."""
    with instances(2, valkey.url, tmp_path_factory.mktemp("pair")) as both:
        yield both


NO_HEARTBEATS = {"HEARTBEAT_INTERVAL_MS": "300000"}
"""Longer than a test, on whatever machine: a client that asks for nothing received everything."""


@pytest.fixture(scope="session")
def pair_without_heartbeats(
    valkey: RedisProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Instance]]:
    """Two more, shared in the same way."""
    directory = tmp_path_factory.mktemp("without-heartbeats")
    with instances(2, valkey.url, directory, environment=NO_HEARTBEATS) as both:
        yield both


FULL = os.environ.get("TICKLESS_FULL", "") not in ("", "0")


class Size:
    """How much to do: little, or, with TICKLESS_FULL, as much as is promised."""

    def __call__(self, little: int, promised: int) -> int:
        return promised if FULL else little


@pytest.fixture(scope="session")
def size() -> Size:
    return Size()
