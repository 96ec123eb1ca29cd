"""``python -m local watch SESSION``: a session's clocks in the terminal, until it ends.

Owns the arguments and the refreshing. ``terminal_view`` renders; the Python client follows
the session.
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

from .stack import Options
from .terminal_view import Screen, render

ACCESS_DENIED_CODES = ("UNAUTHENTICATED", "FORBIDDEN", "SESSION_FORBIDDEN")
TOKEN_MISSING = "this server requires a token: pass --token"
TOKEN_REJECTED = "this token is not valid for the session, or has expired"
END_STATUSES = ("completed", "cancelled", "expired")


class AccessDenied(Exception):
    """The server rejects the token, or requires one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch until the session has ended or Ctrl-C; the exit code."""
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m local watch", description="Draws the clocks of a session."
    )
    parser.add_argument("session", type=UUID)
    parser.add_argument(
        "--ws-url", default=f"ws://{defaults.host}:{defaults.ws_port}/{defaults.stage}"
    )
    parser.add_argument("--token", help="a token for the session, if the server requires one")
    given = parser.parse_args(arguments)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_watch(given.ws_url, str(given.session), given.token))
    except AccessDenied:
        sys.stderr.write(f"local watch: {TOKEN_REJECTED if given.token else TOKEN_MISSING}\n")
        return 1
    return 0


async def _watch(url: str, session_id: str, token: str | None) -> None:
    console = Console()
    async with SessionClient(url, session_id, token=token, on_error=raise_if_denied) as client:
        await draw(client, session_id, console)


def raise_if_denied(error: Mapping[str, Any]) -> None:
    """Ignore ``error`` unless it denies access to the session.

    Raises:
        AccessDenied: It does.
    """
    if error["code"] in ACCESS_DENIED_CODES:
        raise AccessDenied


async def draw(client: SessionClient, session_id: str, console: Console) -> None:
    """Draw a session's clocks whenever they change, until the session ends or is deleted."""
    existed = False
    with Live(console=console, auto_refresh=False) as live:
        async for frame in display_frames(client):
            snapshot = client.snapshot
            end_status = "deleted" if snapshot is None and existed else ""
            if snapshot is not None and snapshot.state["status"] in END_STATUSES:
                end_status = snapshot.state["status"]
            bound_ms = client.error_bound_ms
            screen = Screen(session_id, client.connection, bound_ms, snapshot, frame, end_status)
            live.update(render(screen), refresh=True)
            if end_status:
                return
            existed = snapshot is not None
