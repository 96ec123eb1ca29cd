"""Time controls: when a bank runs out, and what it holds after a run.

A run is the time that one bank counts down without another taking over, over any number of
consecutive cycles; to the time control it is one cycle.

Sources: FIDE Laws of Chess (Fischer), US Chess rule 5 (delay), David
Bronstein's proposal (an increment never above the time used), the Nihon Ki-in's
byo-yomi, the Canadian Go Association's overtime.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, NotRequired, cast

from typing_extensions import TypedDict


class Bank(NamedTuple):
    """A time allowance used over several cycles.

    ``run_ms`` is how long the current run had lasted when the current cycle began or, in an ended
    session, when it ended. ``periods_left`` is for byo-yomi, ``block_left_ms`` and ``cycles_left``
    are for Canadian overtime; 0 elsewhere.
    """

    total_ms: int
    held_ms: int
    run_ms: int = 0
    has_expired: bool = False
    periods_left: int = 0
    block_left_ms: int = 0
    cycles_left: int = 0


class BankReading(TypedDict):
    """What a bank shows: the remaining time, and what its time control adds."""

    time_remaining_ms: int
    delay_remaining_ms: NotRequired[int]
    main_remaining_ms: NotRequired[int]
    period_remaining_ms: NotRequired[int]
    periods_left: NotRequired[int]
    cycles_left: NotRequired[int]


@dataclass(frozen=True, slots=True)
class TimeControl(ABC):
    """How a run uses the time of a bank that has not run out.

    The defaults are a plain clock's: it can use, and shows, what the bank holds.
    """

    type: ClassVar[str]
    transfers: ClassVar[bool] = False
    """Whether the time used in a run is added to the bank that takes over."""
    needs_main_time: ClassVar[bool] = True
    """Whether a bank without main time would have run out before it began."""

    def fill(self, total_ms: int) -> Bank:
        """A new bank of ``total_ms``."""
        return Bank(total_ms, total_ms)

    def budget_ms(self, bank: Bank) -> int:
        """The length of a run at which the bank runs out; always positive."""
        return bank.held_ms

    def drawn_ms(self, run_ms: int) -> int:
        """How much main time a run of ``run_ms`` uses, if there is that much."""
        return run_ms

    def main_ms(self, bank: Bank, run_ms: int) -> int:
        """The main time left ``run_ms`` into a run."""
        return max(0, bank.held_ms - self.drawn_ms(run_ms))

    def add(self, bank: Bank, delta_ms: int) -> Bank:
        """The bank with ``delta_ms`` more main time; a removal must not exceed what it holds."""
        # A removal may exceed the allocation, because increments can be removed too.
        total_ms = max(0, bank.total_ms + delta_ms)
        return bank._replace(total_ms=total_ms, held_ms=bank.held_ms + delta_ms)

    def revive(self, bank: Bank, run_ms: int, delta_ms: int) -> Bank:
        """The bank that ran out ``run_ms`` into a run, with ``delta_ms`` left and no periods."""
        return Bank(bank.total_ms + delta_ms, self.drawn_ms(run_ms) + delta_ms, bank.run_ms)

    @abstractmethod
    def hand_over(self, bank: Bank, run_ms: int) -> Bank:
        """The bank after a run of ``run_ms``, when another bank takes over."""

    def reading(self, bank: Bank, run_ms: int) -> BankReading:
        """What the bank shows ``run_ms`` into a run."""
        return {"time_remaining_ms": bank.held_ms - run_ms}

    def expired_reading(self) -> BankReading:
        """What an expired bank shows: every value is 0."""
        names = self.reading(self.fill(0), 0)
        return cast(BankReading, dict.fromkeys(names, 0))


@dataclass(frozen=True, slots=True)
class Fischer(TimeControl):
    """Each run is followed by an increment; an increment of 0 is sudden death.

    With ``first_increment``, the first run is preceded by one too, as FIDE has it.
    """

    increment_ms: int
    max_bank_ms: int | None = None
    first_increment: bool = False
    type: ClassVar[str] = "fischer"

    def fill(self, total_ms: int) -> Bank:
        held_ms = self._incremented_ms(total_ms) if self.first_increment else total_ms
        return Bank(total_ms, held_ms)

    def hand_over(self, bank: Bank, run_ms: int) -> Bank:
        return bank._replace(held_ms=self._incremented_ms(bank.held_ms - run_ms), run_ms=0)

    def _incremented_ms(self, rest_ms: int) -> int:
        held_ms = rest_ms + self.increment_ms
        # The cap limits the increment; it never removes time.
        return held_ms if self.max_bank_ms is None else max(rest_ms, min(held_ms, self.max_bank_ms))


@dataclass(frozen=True, slots=True)
class Delay(TimeControl):
    """US delay: each run counts down a delay before it uses the bank."""

    delay_ms: int
    type: ClassVar[str] = "delay"

    def budget_ms(self, bank: Bank) -> int:
        return bank.held_ms + self.delay_ms

    def drawn_ms(self, run_ms: int) -> int:
        return max(0, run_ms - self.delay_ms)

    def hand_over(self, bank: Bank, run_ms: int) -> Bank:
        return bank._replace(held_ms=bank.held_ms - self.drawn_ms(run_ms), run_ms=0)

    def reading(self, bank: Bank, run_ms: int) -> BankReading:
        return {
            "time_remaining_ms": bank.held_ms - self.drawn_ms(run_ms),
            "delay_remaining_ms": max(0, self.delay_ms - run_ms),
        }


@dataclass(frozen=True, slots=True)
class Bronstein(TimeControl):
    """After each run, the time used is given back, up to the delay."""

    delay_ms: int
    type: ClassVar[str] = "bronstein"

    def hand_over(self, bank: Bank, run_ms: int) -> Bank:
        held_ms = bank.held_ms - run_ms + min(run_ms, self.delay_ms)
        return bank._replace(held_ms=held_ms, run_ms=0)


@dataclass(frozen=True, slots=True)
class Byoyomi(TimeControl):
    """After main time, periods; a period that is not used up is full again in the next run."""

    period_ms: int
    periods: int
    type: ClassVar[str] = "byoyomi"
    needs_main_time: ClassVar[bool] = False

    def fill(self, total_ms: int) -> Bank:
        return Bank(total_ms, total_ms, periods_left=self.periods)

    def budget_ms(self, bank: Bank) -> int:
        return bank.held_ms + bank.periods_left * self.period_ms

    def hand_over(self, bank: Bank, run_ms: int) -> Bank:
        overtime_ms = max(0, run_ms - bank.held_ms)
        return bank._replace(
            held_ms=max(0, bank.held_ms - run_ms),
            run_ms=0,
            periods_left=bank.periods_left - overtime_ms // self.period_ms,
        )

    def reading(self, bank: Bank, run_ms: int) -> BankReading:
        main_ms = max(0, bank.held_ms - run_ms)
        spent, into_period_ms = divmod(max(0, run_ms - bank.held_ms), self.period_ms)
        periods_left = bank.periods_left - spent
        return {
            "time_remaining_ms": main_ms + periods_left * self.period_ms - into_period_ms,
            "main_remaining_ms": main_ms,
            # A bank revived by an adjustment has no periods.
            "period_remaining_ms": self.period_ms - into_period_ms if periods_left else 0,
            "periods_left": periods_left,
        }


@dataclass(frozen=True, slots=True)
class Canadian(TimeControl):
    """After main time, each block of time must last for a number of runs."""

    period_ms: int
    cycles_per_period: int
    type: ClassVar[str] = "canadian"
    needs_main_time: ClassVar[bool] = False

    def fill(self, total_ms: int) -> Bank:
        return Bank(
            total_ms,
            total_ms,
            block_left_ms=self.period_ms,
            cycles_left=self.cycles_per_period,
        )

    def budget_ms(self, bank: Bank) -> int:
        return bank.held_ms + bank.block_left_ms

    def hand_over(self, bank: Bank, run_ms: int) -> Bank:
        in_block = run_ms > bank.held_ms or bank.held_ms == 0
        if not in_block:
            return bank._replace(held_ms=bank.held_ms - run_ms, run_ms=0)
        cycles_left = bank.cycles_left - 1
        if cycles_left == 0:
            return bank._replace(
                held_ms=0,
                run_ms=0,
                block_left_ms=self.period_ms,
                cycles_left=self.cycles_per_period,
            )
        return bank._replace(
            held_ms=0,
            run_ms=0,
            block_left_ms=bank.block_left_ms - (run_ms - bank.held_ms),
            cycles_left=cycles_left,
        )

    def reading(self, bank: Bank, run_ms: int) -> BankReading:
        main_ms = max(0, bank.held_ms - run_ms)
        block_ms = bank.block_left_ms - max(0, run_ms - bank.held_ms)
        return {
            "time_remaining_ms": main_ms + block_ms,
            "main_remaining_ms": main_ms,
            "period_remaining_ms": block_ms,
            "cycles_left": bank.cycles_left,
        }


@dataclass(frozen=True, slots=True)
class Hourglass(TimeControl):
    """Two banks: the time one uses is added to the other when it takes over."""

    type: ClassVar[str] = "hourglass"
    transfers: ClassVar[bool] = True

    def hand_over(self, bank: Bank, run_ms: int) -> Bank:
        return bank._replace(held_ms=bank.held_ms - run_ms, run_ms=0)


SUDDEN_DEATH = Fischer(increment_ms=0)
