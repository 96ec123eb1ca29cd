"""Terminal view of a session: its clocks in big digits, and a table of participants.

Pure: takes values, returns what rich prints. Must never read a clock or a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tickless import ClockFace, ConnectionState, DisplayFrame, Snapshot

MAX_ROWS = 20
"""The maximum number of participants shown: those around the active one."""

PHASE_STYLES = {
    "plain": "",
    "warning": "yellow",
    "unconfirmed": "yellow",
    "expired": "red",
    "overtime": "bold red",
}
CONNECTION_STYLES = {
    "live": "green",
    "connecting": "yellow",
    "unconfirmed": "yellow",
    "reconnecting": "yellow",
    "closed": "red",
}

GLYPHS = {
    "0": "███ █ █ █ █ █ █ ███",
    "1": " █  ██   █   █  ███",
    "2": "███   █ ███ █   ███",
    "3": "███   █ ███   █ ███",
    "4": "█ █ █ █ ███   █   █",
    "5": "███ █   ███   █ ███",
    "6": "███ █   ███ █ █ ███",
    "7": "███   █   █   █   █",
    "8": "███ █ █ ███ █ █ ███",
    "9": "███ █ █ ███   █ ███",
    ":": "     █       █     ",
    ".": "                 █ ",
}
"""Each glyph has five rows of three columns, separated by a blank."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What to show: ``error_bound_ms`` is the maximum clock error, ``end_status`` how it ended."""

    session_id: str
    connection: ConnectionState
    error_bound_ms: float
    snapshot: Snapshot | None
    frame: DisplayFrame
    end_status: str = ""


def render(screen: Screen) -> RenderableType:
    """A heading, the active clocks in big digits, and the table of participants."""
    end = [Text(f"The session is {screen.end_status}.")] if screen.end_status else []
    if screen.snapshot is None:
        return Group(_heading(screen), *(end or [Text("There is no such session yet.")]))
    big = [
        Text(line, style=PHASE_STYLES[face.phase])
        for face in screen.frame.faces
        if face.is_active
        for line in ("", *big_digits(face.text))
    ]
    return Group(_heading(screen), *big, Text(), _table(screen.frame.faces), *end)


def big_digits(text: str) -> list[str]:
    """The five lines of ``text`` in big digits."""
    glyphs = [GLYPHS[character] for character in text]
    return ["  ".join(glyph[row * 4 : row * 4 + 3] for glyph in glyphs) for row in range(5)]


def _heading(screen: Screen) -> Text:
    heading = Text(screen.session_id)
    if screen.snapshot is not None:
        state = screen.snapshot.state
        heading.append(f"  {state['sync_mode']}  ")
        heading.append(state["status"], style="bold")
        heading.append(f"  version {state['version']}")
    heading.append("\n")
    heading.append(screen.connection, style=CONNECTION_STYLES[screen.connection])
    known = screen.error_bound_ms < inf
    clock = f"clock ±{screen.error_bound_ms:.0f} ms" if known else "clock not known yet"
    return heading.append(f"  {clock}")


def _table(faces: tuple[ClockFace, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("", "participant", "left", "delay", "overtime", "periods", ""):
        table.add_column(name, justify="right" if name in ("left", "delay", "overtime") else "left")
    turn = next((index for index, face in enumerate(faces) if face.is_active), 0)
    first = max(0, min(turn - MAX_ROWS // 2, len(faces) - MAX_ROWS))
    for face in faces[first : first + MAX_ROWS]:
        table.add_row(
            "▶" if face.is_active else "",
            face.id,
            face.text,
            face.delay,
            face.overtime,
            face.periods,
            "" if face.phase == "plain" else face.phase,
            style=PHASE_STYLES[face.phase],
        )
    if len(faces) > MAX_ROWS:
        table.add_row("", f"{len(faces) - MAX_ROWS} more")
    return table
