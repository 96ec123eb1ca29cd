"""What becomes of a call to the engine, and how one that comes twice has one effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from ..core.errors import IdempotencyKeyReused
from ..core.events import Event
from ..core.session import Session
from ..ports import REMEMBER_COMMANDS_MS, IdempotencyRecord
from ..schemas.states import SessionState, session_state


@dataclass(frozen=True)
class Outcome:
    """A session as it is shown at ``now_ms``, and what this call made happen.

    ``expired_participant_id`` is whose clock had run out in the cycle that a
    switch ended. ``created`` is False for a creation that was asked for again.
    """

    session: Session
    now_ms: int
    events: tuple[Event, ...] = ()
    expired_participant_id: str | None = None
    created: bool = False

    @cached_property
    def state(self) -> SessionState:
        """What clients are shown of the session; made when it is asked for."""
        return session_state(self.session, self.now_ms)


def fingerprint(asked: str, body: bytes) -> bytes:
    """What tells apart two requests of one name: what is asked for, and the very bytes."""
    return blake2b(asked.encode() + b"\n" + body, digest_size=16).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """How a request is known again, and what it is answered with, every time.

    ``command_id`` is its name within the session, ``fingerprint`` (of any
    characters but spaces) what it asks for. ``answer`` makes the answer of an
    outcome; it is called before the commit, which keeps the answer for
    ``keep_ms``. A refusal is not kept: nothing was done, and it may be tried again.
    """

    command_id: str
    fingerprint: bytes
    answer: Callable[[Outcome], bytes]
    keep_ms: int = REMEMBER_COMMANDS_MS

    def record(self, outcome: Outcome) -> IdempotencyRecord:
        session = outcome.session
        return IdempotencyRecord(
            session.version, self.fingerprint, self.answer(outcome), session.epoch
        )

    def repeat(self, kept: IdempotencyRecord) -> bytes:
        """What was answered before.

        Raises:
            IdempotencyKeyReused: It was to another request.
        """
        if kept.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused
        return kept.answer
