"""The clock of a gateway under test: the real time, plus what a test has advanced.

Owns the order in which things become due. Must never wait for real time to pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from ..websocket_server import wall_clock_ms


class VirtualClock:
    """Counts on with the real time, and jumps when a test says so.

    The gateway's limits follow it: ten minutes without a message, two hours of a connection,
    schedules. Functions read the computer's clock as ever; give them this one's ``now``
    where it matters.
    """

    def __init__(self) -> None:
        self._advanced_ms = 0
        self._advance: Callable[[int], None] | None = None

    def now_ms(self) -> int:
        return wall_clock_ms() + self._advanced_ms

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_ms() / 1000, UTC)

    def advance(self, *, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Let that much time pass, and all happen that is due within it, each at its time.

        Returns once the functions that this has run have finished.

        Raises:
            FunctionFailed: A scheduled function has raised.
        """
        passing = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if passing < timedelta():
            raise ValueError(f"Time can't go back: advance() got {passing}")
        assert self._advance is not None, "the clock belongs to no gateway"
        self._advance(passing // timedelta(milliseconds=1))

    def attach(self, advance: Callable[[int], None]) -> None:
        """Let ``advance`` of the gateway do the work of a jump of so many milliseconds."""
        self._advance = advance

    async def run(
        self, by_ms: int, next_due_ms: Callable[[], int | None], act: Callable[[], Awaitable[None]]
    ) -> None:
        """Jump from one thing that is due to the next, and ``act`` at each."""
        ends_ms = self.now_ms() + by_ms
        while (due_ms := next_due_ms()) is not None and due_ms <= ends_ms:
            self._advanced_ms += max(0, due_ms - self.now_ms())
            await act()
        self._advanced_ms += max(0, ends_ms - self.now_ms())
        await act()
