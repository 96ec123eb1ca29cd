"""A chess session: two participants in turn, each with a bank of ten seconds."""

from __future__ import annotations

from typing import Any

from chalicelib.core.setup import Participant, Setup, SyncMode, create_setup

SESSION = "00000000-0000-4000-8000-000000000000"
OTHER_SESSION = "00000000-0000-4000-8000-000000000001"
ANNE = "00000000-0000-4000-8000-00000000000a"
BEN = "00000000-0000-4000-8000-00000000000b"
CLEO = "00000000-0000-4000-8000-00000000000c"


def chess(total_time_ms: int = 10_000, **changes: Any) -> Setup:
    return create_setup(
        **{
            "session_id": SESSION,
            "sync_mode": SyncMode.PER_PARTICIPANT,
            "participants": [
                Participant(ANNE, 0, total_time_ms),
                Participant(BEN, 1, total_time_ms),
            ],
            "total_time_ms": 2 * total_time_ms,
            **changes,
        }
    )
