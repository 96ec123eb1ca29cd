"""How a session's clocks are drawn in a terminal.

Values in, something to print out. Must never read a clock or a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tickless import ClockFace, ConnectionState, DisplayFrame, Snapshot

MOST_ROWS = 20
"""So many participants are shown at once: those around the one whose turn it is."""

STYLES = {"plain": "", "warning": "yellow", "expired": "red", "overtime": "bold red"}
CONNECTIONS = {"live": "green", "connecting": "yellow", "reconnecting": "yellow", "closed": "red"}

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
"""Five rows of three columns each, a blank between two rows."""


@dataclass(frozen=True, slots=True)
class Screen:
    """All that is shown: the time may be wrong by ``error_bound_ms``; ``ending`` says it's over."""

    session_id: str
    connection: ConnectionState
    error_bound_ms: float
    held: Snapshot | None
    look: DisplayFrame
    ending: str = ""


def drawing(screen: Screen) -> RenderableType:
    """The session, whose clocks run in big digits, and a table of the participants."""
    ending = [Text(f"The session is {screen.ending}.")] if screen.ending else []
    if screen.held is None:
        return Group(_heading(screen), *(ending or [Text("There is no such session yet.")]))
    big = [
        Text(line, style=STYLES[face.phase])
        for face in screen.look.faces
        if face.is_active
        for line in ("", *big_digits(face.text))
    ]
    return Group(_heading(screen), *big, Text(), _table(screen.look.faces), *ending)


def big_digits(text: str) -> list[str]:
    """Five lines."""
    glyphs = [GLYPHS[character] for character in text]
    return ["  ".join(glyph[row * 4 : row * 4 + 3] for glyph in glyphs) for row in range(5)]


def _heading(screen: Screen) -> Text:
    heading = Text(screen.session_id)
    if screen.held is not None:
        state = screen.held.state
        heading.append(f"  {state['sync_mode']}  ")
        heading.append(state["status"], style="bold")
        heading.append(f"  version {state['version']}")
    heading.append("\n")
    heading.append(screen.connection, style=CONNECTIONS[screen.connection])
    known = screen.error_bound_ms < inf
    clock = f"clock ±{screen.error_bound_ms:.0f} ms" if known else "clock not known yet"
    return heading.append(f"  {clock}")


def _table(faces: tuple[ClockFace, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("", "participant", "left", "delay", "overtime", "periods", ""):
        table.add_column(name, justify="right" if name in ("left", "delay", "overtime") else "left")
    turn = next((place for place, face in enumerate(faces) if face.is_active), 0)
    first = max(0, min(turn - MOST_ROWS // 2, len(faces) - MOST_ROWS))
    for face in faces[first : first + MOST_ROWS]:
        table.add_row(
            "▶" if face.is_active else "",
            face.id,
            face.text,
            face.delay,
            face.overtime,
            _rest(face),
            "" if face.phase == "plain" else face.phase,
            style=STYLES[face.phase],
        )
    if len(faces) > MOST_ROWS:
        table.add_row("", f"{len(faces) - MOST_ROWS} more")
    return table


def _rest(face: ClockFace) -> str:
    """What byo-yomi and Canadian overtime have besides digits."""
    if face.periods_left is not None:
        return f"{face.periods_left} periods"
    return "" if face.cycles_left is None else f"{face.cycles_left} cycles"
