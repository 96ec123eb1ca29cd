"""Tokens for guests, and tokens that a host asks for."""

from __future__ import annotations

import pytest

from chalicelib.auth.authenticator import REMEMBERED, Gate, random_token_id
from chalicelib.auth.policy import Bearer, Role
from chalicelib.core.errors import Forbidden, Unauthenticated

from .bearers import ANNE, BEN, SESSION, SINCE_S, UNTIL_S, a_bearer, a_keyring

DAY_S = 86_400
CREATED_MS = SINCE_S * 1000 + 7


@pytest.fixture
def gate() -> Gate:
    return Gate(a_keyring(), DAY_S, iter(["a-token", "b-token"]).__next__)


def test_who_has_no_token_is_nobody(gate: Gate) -> None:
    for token in (None, "", "x"):
        with pytest.raises(Unauthenticated):
            gate.bearer(token)


def test_who_brings_a_token_is_whom_it_was_signed_for(gate: Gate) -> None:
    assert gate.bearer(gate.signed(a_bearer())) == a_bearer()


def test_a_signature_is_verified_once_and_a_wrong_one_each_time(gate: Gate) -> None:
    token = gate.signed(a_bearer())

    assert gate.bearer(token) is gate.bearer(token)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            gate.bearer(f"{token}x")


def test_no_more_tokens_are_remembered_than_a_process_has_room_for(gate: Gate) -> None:
    first = gate.signed(a_bearer())
    before = gate.bearer(first)
    for number in range(REMEMBERED):
        gate.bearer(gate.signed(a_bearer(token_id=f"token-{number}")))

    assert gate.bearer(first) is not before
    assert gate.bearer(first) == before


def test_a_token_that_is_minted_begins_now_and_ends_when_it_was_asked_to(gate: Gate) -> None:
    now_ms = SINCE_S * 1000 + 999
    minted = gate.minted(a_bearer(), SESSION, Role.PARTICIPANT, ANNE, 60, now_ms)

    named = "host-1.a-token"
    assert minted == Bearer(Role.PARTICIPANT, SESSION, named, SINCE_S, SINCE_S + 60, ANNE)
    again = gate.minted(a_bearer(), SESSION, Role.VIEWER, None, 60, now_ms)
    assert again.token_id == "host-1.b-token"


def test_what_a_server_mints_is_called_after_nobody(gate: Gate) -> None:
    minted = gate.minted(a_bearer(Role.SERVER), SESSION, Role.HOST, None, 60, SINCE_S * 1000)

    assert (minted.token_id, minted.revocations) == ("a-token", ("a-token",))


def test_hosts_mint_hosts_for_four_generations() -> None:
    gate, bearer = Gate(a_keyring(), DAY_S), a_bearer()
    line = [bearer.token_id]
    for _ in range(3):
        bearer = gate.minted(bearer, SESSION, Role.HOST, None, 60, SINCE_S * 1000)
        assert gate.bearer(gate.signed(bearer)) == bearer
        line.append(bearer.token_id)

    assert bearer.revocations == tuple(line)
    with pytest.raises(Forbidden):
        gate.minted(bearer, SESSION, Role.VIEWER, None, 60, SINCE_S * 1000)


def test_no_token_that_is_minted_outlives_the_one_it_was_asked_for_with(gate: Gate) -> None:
    now_ms = UNTIL_S * 1000 - 10_000

    assert gate.minted(a_bearer(), SESSION, Role.HOST, None, 11, now_ms).valid_until_s == UNTIL_S
    assert gate.minted(a_bearer(), SESSION, Role.HOST, None, 9, now_ms).valid_until_s == UNTIL_S - 1


def test_who_does_not_say_how_long_has_a_day(gate: Gate) -> None:
    by = a_bearer(Role.SERVER, valid_until_s=UNTIL_S + 10 * DAY_S)

    minted = gate.minted(by, SESSION, Role.VIEWER, None, None, SINCE_S * 1000)

    assert minted.valid_until_s - minted.valid_from_s == DAY_S


def test_everybody_who_has_to_do_with_a_session_has_a_token_of_his_own(gate: Gate) -> None:
    guests = gate.guests(SESSION, [ANNE, BEN], CREATED_MS)

    assert [(one.role, one.participant_id) for one in guests] == [
        (Role.HOST, None),
        (Role.VIEWER, None),
        (Role.PARTICIPANT, ANNE),
        (Role.PARTICIPANT, BEN),
    ]
    assert {one.session_id for one in guests} == {SESSION}
    assert {one.valid_from_s for one in guests} == {SINCE_S}
    assert {one.valid_until_s for one in guests} == {SINCE_S + DAY_S}
    assert len({one.token_id for one in guests}) == 4
    assert {len(one.token_id) for one in guests} == {32}
    assert all(gate.bearer(gate.signed(one)) == one for one in guests)


def test_the_same_session_has_the_same_tokens_and_another_has_others(gate: Gate) -> None:
    def ids(session_id: str, created_at_ms: int) -> set[str]:
        return {one.token_id for one in gate.guests(session_id, [ANNE], created_at_ms)}

    assert ids(SESSION, CREATED_MS) == ids(SESSION, CREATED_MS)
    assert not ids(SESSION, CREATED_MS) & ids(SESSION, CREATED_MS + 1)
    assert not ids(SESSION, CREATED_MS) & ids(ANNE, CREATED_MS)


def test_names_of_tokens_are_not_to_be_guessed() -> None:
    names = {random_token_id() for _ in range(100)}

    assert len(names) == 100
    assert {len(one) for one in names} == {32}
