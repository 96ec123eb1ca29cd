"""Why a rule said no.

RuleError
 ├── InvalidSetup          the request for a session contradicts itself
 ├── InvalidTransition     the status does not allow the command
 ├── StaleCycle            somebody else's cycle is running
 ├── UnknownParticipant    the named successor is not in the session
 └── ParticipantExpired    the named successor's clock has run out
"""


class RuleError(Exception):
    """A command that the rules refuse; the session is as it was."""

    code: str


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
