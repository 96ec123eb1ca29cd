"""``python -m local watch SESSION``: a session's clocks in the terminal, until it has ended.

Owns arguments and the screen. What is drawn on it is the dials' to say, and what
is true the Python client's.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from rich.console import Console
from rich.live import Live

from tickless import SessionClient, looks

from .dials import Screen, drawing
from .stack import Options

ENDED = ("completed", "cancelled", "expired")


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch until the session has ended, or until told to stop; the exit code."""
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m local watch", description="Draws the clocks of a session."
    )
    parser.add_argument("session", type=UUID)
    parser.add_argument(
        "--ws-url", default=f"ws://{defaults.host}:{defaults.ws_port}/{defaults.stage}"
    )
    parser.add_argument("--token", help="where the API wants to know who watches")
    given = parser.parse_args(arguments)
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch(given.ws_url, str(given.session), given.token))
    return 0


async def _watch(url: str, session_id: str, token: str | None) -> None:
    console = Console()
    async with SessionClient(url, session_id, token=token) as client:
        await draw(client, session_id, console)


async def draw(client: SessionClient, session_id: str, console: Console) -> None:
    """Draw a session's clocks whenever they have changed, until it has ended or is deleted."""
    was_there = False
    with Live(console=console, auto_refresh=False) as live:
        async for look in looks(client):
            held = client.held
            ending = "deleted" if held is None and was_there else ""
            if held is not None and held.state["status"] in ENDED:
                ending = held.state["status"]
            bound_ms = client.clock.error_bound_ms
            screen = Screen(session_id, client.connection, bound_ms, held, look, ending)
            live.update(drawing(screen), refresh=True)
            if ending:
                return
            was_there = held is not None
