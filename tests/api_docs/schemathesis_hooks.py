"""Has Schemathesis meet sessions that exist, of every mode and status; its command line loads this.

Left alone it would make up an id for each request, and find no session.
"""

from __future__ import annotations

import json
import os
import re
import urllib.request
import uuid
from itertools import count, cycle
from typing import Any, Final

import schemathesis
from schemathesis.generation.meta import TestPhase

from chalicelib.core.setup import SyncMode
from chalicelib.schemas.fields import UUID_PATTERN

STACK: Final = f"{os.environ['STACK']}/v1/sessions"
TOKEN: Final = os.environ["TOKEN"]
LIVES: Final = (
    (),
    ("start",),
    ("start", "switch"),
    ("start", "pause"),
    ("complete",),
    ("start", "cancel"),
)

_numbers = count()
_lives = cycle((mode, life) for life in LIVES for mode in SyncMode)


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Every other time, put the id of a new session in the place of one that may be."""
    named = (case.path_parameters or {}).get("session_id")
    # A chain is about the sessions that it has itself created.
    if case.meta is not None and case.meta.phase.name is TestPhase.STATEFUL:
        return
    if isinstance(named, str) and re.fullmatch(UUID_PATTERN, named) and next(_numbers) % 2:
        case.path_parameters["session_id"] = _a_session(*next(_lives))


def _a_session(mode: SyncMode, life: tuple[str, ...]) -> str:
    session_id = str(uuid.uuid4())
    participants = [
        {"participant_id": str(uuid.uuid4()), "total_time_ms": 60_000, "group_id": session_id}
        for _ in range(2)
    ]
    _post(
        "",
        {
            "session_id": session_id,
            "sync_mode": mode,
            "total_time_ms": 60_000,
            "participants": participants,
        },
    )
    for command in life:
        if mode is SyncMode.SIMULTANEOUS and command == "switch":
            _post(f"/{session_id}/finish", {"participant_id": participants[0]["participant_id"]})
        else:
            _post(f"/{session_id}/{command}", {})
    return session_id


def _post(path: str, body: object) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"{STACK}{path}", json.dumps(body).encode(), headers)
    urllib.request.urlopen(request, timeout=60).close()
