"""Soft close: a switch shortly before the end of a session clock puts the end off.

So the last bid of an auction can be answered. Only a command extends: a skipped cycle does not.
"""

from __future__ import annotations

from dataclasses import replace

from .cycles import session_elapsed_ms
from .session import Rotation
from .setup import SoftClose


def extend(session: Rotation, soft_close: SoftClose, at_ms: int) -> tuple[Rotation, int]:
    """The session with ``extend_to_ms`` left, as far as the cap allows; and what it gained."""
    left_ms = session.total_time_ms - session_elapsed_ms(session, at_ms)
    extension_ms = soft_close.extend_to_ms - left_ms
    if soft_close.max_extension_ms is not None:
        extension_ms = min(extension_ms, soft_close.max_extension_ms - session.extended_ms)
    extension_ms = max(0, extension_ms)
    extended = replace(
        session,
        total_time_ms=session.total_time_ms + extension_ms,
        extended_ms=session.extended_ms + extension_ms,
    )
    return extended, extension_ms
