"""The commands of REST and of the socket, in one table: right, fields, and the core's command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from ..auth.policy import Action
from ..core.commands import Cancel, Command, Complete, Reopen, Reset, Undo
from .fields import Request
from .requests import (
    AdjustTime,
    FinishClock,
    JoinSession,
    NoFields,
    PatchParticipant,
    PauseSession,
    ResumeSession,
    SetTurn,
    StartSession,
    SwitchCycle,
    UpdateParticipant,
    UpdateSession,
    WithdrawParticipant,
)

PARTICIPANTS: Final = "/participants"
PARTICIPANT: Final = "/participants/{participant_id}"

CommandName = Literal[
    "start",
    "switch",
    "pause",
    "resume",
    "finish",
    "complete",
    "cancel",
    "adjust",
    "undo",
    "set_turn",
    "reopen",
    "reset",
    "update",
    "join",
    "update_participant",
    "withdraw",
]


class CommandSpec(NamedTuple):
    """What a command needs: ``build`` makes the core's command of an instance of ``model``.

    Over REST, a command is a ``method`` of a path below the session: by default its name. Where the
    path has fields, the rest are those of ``body``; None if there are none.
    """

    operation_id: str
    action: Action
    model: type[Request]
    build: Callable[[Any], Command]
    method: Literal["POST", "PATCH", "DELETE"] = "POST"
    path: str | None = None
    body: type[Request] | None = None


COMMANDS: Final[Mapping[CommandName, CommandSpec]] = {
    "start": CommandSpec("start_session", Action.START, StartSession, StartSession.command),
    "switch": CommandSpec("switch_cycle", Action.SWITCH, SwitchCycle, SwitchCycle.command),
    "pause": CommandSpec("pause_session", Action.PAUSE, PauseSession, PauseSession.command),
    "resume": CommandSpec("resume_session", Action.RESUME, ResumeSession, ResumeSession.command),
    "finish": CommandSpec("finish_clock", Action.FINISH, FinishClock, FinishClock.command),
    "complete": CommandSpec("complete_session", Action.COMPLETE, NoFields, lambda _: Complete()),
    "cancel": CommandSpec("cancel_session", Action.CANCEL, NoFields, lambda _: Cancel()),
    "adjust": CommandSpec("adjust_time", Action.ADJUST, AdjustTime, AdjustTime.command),
    "undo": CommandSpec("undo_switch", Action.UNDO, NoFields, lambda _: Undo()),
    "set_turn": CommandSpec("set_turn", Action.SET_TURN, SetTurn, SetTurn.command),
    "reopen": CommandSpec("reopen_session", Action.REOPEN, NoFields, lambda _: Reopen()),
    "reset": CommandSpec("reset_session", Action.RESET, NoFields, lambda _: Reset()),
    "update": CommandSpec(
        "update_session", Action.UPDATE, UpdateSession, UpdateSession.command, "PATCH", ""
    ),
    "join": CommandSpec(
        "join_session", Action.JOIN, JoinSession, JoinSession.command, path=PARTICIPANTS
    ),
    "update_participant": CommandSpec(
        "update_participant",
        Action.UPDATE_PARTICIPANT,
        UpdateParticipant,
        UpdateParticipant.command,
        "PATCH",
        PARTICIPANT,
        PatchParticipant,
    ),
    "withdraw": CommandSpec(
        "withdraw_participant",
        Action.WITHDRAW,
        WithdrawParticipant,
        WithdrawParticipant.command,
        "DELETE",
        PARTICIPANT,
    ),
}
