"""Why something was not done.

TicklessError
 ├── RuleError                 the rules refuse a command; the session is as it was
 │    ├── InvalidSetup         the request for a session contradicts itself
 │    ├── InvalidTransition    the status does not allow the command
 │    │    └── NothingToUndo   there was no switch, or something has happened since
 │    ├── StaleCycle           somebody else's cycle is running
 │    ├── UnknownParticipant   the named successor is not in the session
 │    ├── ParticipantExpired   the named successor's clock has run out
 │    └── InvalidAdjustment    there is no such clock, or it can't be left with nothing
 ├── SessionNotFound           there is no session of this id
 ├── SessionExists             the id is taken by a different session
 ├── Conflict                  the session changed under a command, which no longer applies
 ├── PreconditionFailed        the session is not at a version the caller named
 ├── IdempotencyKeyReused      the key was given to another request before
 ├── RateLimited               too many of the kind, too fast
 ├── Unauthenticated           there is no token, or none that holds
 ├── Forbidden                 the token does not open this
 ├── KeysUnavailable           the keys that tokens are signed with can't be had
 └── StoreUnavailable          the store did not answer, or cannot serve now
"""

from __future__ import annotations

from collections.abc import Collection


class TicklessError(Exception):
    """What a caller is told of by ``code``; anything else is our own fault."""

    code: str


class RuleError(TicklessError):
    """The session is as it was, but for timeouts that were due."""


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
        since = "no switch, or a command or a timeout after it"
        self.args = (f"{self}: {since}, within the last {within_ms} ms",)


class StaleCycle(RuleError):
    code = "STALE_CYCLE"

    def __init__(self, named_id: str, active_id: str) -> None:
        super().__init__(f"Participant {named_id} is not active; the active one is {active_id}")
        self.named_id = named_id
        self.active_id = active_id


class UnknownParticipant(RuleError):
    code = "VALIDATION_ERROR"

    def __init__(self, participant_id: str) -> None:
        super().__init__(f"Participant {participant_id} is not part of this session")
        self.participant_id = participant_id


class ParticipantExpired(RuleError):
    code = "PARTICIPANT_EXPIRED"

    def __init__(self, participant_id: str) -> None:
        super().__init__(f"The clock of participant {participant_id} has run out")
        self.participant_id = participant_id


class InvalidAdjustment(RuleError):
    code = "VALIDATION_ERROR"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class SessionNotFound(TicklessError):
    code = "SESSION_NOT_FOUND"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"There is no session {session_id}")


class SessionExists(TicklessError):
    code = "SESSION_EXISTS"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id} exists and was created differently")


class Conflict(TicklessError):
    code = "CONFLICT"

    def __init__(self, expected_version: int, actual_version: int) -> None:
        super().__init__("The session was changed by another request in the meantime")
        self.expected_version = expected_version
        self.actual_version = actual_version


class PreconditionFailed(TicklessError):
    """``expected_version`` is None where several are, ``actual_version`` without a session."""

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
        super().__init__("This key was given to another request on this session before")


class RateLimited(TicklessError):
    """``scope`` is what was counted; after ``retry_after_seconds`` one more is welcome."""

    code = "RATE_LIMIT_EXCEEDED"

    def __init__(self, scope: str, retry_after_seconds: int) -> None:
        super().__init__(f"Too many requests; try again in {retry_after_seconds} s")
        self.scope = scope
        self.retry_after_seconds = retry_after_seconds


class Unauthenticated(TicklessError):
    """The same words whatever was wrong with the token: nobody learns how to make a better one."""

    code = "UNAUTHENTICATED"

    def __init__(self) -> None:
        super().__init__("A token that holds is needed")


class Forbidden(TicklessError):
    """The same words whether there is such a session or not."""

    code = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__("This token does not allow this")


class KeysUnavailable(TicklessError):
    """Nothing was done, as nobody knows who calls; its message is for the log."""

    code = "KEYS_UNAVAILABLE"


class StoreUnavailable(TicklessError):
    """Whether the call had an effect is not known; its message is for the log."""

    code = "STORE_UNAVAILABLE"
