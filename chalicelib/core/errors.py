"""Exceptions of the core and the engine, each with its public error code.

TicklessError
 ├── RuleError                 the rules reject a command; the session is unchanged
 │    ├── InvalidCommand       the session's mode has no such command, or no such field of it
 │    ├── NotPermitted         the session does not let participants do that
 │    ├── InvalidSetup         the fields of a new session contradict each other
 │    ├── InvalidTransition    the session's status does not allow the command
 │    │    ├── NothingToUndo   no recent switch, or something followed it
 │    │    ├── AlreadyStarted  a session that has started gets no other start
 │    │    └── InvalidClockTransition  the named participant's clock does not allow it
 │    ├── StaleCycle           the named participant is not active
 │    │    └── TurnTaken       the participant who takes the turn has it already
 │    ├── TurnForbidden        a participant may not switch like this
 │    ├── UnknownParticipant   the named participant is not in the session
 │    ├── ParticipantExpired   the named successor's clock has run out
 │    ├── ParticipantWithdrawn the named successor takes no part any more
 │    ├── ParticipantNotFound  the participant to change or withdraw is not in the session
 │    ├── ParticipantExists    who joins is in the session already, with other fields
 │    └── InvalidAdjustment    no such clock, or it would be left with no time
 ├── SessionNotFound           no session has this id
 ├── SessionExists             a different session has this id
 ├── Conflict                  another request changed the session; the command no longer applies
 ├── PreconditionFailed        the session is at a version the caller did not expect
 ├── IdempotencyKeyReused      the key belongs to a different request
 ├── RateLimited               a rate limit was exceeded
 ├── Unauthenticated           the token is missing or not valid
 ├── Forbidden                 the token does not allow the request
 ├── KeysUnavailable           the signing keys cannot be read
 └── StoreUnavailable          the store did not respond, or cannot serve now
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Ending = Literal["deleted", "expired"]
"""Why there is no session any more."""


class TicklessError(Exception):
    """An error reported to clients by its ``code``; any other exception is a server error."""

    code: str


class RuleError(TicklessError):
    """The session is unchanged, except for due timeouts."""


class InvalidSetup(RuleError):
    code = "VALIDATION_ERROR"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class InvalidTransition(RuleError):
    code = "INVALID_STATE_TRANSITION"

    def __init__(self, command: str, status: str) -> None:
        super().__init__(f"Cannot {command} a session that is {status}")
        self.command = command
        self.status = status


class NothingToUndo(InvalidTransition):
    def __init__(self, command: str, status: str, within_ms: int) -> None:
        super().__init__(command, status)
        why = f"no switch in the last {within_ms} ms, or a command or timeout followed it"
        self.args = (f"{self}: {why}",)


class AlreadyStarted(InvalidTransition):
    """An appointed start can change only before it."""

    def __init__(self, command: str, status: str) -> None:
        super().__init__(command, status)
        self.args = (f"Cannot change starts_at of a session that is {status}",)


class InvalidClockTransition(InvalidTransition):
    """The command needs a participant's clock to be in another state."""

    def __init__(self, command: str, participant_id: str, state: str) -> None:
        super().__init__(command, state)
        self.args = (f"Cannot {command} the clock of participant {participant_id}: it is {state}",)


class InvalidCommand(RuleError):
    """``field`` is what is wrong with it in this mode: ``sync_mode`` is the command itself."""

    code = "VALIDATION_ERROR"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotPermitted(RuleError):
    """The same answer as Forbidden; whether it is due depends on the session."""

    code = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__(str(Forbidden()))


class StaleCycle(RuleError):
    code = "STALE_CYCLE"

    def __init__(self, expected_id: str, active_id: str) -> None:
        super().__init__(f"Participant {expected_id} is not active; the active one is {active_id}")
        self.expected_id = expected_id
        self.active_id = active_id


class TurnTaken(StaleCycle):
    def __init__(self, active_id: str) -> None:
        super().__init__(active_id, active_id)
        self.args = (f"The turn is already that of participant {active_id}",)


class TurnForbidden(RuleError):
    """The same answer as Forbidden; whether it is due depends on the session."""

    code = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__(str(Forbidden()))


class UnknownParticipant(RuleError):
    code = "VALIDATION_ERROR"

    def __init__(self, field: str, participant_id: str) -> None:
        super().__init__(f"Participant {participant_id} is not part of this session")
        self.field = field
        self.participant_id = participant_id


class ParticipantExpired(RuleError):
    code = "PARTICIPANT_EXPIRED"

    def __init__(self, participant_id: str) -> None:
        super().__init__(f"The clock of participant {participant_id} has run out")
        self.participant_id = participant_id


class ParticipantWithdrawn(RuleError):
    code = "PARTICIPANT_WITHDRAWN"

    def __init__(self, participant_id: str) -> None:
        super().__init__(f"Participant {participant_id} has withdrawn")
        self.participant_id = participant_id


class ParticipantNotFound(RuleError):
    code = "PARTICIPANT_NOT_FOUND"

    def __init__(self, participant_id: str) -> None:
        super().__init__(f"Participant {participant_id} is not part of this session")
        self.participant_id = participant_id


class ParticipantExists(RuleError):
    code = "PARTICIPANT_EXISTS"

    def __init__(self, participant_id: str) -> None:
        super().__init__(
            f"Participant {participant_id} is part of this session already, with other fields"
        )
        self.participant_id = participant_id


class InvalidAdjustment(RuleError):
    code = "VALIDATION_ERROR"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class SessionNotFound(TicklessError):
    """``ending`` is why there is none any more: ``deleted`` or ``expired``; None if unknown."""

    code = "SESSION_NOT_FOUND"

    def __init__(self, session_id: str, ending: Ending | None = None) -> None:
        super().__init__(f"Session {session_id} {_ENDINGS[ending]}")
        self.ending = ending


_ENDINGS = {
    None: "does not exist",
    "deleted": "was deleted",
    "expired": "has expired, because it was not used",
}


class SessionExists(TicklessError):
    code = "SESSION_EXISTS"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id} exists already, created by a different request")


class Conflict(TicklessError):
    code = "CONFLICT"

    def __init__(self, expected_version: int, actual_version: int) -> None:
        super().__init__("Another request changed the session; the command no longer applies")
        self.expected_version = expected_version
        self.actual_version = actual_version


class PreconditionFailed(TicklessError):
    """``expected_version`` is None if there are several, ``actual_version`` without a session."""

    code = "PRECONDITION_FAILED"

    def __init__(self, expected_versions: Collection[int], actual_version: int | None) -> None:
        one = len(expected_versions) == 1
        self.expected_version = next(iter(expected_versions)) if one else None
        self.actual_version = actual_version
        expected = "as expected" if self.expected_version is None else self.expected_version
        actual = "gone" if actual_version is None else f"at version {actual_version}"
        super().__init__(f"The session is {actual}, not {expected}")


class IdempotencyKeyReused(TicklessError):
    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__("This key was used with a different request; use a new key per request")


class RateLimited(TicklessError):
    """``scope`` names the limit; one more request passes after ``retry_after_seconds``."""

    code = "RATE_LIMIT_EXCEEDED"

    def __init__(self, scope: str, retry_after_seconds: int) -> None:
        super().__init__(f"Too many requests; try again in {retry_after_seconds} s")
        self.scope = scope
        self.retry_after_seconds = retry_after_seconds


class Unauthenticated(TicklessError):
    """One message for every cause, so that it does not help to forge a token."""

    code = "UNAUTHENTICATED"

    def __init__(self) -> None:
        super().__init__("A valid token is required")


class Forbidden(TicklessError):
    """One message whether the session exists or not."""

    code = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__("The token does not allow this request")


class KeysUnavailable(TicklessError):
    """The caller cannot be authenticated, so nothing was done. The message is for the log."""

    code = "KEYS_UNAVAILABLE"


class StoreUnavailable(TicklessError):
    """Whether the call had an effect is unknown. The message is for the log."""

    code = "STORE_UNAVAILABLE"
