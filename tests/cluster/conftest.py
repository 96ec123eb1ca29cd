from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.failover import Failover, replicated, replicated_cluster
from tests.servers import redis7_binary, valkey_binary


@pytest.fixture(params=["valkey", "redis7", "valkey cluster"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Failover]:
    """Each kind of store that fails over in turn, for one test to do so."""
    binary = redis7_binary() if request.param == "redis7" else valkey_binary()
    if binary is None:
        pytest.skip("there is no redis-server on PATH")
    if request.param == "valkey cluster":
        with replicated_cluster(binary, tmp_path) as cluster:
            yield cluster
    else:
        with replicated(binary, tmp_path) as pair:
            yield pair
