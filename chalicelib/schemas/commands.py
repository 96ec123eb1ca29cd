"""The commands of REST and of the socket, in one table: right, fields, and the core's command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from ..auth.policy import Action
from ..core.commands import Adjust, Cancel, Command, Complete, Pause, Resume, Start, Switch, Undo
from .fields import Request
from .requests import AdjustTime, NoFields, PauseSession, SwitchCycle

CommandName = Literal["start", "switch", "pause", "resume", "complete", "cancel", "adjust", "undo"]


class CommandSpec(NamedTuple):
    """What a command needs: ``build`` makes the core's command of an instance of ``model``."""

    operation_id: str
    action: Action
    model: type[Request]
    build: Callable[[Any], Command]


def _switch(fields: SwitchCycle) -> Command:
    return Switch(fields.next_participant_id, fields.current_participant_id)


def _pause(fields: PauseSession) -> Command:
    return Pause(fields.current_participant_id)


def _adjust(fields: AdjustTime) -> Command:
    return Adjust(fields.delta_ms, fields.participant_id, fields.group_id, fields.reason)


COMMANDS: Final[Mapping[CommandName, CommandSpec]] = {
    "start": CommandSpec("start_session", Action.START, NoFields, lambda _: Start()),
    "switch": CommandSpec("switch_cycle", Action.SWITCH, SwitchCycle, _switch),
    "pause": CommandSpec("pause_session", Action.PAUSE, PauseSession, _pause),
    "resume": CommandSpec("resume_session", Action.RESUME, NoFields, lambda _: Resume()),
    "complete": CommandSpec("complete_session", Action.COMPLETE, NoFields, lambda _: Complete()),
    "cancel": CommandSpec("cancel_session", Action.CANCEL, NoFields, lambda _: Cancel()),
    "adjust": CommandSpec("adjust_time", Action.ADJUST, AdjustTime, _adjust),
    "undo": CommandSpec("undo_switch", Action.UNDO, NoFields, lambda _: Undo()),
}
