"""The rights of each role: one table, and what it comes to for a command.

Pure: who somebody is has been found out before. A participant's right to end
his own cycle is made a condition of the command, which the rules check at the
very instant at which it is carried out: whoever loses a race ends nobody else's.
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
"""A token that was minted with another is called by that one's name, a full stop, and its own."""


class Role(StrEnum):
    """What a token makes of its bearer; a server's opens every session."""

    SERVER = "server"
    HOST = "host"
    PARTICIPANT = "participant"
    VIEWER = "viewer"


class Action(StrEnum):
    """What may be asked for, over REST or the socket."""

    CREATE = "create"
    READ = "read"
    WATCH = "watch"
    CLAIM = "claim"
    START = "start"
    SWITCH = "switch"
    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"
    CANCEL = "cancel"
    ADJUST = "adjust"
    UNDO = "undo"
    DELETE = "delete"
    MINT = "mint"
    REVOKE = "revoke"


class Right(StrEnum):
    """How far a role may go."""

    NO = "no"
    OWN = "of the own cycle"
    YES = "yes"


NO, OWN, YES = Right.NO, Right.OWN, Right.YES

ROLES: Final = (Role.SERVER, Role.HOST, Role.PARTICIPANT, Role.VIEWER)

RIGHTS: Final[Mapping[Action, tuple[Right, Right, Right, Right]]] = {
    #                server host participant viewer
    Action.CREATE: (YES, NO, NO, NO),
    Action.READ: (YES, YES, YES, YES),
    Action.WATCH: (YES, YES, YES, YES),
    Action.CLAIM: (YES, YES, YES, NO),
    Action.START: (YES, YES, NO, NO),
    Action.SWITCH: (YES, YES, OWN, NO),
    Action.PAUSE: (YES, YES, OWN, NO),
    Action.RESUME: (YES, YES, NO, NO),
    Action.COMPLETE: (YES, YES, NO, NO),
    Action.CANCEL: (YES, YES, NO, NO),
    Action.ADJUST: (YES, YES, NO, NO),
    Action.UNDO: (YES, YES, NO, NO),
    Action.DELETE: (YES, YES, NO, NO),
    Action.MINT: (YES, YES, NO, NO),
    Action.REVOKE: (YES, YES, NO, NO),
}
"""Of the session that a token names; of any other nobody but a server may anything."""

ACTIONS: Final[Mapping[type[rules.Command], Action]] = {
    rules.Start: Action.START,
    rules.Switch: Action.SWITCH,
    rules.Pause: Action.PAUSE,
    rules.Resume: Action.RESUME,
    rules.Complete: Action.COMPLETE,
    rules.Cancel: Action.CANCEL,
    rules.Adjust: Action.ADJUST,
    rules.Undo: Action.UNDO,
}


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who somebody is, as a token says whose signature was right.

    ``session_id`` is the one session it opens, or ``*``; ``participant_id`` is
    given for participants alone. It holds from ``valid_from_s`` until
    ``valid_until_s``, seconds of the epoch as in the token, the end excluded.
    """

    role: Role
    session_id: str
    token_id: str
    valid_from_s: int
    valid_until_s: int
    participant_id: str | None = None

    @property
    def is_revocable(self) -> bool:
        """A server's token is not: it belongs to no session that could keep note of it."""
        return self.role is not Role.SERVER

    @property
    def revocations(self) -> tuple[str, ...]:
        """The tokens with any of which it ends: those it was minted with, and itself."""
        if not self.is_revocable:
            return ()
        names = self.token_id.split(".")
        return tuple(".".join(names[: place + 1]) for place in range(len(names)))

    def child_token_id(self, name: str) -> str:
        """What a token is called that is minted with this one, and ends where this is revoked.

        Raises:
            Forbidden: This one was itself minted with one that was minted with one, and so on.
        """
        if len(self.revocations) == MAX_DELEGATION_DEPTH:
            raise Forbidden
        return f"{self.token_id}.{name}" if self.is_revocable else name

    def authorize(self, action: Action, session_id: str | None = None) -> None:
        """Go on, if this may be done to the session, at least to some of its cycles.

        Raises:
            Forbidden: It may not.
        """
        if self.session_id not in (EVERY_SESSION, session_id) or self._right(action) is NO:
            raise Forbidden

    def restrict(self, command: rules.Command) -> rules.Command:
        """The command as this bearer may give it: where the cycle has to be his own, it says so.

        Raises:
            Forbidden: He may not, or names somebody else's cycle.
        """
        right = self._right(ACTIONS[type(command)])
        if right is YES:
            return command
        if right is NO or not isinstance(command, rules.Switch | rules.Pause):
            raise Forbidden
        if command.current_participant_id not in (None, self.participant_id):
            raise Forbidden
        return replace(command, current_participant_id=self.participant_id)

    def _right(self, action: Action) -> Right:
        return RIGHTS[action][ROLES.index(self.role)]
