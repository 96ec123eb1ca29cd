"""The policy table row by row, and the restricted commands of participants."""

from __future__ import annotations

import pytest

from chalicelib.auth.policy import ACTIONS, RIGHTS, ROLES, Action, Bearer, Right, Role
from chalicelib.core.commands import Adjust, Command, Finish, Pause, Resume, Start, Switch
from chalicelib.core.errors import Forbidden

from .bearers import ANNE, BEN, OTHER_SESSION, SESSION, a_bearer

ALL_ROLES = {Role.SERVER, Role.HOST, Role.PARTICIPANT, Role.VIEWER}
HOSTS = {Role.SERVER, Role.HOST}

# The table again, written independently: the roles of each action.
HOST_ACTIONS = (
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
    "delete",
    "mint",
    "revoke",
)
ALLOWED_ROLES = {
    Action.CREATE: {Role.SERVER},
    Action.READ: ALL_ROLES,
    Action.WATCH: ALL_ROLES,
    Action.CLAIM: ALL_ROLES - {Role.VIEWER},
    Action.SWITCH: ALL_ROLES - {Role.VIEWER},
    Action.PAUSE: ALL_ROLES - {Role.VIEWER},
    # Where the session lets them.
    Action.START: ALL_ROLES - {Role.VIEWER},
    Action.RESUME: ALL_ROLES - {Role.VIEWER},
    Action.FINISH: ALL_ROLES - {Role.VIEWER},
    **dict.fromkeys(map(Action, HOST_ACTIONS), HOSTS),
}


def is_allowed(bearer: Bearer, action: Action, session_id: str | None) -> bool:
    try:
        bearer.authorize(action, session_id)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("action", Action)
def test_action_is_allowed_for_exactly_its_roles(action: Action) -> None:
    assert {role for role in Role if is_allowed(a_bearer(role), action, SESSION)} == ALLOWED_ROLES[
        action
    ]


@pytest.mark.parametrize("action", Action)
def test_only_a_server_has_access_to_other_sessions(action: Action) -> None:
    for session_id in (OTHER_SESSION, None):
        assert {role for role in Role if is_allowed(a_bearer(role), action, session_id)} == {
            Role.SERVER
        }


def test_table_covers_every_action_and_role() -> None:
    assert RIGHTS.keys() == set(Action)
    assert set(ROLES) == set(Role)
    assert {type(rights) for rights in RIGHTS.values()} == {tuple}
    assert {len(rights) for rights in RIGHTS.values()} == {len(ROLES)}


def test_every_command_maps_to_an_action() -> None:
    assert set(ACTIONS) == set(Command.__args__)
    assert {command.name: action.value for command, action in ACTIONS.items()} == {
        one.value: one.value for one in ACTIONS.values()
    }


@pytest.mark.parametrize(
    "command",
    [Switch(BEN, BEN), Pause(BEN), Start(BEN), Adjust(5), Resume(), Finish(BEN)],
)
def test_commands_of_hosts_and_servers_are_unrestricted(command: Command) -> None:
    for role in HOSTS:
        assert a_bearer(role).restrict(command) is command


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (Switch(), Switch(requested_by=ANNE)),
        (Switch(BEN), Switch(BEN, requested_by=ANNE)),
        (Switch(BEN, ANNE), Switch(BEN, ANNE, ANNE)),
        (Switch(ANNE, BEN), Switch(ANNE, BEN, ANNE)),
        (Pause(), Pause(requested_by=ANNE)),
        (Pause(ANNE), Pause(ANNE, requested_by=ANNE)),
        (Pause(participant_id=ANNE), Pause(participant_id=ANNE, requested_by=ANNE)),
        (Start(), Start(requested_by=ANNE)),
        (Start(ANNE), Start(ANNE, ANNE)),
        (Resume(ANNE), Resume(ANNE, ANNE)),
        (Finish(), Finish(ANNE, ANNE)),
        (Finish(ANNE), Finish(ANNE, ANNE)),
    ],
)
def test_participant_command_is_restricted_to_what_they_may_do(
    given: Command, becomes: Command
) -> None:
    assert a_bearer(Role.PARTICIPANT).restrict(given) == becomes


@pytest.mark.parametrize(
    "command",
    [
        Pause(BEN),
        Pause(participant_id=BEN),
        Start(BEN),
        Resume(BEN),
        Finish(BEN),
        Adjust(5, ANNE),
    ],
)
def test_other_participant_commands_are_forbidden(command: Command) -> None:
    with pytest.raises(Forbidden):
        a_bearer(Role.PARTICIPANT).restrict(command)


@pytest.mark.parametrize("command", [Switch(), Pause(), Start(), Resume(), Finish()])
def test_viewer_commands_are_forbidden(command: Command) -> None:
    with pytest.raises(Forbidden):
        a_bearer(Role.VIEWER).restrict(command)


def test_only_session_tokens_are_revocable() -> None:
    assert {role for role in Role if a_bearer(role).is_revocable} == ALL_ROLES - {Role.SERVER}
    assert {role for role in Role if a_bearer(role).revocations} == ALL_ROLES - {Role.SERVER}


def test_rights_are_no_own_and_yes() -> None:
    assert [one.value for one in Right] == [
        "no",
        "in their own cycle",
        "their own clock",
        "their own clock, if `participants_may` says so",
        "in their own cycle, or their own clock if `participants_may` says so",
        "yes",
    ]
