"""What the digits of a page did, and when: for any page whose clocks have `data-participant`.

Owns what is made of a page's records. Reads the text alone, as who looks at
the page does, and knows nothing of how it came there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

RECORDER = Path(__file__).with_name("recorder.js").read_text()
"""To be run in a page before anything else is: the ``script`` of `Screens.open`."""


@dataclass(frozen=True)
class Change:
    """From ``at_ms`` on, in milliseconds of the time of day, ``text`` was shown."""

    at_ms: float
    participant: str
    text: str

    @property
    def value_ms(self) -> int | None:
        """The time that the text says; none where it says no time."""
        return read_ms(self.text)


@dataclass(frozen=True)
class State:
    """A state came in, after which digits may be whatever it says."""

    at_ms: float
    version: int


@dataclass(frozen=True)
class Record:
    """All that a page has shown and been told, in order, and how many sockets it has opened."""

    opened_at_ms: float
    notes: tuple[Change | State, ...]
    sockets: int

    @property
    def changes(self) -> list[Change]:
        return [note for note in self.notes if isinstance(note, Change)]

    def shown_at(self, instant_ms: float) -> dict[str, str]:
        """What stood there at an instant, by participant."""
        return {one.participant: one.text for one in self.changes if one.at_ms <= instant_ms}


def record_of(page: Page) -> Record:
    """What a page that runs the `RECORDER` has written down so far."""
    found = page.evaluate("recorder")
    return Record(
        found["openedAt"],
        tuple(
            Change(note["at"], note["participant"], note["text"])
            if "participant" in note
            else State(note["at"], note["version"])
            for note in found["notes"]
        ),
        found["sockets"],
    )


def read_ms(text: str) -> int | None:
    """``1:00:00``, ``0:42`` or ``9.7``, in milliseconds."""
    if re.fullmatch(r"\d+\.\d", text):
        return round(float(text) * 1000)
    if re.fullmatch(r"(\d+:)?\d+:\d\d", text):
        parts = [int(part) for part in reversed(text.split(":"))]
        return sum(part * (1, 60, 3600)[place] for place, part in enumerate(parts)) * 1000
    return None


def backward_jumps(record: Record) -> list[tuple[Change, Change]]:
    """Where a falling clock rose although no state had come that says so."""
    jumps = []
    last: dict[str, Change] = {}
    for note in record.notes:
        if isinstance(note, State):
            last.clear()
            continue
        before, last[note.participant] = last.get(note.participant), note
        if before is not None and (note.value_ms or 0) > (before.value_ms or 0):
            jumps.append((before, note))
    return jumps


def apart_ms(one: Record, other: Record, since_ms: float) -> list[float]:
    """How far apart two pages were with each text that both came to show after an instant.

    For clocks that only fall, so that no text comes twice.
    """
    first, second = (_firsts(record, since_ms) for record in (one, other))
    return [abs(first[key] - second[key]) for key in first.keys() & second.keys()]


def share_in_common(one: Record, other: Record, since_ms: float) -> float:
    """Of the texts that either page came to show, how many both did."""
    first, second = (_firsts(record, since_ms).keys() for record in (one, other))
    return len(first & second) / len(first | second)


def late_ms(record: Record, participant: str, deadline_ms: float, since_ms: float) -> list[float]:
    """How late each change was to a text that is right from ``deadline - value`` on."""
    return [
        change.at_ms - (deadline_ms - change.value_ms)
        for change in record.changes
        if change.participant == participant
        and change.at_ms > since_ms
        and change.value_ms is not None
    ]


def is_right(change: Change, deadline_ms: float, within_ms: float = 30) -> bool:
    """Whether a clock that runs out at a deadline should show this text then, or almost then."""
    if change.value_ms is None:
        return False
    unit_ms = 1000 if ":" in change.text else 100
    left_ms = deadline_ms - change.at_ms
    return change.value_ms - unit_ms - within_ms <= left_ms <= change.value_ms + within_ms


def percentile(samples: Iterable[float], share: float) -> float:
    """The least sample that so large a share doesn't exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _firsts(record: Record, since_ms: float) -> dict[tuple[str, str], float]:
    firsts: dict[tuple[str, str], float] = {}
    for change in record.changes:
        if change.at_ms > since_ms:
            firsts.setdefault((change.participant, change.text), change.at_ms)
    return firsts
