"""The clocks of a simultaneous session, in blocks.

A session may have a thousand clocks, and most commands concern one. So the clocks are kept in
blocks of consecutive participants: a change replaces one block, and each block's summary tells when
a clock of it is due without reading them.

Points in time are in *session time*: how long the session had run, without pauses. A pause of the
session therefore changes no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

BLOCK_SIZE = 32
"""About the square root of the most participants: as many blocks as clocks in one."""


class ClockState(StrEnum):
    """What a participant's clock does in a simultaneous session.

    ``STOPPED`` is shown of a running or paused clock whose session has ended, and never stored.
    ``WITHDRAWN`` is the clock of a participant who takes no part any more.
    """

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"


OPEN = frozenset({ClockState.WAITING, ClockState.RUNNING, ClockState.PAUSED})
"""The session goes on while a clock is in one of these states."""


class Clock(NamedTuple):
    """One participant's clock.

    ``used_ms`` and ``overtime_ms`` are as of ``counted_to_ms``, in session time, which is ``None``
    unless the clock is running. ``has_timed_out`` says that its timeout finished it. The other two
    instants are in the store's time.
    """

    total_ms: int
    state: ClockState = ClockState.WAITING
    used_ms: int = 0
    overtime_ms: int = 0
    counted_to_ms: int | None = None
    has_expired: bool = False
    has_timed_out: bool = False
    started_at_ms: int | None = None
    finished_at_ms: int | None = None

    @property
    def has_finished(self) -> bool:
        """Whether it has finished, even if its participant has withdrawn since."""
        return self.finished_at_ms is not None

    @property
    def remaining_ms(self) -> int:
        """The time left as of ``counted_to_ms``."""
        return 0 if self.has_expired else self.total_ms - self.used_ms

    @property
    def due_ms(self) -> int | None:
        """When it runs out, in session time; ``None`` in overtime, or while it does not run."""
        if self.counted_to_ms is None or self.has_expired:
            return None
        return self.counted_to_ms + self.remaining_ms

    def at(self, time_ms: int) -> Clock:
        """The clock as of ``time_ms`` in session time, at most when it runs out."""
        if self.counted_to_ms is None:
            return self
        # Session time never falls below what a change was made at, so this is not negative.
        passed_ms = time_ms - self.counted_to_ms
        if self.has_expired:
            return self._replace(overtime_ms=self.overtime_ms + passed_ms, counted_to_ms=time_ms)
        return self._replace(used_ms=self.used_ms + passed_ms, counted_to_ms=time_ms)

    def warnings_ms(self, marks_ms: Iterable[int]) -> Iterator[tuple[int, int]]:
        """When it reaches each of the marks, in session time, and the mark.

        For a mark that it is past already, that is before ``counted_to_ms``.
        """
        due_ms = self.due_ms
        if due_ms is not None:
            for mark_ms in marks_ms:
                yield due_ms - mark_ms, mark_ms


class Summary(NamedTuple):
    """What must be known of a block's clocks without reading them.

    ``open_count`` is how many are waiting, running or paused. The rest is in session time: when the
    first and the last of the running clocks run out, and when the next warning is due.
    """

    open_count: int
    due_ms: int | None
    last_due_ms: int | None
    warning_ms: int | None

    def is_due(self, time_ms: int) -> bool:
        """Whether a timeout or a warning is due at ``time_ms``."""
        return any(due is not None and due <= time_ms for due in (self.due_ms, self.warning_ms))


class Block:
    """Consecutive clocks, read when they are first needed, and their summary. Immutable."""

    def __init__(self, summary: Summary, read: Callable[[], tuple[Clock, ...]]) -> None:
        self.summary = summary
        self.read = read

    @cached_property
    def clocks(self) -> tuple[Clock, ...]:
        return self.read()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Block):
            return NotImplemented
        return self.summary == other.summary and self.clocks == other.clocks

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Block({self.summary}, {self.clocks})"


def make_block(clocks: Sequence[Clock], marks_ms: Sequence[int], time_ms: int) -> Block:
    """A block of these clocks, whose warnings up to ``time_ms`` were emitted already."""
    kept = tuple(clocks)
    due = [due_ms for clock in kept if (due_ms := clock.due_ms) is not None]
    warnings = (
        at_ms
        for clock in (kept if marks_ms else ())
        for at_ms, _ in clock.warnings_ms(marks_ms)
        if at_ms > time_ms
    )
    summary = Summary(
        sum(clock.state in OPEN for clock in kept),
        min(due, default=None),
        max(due, default=None),
        min(warnings, default=None),
    )
    return Block(summary, lambda: kept)


def make_blocks(
    clocks: Sequence[Clock], marks_ms: Sequence[int], time_ms: int
) -> tuple[Block, ...]:
    """All clocks of a session, in rotation order."""
    return tuple(
        make_block(clocks[first : first + BLOCK_SIZE], marks_ms, time_ms)
        for first in range(0, len(clocks), BLOCK_SIZE)
    )
