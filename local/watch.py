"""``python -m local watch SESSION``: a session's clocks in the terminal, until it has ended.

Owns arguments and the screen. What is drawn on it is the dials' to say, and what
is true the Python client's.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.live import Live

from tickless import SessionClient, display_frames

from .dials import Screen, drawing
from .stack import Options

SHUT_OUT = ("UNAUTHENTICATED", "FORBIDDEN", "SESSION_FORBIDDEN")
NO_TOKEN = "this server asks for a token; say --token"
OTHER_TOKEN = "this token does not open the session, or no longer"
ENDED = ("completed", "cancelled", "expired")


class ShutOut(Exception):
    """The server refuses this token, or a missing one, for the session."""


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
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_watch(given.ws_url, str(given.session), given.token))
    except ShutOut:
        sys.stderr.write(f"local watch: {OTHER_TOKEN if given.token else NO_TOKEN}\n")
        return 1
    return 0


async def _watch(url: str, session_id: str, token: str | None) -> None:
    console = Console()
    async with SessionClient(url, session_id, token=token, on_error=leave) as client:
        await draw(client, session_id, console)


def leave(refusal: Mapping[str, Any]) -> None:
    """Go on, unless the session is not for this client.

    Raises:
        ShutOut: It is not.
    """
    if refusal["code"] in SHUT_OUT:
        raise ShutOut


async def draw(client: SessionClient, session_id: str, console: Console) -> None:
    """Draw a session's clocks whenever they have changed, until it has ended or is deleted."""
    was_there = False
    with Live(console=console, auto_refresh=False) as live:
        async for look in display_frames(client):
            held = client.snapshot
            ending = "deleted" if held is None and was_there else ""
            if held is not None and held.state["status"] in ENDED:
                ending = held.state["status"]
            bound_ms = client.clock.error_bound_ms
            screen = Screen(session_id, client.connection, bound_ms, held, look, ending)
            live.update(drawing(screen), refresh=True)
            if ending:
                return
            was_there = held is not None
