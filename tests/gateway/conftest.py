from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import pytest
import uvloop

from .http_serving import LoopFactory


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    """Unload the app that a test has loaded."""
    path = list(sys.path)

    def apps() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in ("app", "chalicelib")]

    before = {name: sys.modules[name] for name in apps()}
    yield
    for name in apps():
        del sys.modules[name]
    sys.modules.update(before)
    sys.path[:] = path


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    factory: LoopFactory = request.param
    return factory
