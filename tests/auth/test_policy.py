"""Who may do what, row by row, and what a command becomes for a participant."""

from __future__ import annotations

import pytest

from chalicelib.auth.policy import ACTIONS, RIGHTS, ROLES, Action, Bearer, Right, Role
from chalicelib.core.commands import Adjust, Command, Pause, Resume, Start, Switch
from chalicelib.core.errors import Forbidden

from .bearers import ANNE, BEN, OTHER_SESSION, SESSION, a_bearer

EVERYBODY = {Role.SERVER, Role.HOST, Role.PARTICIPANT, Role.VIEWER}
HOSTS = {Role.SERVER, Role.HOST}

# The table once more, read from the other side: an action, and whom it takes.
OF_HOSTS = ("start", "resume", "complete", "cancel", "adjust", "undo", "delete", "mint", "revoke")
WHO = {
    Action.CREATE: {Role.SERVER},
    Action.READ: EVERYBODY,
    Action.WATCH: EVERYBODY,
    Action.CLAIM: EVERYBODY - {Role.VIEWER},
    Action.SWITCH: EVERYBODY - {Role.VIEWER},
    Action.PAUSE: EVERYBODY - {Role.VIEWER},
    **dict.fromkeys(map(Action, OF_HOSTS), HOSTS),
}


def may(bearer: Bearer, action: Action, session_id: str | None) -> bool:
    try:
        bearer.authorize(action, session_id)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("action", Action)
def test_each_action_takes_certain_roles(action: Action) -> None:
    assert {role for role in Role if may(a_bearer(role), action, SESSION)} == WHO[action]


@pytest.mark.parametrize("action", Action)
def test_only_a_server_reaches_a_session_that_its_token_does_not_name(action: Action) -> None:
    for session_id in (OTHER_SESSION, None):
        assert {role for role in Role if may(a_bearer(role), action, session_id)} == {Role.SERVER}


def test_every_action_and_every_role_has_its_place_in_the_table() -> None:
    assert RIGHTS.keys() == set(Action)
    assert set(ROLES) == set(Role)
    assert {type(rights) for rights in RIGHTS.values()} == {tuple}
    assert {len(rights) for rights in RIGHTS.values()} == {len(ROLES)}


def test_every_command_is_an_action() -> None:
    assert set(ACTIONS) == set(Command.__args__)
    assert {command.__name__.lower(): action.value for command, action in ACTIONS.items()} == {
        one.value: one.value for one in ACTIONS.values()
    }


@pytest.mark.parametrize("command", [Switch(BEN, BEN), Pause(BEN), Start(), Adjust(5), Resume()])
def test_a_host_and_a_server_give_any_command_as_it_is(command: Command) -> None:
    for role in HOSTS:
        assert a_bearer(role).restrict(command) is command


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (Switch(), Switch(None, ANNE)),
        (Switch(BEN), Switch(BEN, ANNE)),
        (Switch(BEN, ANNE), Switch(BEN, ANNE)),
        (Pause(), Pause(ANNE)),
        (Pause(ANNE), Pause(ANNE)),
    ],
)
def test_a_participant_ends_his_own_cycle_and_says_so(given: Command, becomes: Command) -> None:
    assert a_bearer(Role.PARTICIPANT).restrict(given) == becomes


@pytest.mark.parametrize(
    "command",
    [Switch(None, BEN), Switch(ANNE, BEN), Pause(BEN), Start(), Resume(), Adjust(5, ANNE)],
)
def test_a_participant_ends_nobody_else_s_cycle_and_does_nothing_else(command: Command) -> None:
    with pytest.raises(Forbidden):
        a_bearer(Role.PARTICIPANT).restrict(command)


@pytest.mark.parametrize("command", [Switch(), Pause(), Start(), Resume()])
def test_a_viewer_gives_no_command(command: Command) -> None:
    with pytest.raises(Forbidden):
        a_bearer(Role.VIEWER).restrict(command)


def test_only_what_belongs_to_one_session_can_be_revoked() -> None:
    assert {role for role in Role if a_bearer(role).is_revocable} == EVERYBODY - {Role.SERVER}
    assert {role for role in Role if a_bearer(role).revocations} == EVERYBODY - {Role.SERVER}


def test_a_right_is_one_of_three() -> None:
    assert [one.value for one in Right] == ["no", "of the own cycle", "yes"]
