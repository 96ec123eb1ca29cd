"""An asyncio event loop with a virtual clock: time advances only while every task waits.

A test of hours takes milliseconds, and every instant is exact.
"""

from __future__ import annotations

import asyncio
import inspect
import selectors

import pytest


class VirtualSelector(selectors.DefaultSelector):
    """Advances the clock instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "Every task waits, and no timer is set"
            self.now_s += max(0.0, timeout)
        # Adding a tiny timeout may not change the clock; this makes sure that the timer fires.
        self.now_s += 1e-9
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual_selector = VirtualSelector()
        super().__init__(self._virtual_selector)

    def time(self) -> float:
        return self._virtual_selector.now_s


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run each ``async def`` test on a VirtualLoop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def now() -> float:
    """Milliseconds since the loop started."""
    return asyncio.get_running_loop().time() * 1000


async def advance(ms: float) -> None:
    """Let time pass."""
    await asyncio.sleep(ms / 1000)
