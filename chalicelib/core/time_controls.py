"""Time controls: when a bank runs out, and what time it has after a run.

A run is the time that one bank counts down without another taking over, over any number of
consecutive cycles; to the time control it is one cycle.

Sources: FIDE Laws of Chess (Fischer, and stages as its periods of play), US Chess rule 5 (delay),
David Bronstein's proposal (an increment never above the time used), the Nihon Ki-in's byo-yomi, the
Canadian Go Association's overtime.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, NotRequired, cast

from typing_extensions import TypedDict


class Bank(NamedTuple):
    """A time allowance used over several cycles, as of the beginning of the current run.

    ``main_ms`` is its main time: all of it, except for byo-yomi's and Canadian periods.
    ``run_ms`` is the current run's time used when the current cycle began or, in an ended session,
    when it ended. ``periods_left`` is for byo-yomi, ``period_left_ms`` and ``cycles_left`` are for
    Canadian overtime, ``stage``, from 1, and ``cycles_left`` are for stages; 0 elsewhere.
    """

    total_ms: int
    main_ms: int
    run_ms: int = 0
    has_expired: bool = False
    periods_left: int = 0
    period_left_ms: int = 0
    cycles_left: int = 0
    stage: int = 0


class BankReading(TypedDict):
    """What a bank shows: the remaining time, and what its time control adds."""

    time_remaining_ms: int
    delay_remaining_ms: NotRequired[int]
    main_remaining_ms: NotRequired[int]
    period_remaining_ms: NotRequired[int]
    periods_left: NotRequired[int]
    cycles_left: NotRequired[int]
    stage: NotRequired[int]


@dataclass(frozen=True, slots=True)
class TimeControl(ABC):
    """How a run uses the time of a bank that has not run out.

    The defaults are a plain clock's: it can use, and shows, the main time.
    """

    type: ClassVar[str]
    transfers: ClassVar[bool] = False
    """Whether the time used in a run is added to the bank that takes over."""
    needs_main_time: ClassVar[bool] = True
    """Whether a bank without main time would have run out before it began."""

    def new_bank(self, total_ms: int) -> Bank:
        """A new bank of ``total_ms``."""
        return Bank(total_ms, total_ms)

    def budget_ms(self, bank: Bank) -> int:
        """The length of a run at which the bank runs out; always positive."""
        return bank.main_ms

    def main_used_ms(self, run_ms: int) -> int:
        """How much main time a run of ``run_ms`` uses, if there is that much."""
        return run_ms

    def main_remaining_ms(self, bank: Bank, run_ms: int) -> int:
        """The main time left ``run_ms`` into a run."""
        return max(0, bank.main_ms - self.main_used_ms(run_ms))

    def add_main_time(self, bank: Bank, delta_ms: int) -> Bank:
        """The bank with ``delta_ms`` more main time; a removal must not exceed what is left."""
        # A removal may exceed the allocation, because increments can be removed too.
        total_ms = max(0, bank.total_ms + delta_ms)
        return bank._replace(total_ms=total_ms, main_ms=bank.main_ms + delta_ms)

    def revive(self, bank: Bank, run_ms: int, delta_ms: int) -> Bank:
        """The bank that ran out ``run_ms`` into a run, with ``delta_ms`` left and no periods."""
        return Bank(bank.total_ms + delta_ms, self.main_used_ms(run_ms) + delta_ms, bank.run_ms)

    @abstractmethod
    def end_run(self, bank: Bank, run_ms: int) -> Bank:
        """The bank after a run of ``run_ms``, when another bank takes over."""

    def reading(self, bank: Bank, run_ms: int) -> BankReading:
        """What the bank shows ``run_ms`` into a run."""
        return {"time_remaining_ms": bank.main_ms - run_ms}

    def expired_reading(self, bank: Bank) -> BankReading:
        """What an expired bank shows: every value is 0, except the stage that it is in."""
        reading = cast(BankReading, dict.fromkeys(self.reading(bank, 0), 0))
        if bank.stage:
            reading["stage"] = bank.stage
        return reading


@dataclass(frozen=True, slots=True)
class Fischer(TimeControl):
    """Each run is followed by an increment; an increment of 0 is sudden death.

    With ``first_increment``, the first run is preceded by one too, as FIDE has it.
    """

    increment_ms: int
    max_bank_ms: int | None = None
    first_increment: bool = False
    type: ClassVar[str] = "fischer"

    def new_bank(self, total_ms: int) -> Bank:
        main_ms = self._incremented_ms(total_ms) if self.first_increment else total_ms
        return Bank(total_ms, main_ms)

    def end_run(self, bank: Bank, run_ms: int) -> Bank:
        return bank._replace(main_ms=self._incremented_ms(bank.main_ms - run_ms), run_ms=0)

    def _incremented_ms(self, rest_ms: int) -> int:
        main_ms = rest_ms + self.increment_ms
        # The cap limits the increment; it never removes time.
        return main_ms if self.max_bank_ms is None else max(rest_ms, min(main_ms, self.max_bank_ms))


@dataclass(frozen=True, slots=True)
class Delay(TimeControl):
    """US delay: each run counts down a delay before it uses the bank."""

    delay_ms: int
    type: ClassVar[str] = "delay"

    def budget_ms(self, bank: Bank) -> int:
        return bank.main_ms + self.delay_ms

    def main_used_ms(self, run_ms: int) -> int:
        return max(0, run_ms - self.delay_ms)

    def end_run(self, bank: Bank, run_ms: int) -> Bank:
        return bank._replace(main_ms=bank.main_ms - self.main_used_ms(run_ms), run_ms=0)

    def reading(self, bank: Bank, run_ms: int) -> BankReading:
        return {
            "time_remaining_ms": bank.main_ms - self.main_used_ms(run_ms),
            "delay_remaining_ms": max(0, self.delay_ms - run_ms),
        }


@dataclass(frozen=True, slots=True)
class Bronstein(TimeControl):
    """After each run, the time used is given back, up to the delay."""

    delay_ms: int
    type: ClassVar[str] = "bronstein"

    def end_run(self, bank: Bank, run_ms: int) -> Bank:
        main_ms = bank.main_ms - run_ms + min(run_ms, self.delay_ms)
        return bank._replace(main_ms=main_ms, run_ms=0)


@dataclass(frozen=True, slots=True)
class Byoyomi(TimeControl):
    """After main time, periods; a period that is not used up is full again in the next run."""

    period_ms: int
    periods: int
    type: ClassVar[str] = "byoyomi"
    needs_main_time: ClassVar[bool] = False

    def new_bank(self, total_ms: int) -> Bank:
        return Bank(total_ms, total_ms, periods_left=self.periods)

    def budget_ms(self, bank: Bank) -> int:
        return bank.main_ms + bank.periods_left * self.period_ms

    def end_run(self, bank: Bank, run_ms: int) -> Bank:
        overtime_ms = max(0, run_ms - bank.main_ms)
        return bank._replace(
            main_ms=max(0, bank.main_ms - run_ms),
            run_ms=0,
            periods_left=bank.periods_left - overtime_ms // self.period_ms,
        )

    def reading(self, bank: Bank, run_ms: int) -> BankReading:
        main_remaining_ms = max(0, bank.main_ms - run_ms)
        spent, into_period_ms = divmod(max(0, run_ms - bank.main_ms), self.period_ms)
        periods_left = bank.periods_left - spent
        return {
            "time_remaining_ms": main_remaining_ms + periods_left * self.period_ms - into_period_ms,
            "main_remaining_ms": main_remaining_ms,
            # A bank revived by an adjustment has no periods.
            "period_remaining_ms": self.period_ms - into_period_ms if periods_left else 0,
            "periods_left": periods_left,
        }


@dataclass(frozen=True, slots=True)
class Canadian(TimeControl):
    """After main time, each period must last for a number of runs."""

    period_ms: int
    cycles_per_period: int
    type: ClassVar[str] = "canadian"
    needs_main_time: ClassVar[bool] = False

    def new_bank(self, total_ms: int) -> Bank:
        return Bank(
            total_ms,
            total_ms,
            period_left_ms=self.period_ms,
            cycles_left=self.cycles_per_period,
        )

    def budget_ms(self, bank: Bank) -> int:
        return bank.main_ms + bank.period_left_ms

    def end_run(self, bank: Bank, run_ms: int) -> Bank:
        in_period = run_ms > bank.main_ms or bank.main_ms == 0
        if not in_period:
            return bank._replace(main_ms=bank.main_ms - run_ms, run_ms=0)
        cycles_left = bank.cycles_left - 1
        if cycles_left == 0:
            return bank._replace(
                main_ms=0,
                run_ms=0,
                period_left_ms=self.period_ms,
                cycles_left=self.cycles_per_period,
            )
        return bank._replace(
            main_ms=0,
            run_ms=0,
            period_left_ms=bank.period_left_ms - (run_ms - bank.main_ms),
            cycles_left=cycles_left,
        )

    def reading(self, bank: Bank, run_ms: int) -> BankReading:
        main_remaining_ms = max(0, bank.main_ms - run_ms)
        period_remaining_ms = bank.period_left_ms - max(0, run_ms - bank.main_ms)
        return {
            "time_remaining_ms": main_remaining_ms + period_remaining_ms,
            "main_remaining_ms": main_remaining_ms,
            "period_remaining_ms": period_remaining_ms,
            "cycles_left": bank.cycles_left,
        }


@dataclass(frozen=True, slots=True)
class Hourglass(TimeControl):
    """Two banks: the time one uses is added to the other when it takes over."""

    type: ClassVar[str] = "hourglass"
    transfers: ClassVar[bool] = True

    def end_run(self, bank: Bank, run_ms: int) -> Bank:
        return bank._replace(main_ms=bank.main_ms - run_ms, run_ms=0)


StageControl = Fischer | Delay | Bronstein


@dataclass(frozen=True, slots=True)
class Stage:
    """A period of play: the time that a bank gains for it, and for how many runs.

    Without ``cycles``, it is for the rest; without ``control``, it is sudden death.
    """

    time_ms: int
    cycles: int | None = None
    control: StageControl | None = None


@dataclass(frozen=True, slots=True)
class Stages(TimeControl):
    """After the last run of a stage, the bank gains the time of the next.

    A last stage with a number of runs repeats itself.
    """

    stages: tuple[Stage, ...]
    type: ClassVar[str] = "stages"

    def new_bank(self, total_ms: int) -> Bank:
        first = self.stages[0]
        filled = (first.control or SUDDEN_DEATH).new_bank(total_ms)
        return filled._replace(stage=1, cycles_left=first.cycles or 0)

    def budget_ms(self, bank: Bank) -> int:
        return self._control(bank).budget_ms(bank)

    def main_remaining_ms(self, bank: Bank, run_ms: int) -> int:
        return self._control(bank).main_remaining_ms(bank, run_ms)

    def revive(self, bank: Bank, run_ms: int, delta_ms: int) -> Bank:
        revived = self._control(bank).revive(bank, run_ms, delta_ms)
        return revived._replace(stage=bank.stage, cycles_left=bank.cycles_left)

    def end_run(self, bank: Bank, run_ms: int) -> Bank:
        rested = self._control(bank).end_run(bank, run_ms)
        if self.stages[bank.stage - 1].cycles is None:
            return rested
        if bank.cycles_left > 1:
            return rested._replace(cycles_left=bank.cycles_left - 1)
        number = min(bank.stage + 1, len(self.stages))
        following = self.stages[number - 1]
        return rested._replace(
            total_ms=rested.total_ms + following.time_ms,
            main_ms=rested.main_ms + following.time_ms,
            stage=number,
            cycles_left=following.cycles or 0,
        )

    def reading(self, bank: Bank, run_ms: int) -> BankReading:
        reading = self._control(bank).reading(bank, run_ms)
        if self.stages[bank.stage - 1].cycles is not None:
            reading["cycles_left"] = bank.cycles_left
        reading["stage"] = bank.stage
        return reading

    def _control(self, bank: Bank) -> TimeControl:
        return self.stages[bank.stage - 1].control or SUDDEN_DEATH


SUDDEN_DEATH = Fischer(increment_ms=0)
