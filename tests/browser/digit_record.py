"""What the clocks of a page showed, and when; for any page whose clocks have `data-participant`.

Reads only the text of the page, as a user does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

RECORDER = Path(__file__).with_name("recorder.js").read_text()
"""Pass it as ``script`` to `Screens.open`."""


@dataclass(frozen=True)
class Change:
    """``text`` was shown from ``at_ms`` on, in milliseconds since the epoch."""

    at_ms: float
    participant: str
    text: str

    @property
    def value_ms(self) -> int | None:
        """The time that the text shows; ``None`` if it is not a time."""
        return parse_clock_ms(self.text)


@dataclass(frozen=True)
class State:
    """A state arrived; after it the clocks may show any value."""

    at_ms: float
    version: int


@dataclass(frozen=True)
class Record:
    """Everything that a page showed and received, in order, and how many sockets it opened."""

    opened_at_ms: float
    entries: tuple[Change | State, ...]
    sockets: int

    @property
    def changes(self) -> list[Change]:
        return [entry for entry in self.entries if isinstance(entry, Change)]

    def shown_at(self, instant_ms: float) -> dict[str, str]:
        """The texts at an instant, by participant."""
        return {one.participant: one.text for one in self.changes if one.at_ms <= instant_ms}


def record_of(page: Page) -> Record:
    """The record of a page that runs the `RECORDER`, so far."""
    found = page.evaluate("recorder")
    return Record(
        found["openedAt"],
        tuple(
            Change(entry["at"], entry["participant"], entry["text"])
            if "participant" in entry
            else State(entry["at"], entry["version"])
            for entry in found["entries"]
        ),
        found["sockets"],
    )


def parse_clock_ms(text: str) -> int | None:
    """``1:00:00``, ``0:42`` or ``9.7``, in milliseconds."""
    if re.fullmatch(r"\d+\.\d", text):
        return round(float(text) * 1000)
    if re.fullmatch(r"(\d+:)?\d+:\d\d", text):
        parts = [int(part) for part in reversed(text.split(":"))]
        return sum(part * (1, 60, 3600)[place] for place, part in enumerate(parts)) * 1000
    return None


def backward_jumps(record: Record) -> list[tuple[Change, Change]]:
    """Where a clock that counts down went up without a new state."""
    jumps = []
    last: dict[str, Change] = {}
    for entry in record.entries:
        if isinstance(entry, State):
            last.clear()
            continue
        before, last[entry.participant] = last.get(entry.participant), entry
        if before is not None and (entry.value_ms or 0) > (before.value_ms or 0):
            jumps.append((before, entry))
    return jumps


def differences_ms(one: Record, other: Record, since_ms: float) -> list[float]:
    """The time between the first appearances of each text on two pages, after an instant.

    Only for clocks that count down, so that no text appears twice.
    """
    first, second = (_first_appearances(record, since_ms) for record in (one, other))
    return [abs(first[key] - second[key]) for key in first.keys() & second.keys()]


def shared_fraction(one: Record, other: Record, since_ms: float) -> float:
    """The fraction of all texts that appeared on both pages."""
    first, second = (_first_appearances(record, since_ms).keys() for record in (one, other))
    return len(first & second) / len(first | second)


def late_ms(record: Record, participant: str, deadline_ms: float, since_ms: float) -> list[float]:
    """How late each text appeared; it is right from ``deadline - value`` on."""
    return [
        change.at_ms - (deadline_ms - change.value_ms)
        for change in record.changes
        if change.participant == participant
        and change.at_ms > since_ms
        and change.value_ms is not None
    ]


def is_right(change: Change, deadline_ms: float, within_ms: float = 30) -> bool:
    """Whether a text was right, for a clock that runs out at the deadline."""
    if change.value_ms is None:
        return False
    unit_ms = 1000 if ":" in change.text else 100
    left_ms = deadline_ms - change.at_ms
    return change.value_ms - unit_ms - within_ms <= left_ms <= change.value_ms + within_ms


def percentile(samples: Iterable[float], share: float) -> float:
    """The smallest sample that at least ``share`` of all samples don't exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _first_appearances(record: Record, since_ms: float) -> dict[tuple[str, str], float]:
    firsts: dict[tuple[str, str], float] = {}
    for change in record.changes:
        if change.at_ms > since_ms:
            firsts.setdefault((change.participant, change.text), change.at_ms)
    return firsts
