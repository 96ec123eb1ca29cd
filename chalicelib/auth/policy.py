"""Authorization policy: the table of rights by role and action. Pure.

A participant may end only their own cycle or clock, or, with ``turn_taking`` ``take``, begin a
cycle. That right becomes a condition of the command (``current_participant_id``,
``participant_id``, ``requested_by``), which the core checks at the instant it applies the command:
a participant who loses a race cannot end another participant's cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from ..core import commands as rules
from ..core.errors import Forbidden

EVERY_SESSION: Final = "*"
MAX_DELEGATION_DEPTH: Final = 4
JTI_PATTERN: Final = (
    f"[A-Za-z0-9_-]{{1,64}}([.][A-Za-z0-9_-]{{1,64}}){{0,{MAX_DELEGATION_DEPTH - 1}}}"
)
"""A minted token's id is its parent's id, a full stop, and its own name."""


class Role(StrEnum):
    """The role a token grants; a server has access to every session."""

    SERVER = "server"
    HOST = "host"
    PARTICIPANT = "participant"
    VIEWER = "viewer"


class Action(StrEnum):
    """What a client can request over REST or the WebSocket."""

    CREATE = "create"
    READ = "read"
    WATCH = "watch"
    CLAIM = "claim"
    START = "start"
    SWITCH = "switch"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    COMPLETE = "complete"
    CANCEL = "cancel"
    ADJUST = "adjust"
    UNDO = "undo"
    SET_TURN = "set_turn"
    REOPEN = "reopen"
    RESET = "reset"
    UPDATE = "update"
    JOIN = "join"
    UPDATE_PARTICIPANT = "update_participant"
    WITHDRAW = "withdraw"
    DELETE = "delete"
    MINT = "mint"
    REVOKE = "revoke"


class Right(StrEnum):
    """Whether a role may perform an action."""

    NO = "no"
    OWN = "in their own cycle"
    CLOCK = "their own clock"
    MAY = "their own clock, if `participants_may` says so"
    OWN_OR_MAY = "in their own cycle, or their own clock if `participants_may` says so"
    YES = "yes"


NO, OWN, CLOCK, MAY, OWN_OR_MAY, YES = (
    Right.NO,
    Right.OWN,
    Right.CLOCK,
    Right.MAY,
    Right.OWN_OR_MAY,
    Right.YES,
)

ROLES: Final = (Role.SERVER, Role.HOST, Role.PARTICIPANT, Role.VIEWER)

RIGHTS: Final[Mapping[Action, tuple[Right, Right, Right, Right]]] = {
    #                server host participant viewer
    Action.CREATE: (YES, NO, NO, NO),
    Action.READ: (YES, YES, YES, YES),
    Action.WATCH: (YES, YES, YES, YES),
    Action.CLAIM: (YES, YES, YES, NO),
    Action.START: (YES, YES, MAY, NO),
    Action.SWITCH: (YES, YES, OWN, NO),
    Action.PAUSE: (YES, YES, OWN_OR_MAY, NO),
    Action.RESUME: (YES, YES, MAY, NO),
    Action.FINISH: (YES, YES, CLOCK, NO),
    Action.COMPLETE: (YES, YES, NO, NO),
    Action.CANCEL: (YES, YES, NO, NO),
    Action.ADJUST: (YES, YES, NO, NO),
    Action.UNDO: (YES, YES, NO, NO),
    Action.SET_TURN: (YES, YES, NO, NO),
    Action.REOPEN: (YES, YES, NO, NO),
    Action.RESET: (YES, YES, NO, NO),
    Action.UPDATE: (YES, YES, NO, NO),
    Action.JOIN: (YES, YES, NO, NO),
    Action.UPDATE_PARTICIPANT: (YES, YES, NO, NO),
    Action.WITHDRAW: (YES, YES, NO, NO),
    Action.DELETE: (YES, YES, NO, NO),
    Action.MINT: (YES, YES, NO, NO),
    Action.REVOKE: (YES, YES, NO, NO),
}
"""Rights to the session that a token names; only a server has rights to others."""

ACTIONS: Final[Mapping[type[rules.Command], Action]] = {
    rules.Start: Action.START,
    rules.Switch: Action.SWITCH,
    rules.Pause: Action.PAUSE,
    rules.Resume: Action.RESUME,
    rules.Finish: Action.FINISH,
    rules.Complete: Action.COMPLETE,
    rules.Cancel: Action.CANCEL,
    rules.Adjust: Action.ADJUST,
    rules.Undo: Action.UNDO,
    rules.SetTurn: Action.SET_TURN,
    rules.Reopen: Action.REOPEN,
    rules.Reset: Action.RESET,
    rules.Update: Action.UPDATE,
    rules.Join: Action.JOIN,
    rules.UpdateParticipant: Action.UPDATE_PARTICIPANT,
    rules.Withdraw: Action.WITHDRAW,
}


@dataclass(frozen=True, slots=True)
class Bearer:
    """The verified claims of a token.

    ``session_id`` is the session it grants access to, or ``*``; only participants have a
    ``participant_id``. It is valid from ``valid_from_s`` until before ``valid_until_s``, both in
    Unix seconds.
    """

    role: Role
    session_id: str
    token_id: str
    valid_from_s: int
    valid_until_s: int
    participant_id: str | None = None

    @property
    def is_revocable(self) -> bool:
        """False for server tokens: revocations are stored with a session."""
        return self.role is not Role.SERVER

    @property
    def revocations(self) -> tuple[str, ...]:
        """The token ids whose revocation ends this token: its ancestors' and its own."""
        if not self.is_revocable:
            return ()
        names = self.token_id.split(".")
        return tuple(".".join(names[:depth]) for depth in range(1, len(names) + 1))

    def child_token_id(self, name: str) -> str:
        """The id of a token minted with this one; revoking this token revokes it too.

        Raises:
            Forbidden: This token is already ``MAX_DELEGATION_DEPTH`` deep.
        """
        if len(self.revocations) == MAX_DELEGATION_DEPTH:
            raise Forbidden
        return f"{self.token_id}.{name}" if self.is_revocable else name

    def authorize(self, action: Action, session_id: str | None = None) -> None:
        """Check the right to an action on a session, or at least on some of its cycles.

        Raises:
            Forbidden: The bearer has no such right.
        """
        if self.session_id not in (EVERY_SESSION, session_id) or self._right(action) is NO:
            raise Forbidden

    def restrict(self, command: rules.Command) -> rules.Command:
        """The command, limited to the bearer's own cycle or clock where the policy says so.

        Raises:
            Forbidden: The bearer has no right to it, or it names another participant.
        """
        right = self._right(ACTIONS[type(command)])
        if right is YES:
            return command
        if right is NO:
            raise Forbidden
        own = (None, self.participant_id)
        match command:
            case rules.Switch():
                return replace(command, requested_by=self.participant_id)
            case rules.Finish() if command.participant_id in own:
                own_id = self.participant_id
                return replace(command, participant_id=own_id, requested_by=own_id)
            case rules.Start() | rules.Resume() if command.participant_id in own:
                return replace(command, requested_by=self.participant_id)
            case rules.Pause() if (
                command.participant_id in own and command.current_participant_id in own
            ):
                return replace(command, requested_by=self.participant_id)
        raise Forbidden

    def _right(self, action: Action) -> Right:
        return RIGHTS[action][ROLES.index(self.role)]
