"""Tokens for guests, and tokens that a host asks for."""

from __future__ import annotations

import pytest

from chalicelib.auth.authenticator import TOKEN_CACHE_SIZE, TokenAuthenticator, random_token_id
from chalicelib.auth.policy import Bearer, Role
from chalicelib.core.errors import Forbidden, Unauthenticated

from .bearers import ANNE, BEN, SESSION, SINCE_S, UNTIL_S, a_bearer, a_key_cache

DAY_S = 86_400
CREATED_MS = SINCE_S * 1000 + 7


@pytest.fixture
def authenticator() -> TokenAuthenticator:
    return TokenAuthenticator(a_key_cache(), DAY_S, iter(["a-token", "b-token"]).__next__)


def test_who_has_no_token_is_nobody(authenticator: TokenAuthenticator) -> None:
    for token in (None, "", "x"):
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(token)


def test_who_brings_a_token_is_whom_it_was_signed_for(authenticator: TokenAuthenticator) -> None:
    assert authenticator.authenticate(authenticator.sign(a_bearer())) == a_bearer()


def test_a_signature_is_verified_once_and_a_wrong_one_each_time(
    authenticator: TokenAuthenticator,
) -> None:
    token = authenticator.sign(a_bearer())

    assert authenticator.authenticate(token) is authenticator.authenticate(token)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(f"{token}x")


def test_no_more_tokens_are_remembered_than_a_process_has_room_for(
    authenticator: TokenAuthenticator,
) -> None:
    first = authenticator.sign(a_bearer())
    before = authenticator.authenticate(first)
    for number in range(TOKEN_CACHE_SIZE):
        authenticator.authenticate(authenticator.sign(a_bearer(token_id=f"token-{number}")))

    assert authenticator.authenticate(first) is not before
    assert authenticator.authenticate(first) == before


def test_a_token_that_is_minted_begins_now_and_ends_when_it_was_asked_to(
    authenticator: TokenAuthenticator,
) -> None:
    now_ms = SINCE_S * 1000 + 999
    minted = authenticator.mint(a_bearer(), SESSION, Role.PARTICIPANT, ANNE, 60, now_ms)

    named = "host-1.a-token"
    assert minted == Bearer(Role.PARTICIPANT, SESSION, named, SINCE_S, SINCE_S + 60, ANNE)
    again = authenticator.mint(a_bearer(), SESSION, Role.VIEWER, None, 60, now_ms)
    assert again.token_id == "host-1.b-token"


def test_what_a_server_mints_is_called_after_nobody(authenticator: TokenAuthenticator) -> None:
    minted = authenticator.mint(a_bearer(Role.SERVER), SESSION, Role.HOST, None, 60, SINCE_S * 1000)

    assert (minted.token_id, minted.revocations) == ("a-token", ("a-token",))


def test_hosts_mint_hosts_for_four_generations() -> None:
    authenticator, bearer = TokenAuthenticator(a_key_cache(), DAY_S), a_bearer()
    line = [bearer.token_id]
    for _ in range(3):
        bearer = authenticator.mint(bearer, SESSION, Role.HOST, None, 60, SINCE_S * 1000)
        assert authenticator.authenticate(authenticator.sign(bearer)) == bearer
        line.append(bearer.token_id)

    assert bearer.revocations == tuple(line)
    with pytest.raises(Forbidden):
        authenticator.mint(bearer, SESSION, Role.VIEWER, None, 60, SINCE_S * 1000)


def test_no_token_that_is_minted_outlives_the_one_it_was_asked_for_with(
    authenticator: TokenAuthenticator,
) -> None:
    now_ms = UNTIL_S * 1000 - 10_000

    assert (
        authenticator.mint(a_bearer(), SESSION, Role.HOST, None, 11, now_ms).valid_until_s
        == UNTIL_S
    )
    assert (
        authenticator.mint(a_bearer(), SESSION, Role.HOST, None, 9, now_ms).valid_until_s
        == UNTIL_S - 1
    )


def test_who_does_not_say_how_long_has_a_day(authenticator: TokenAuthenticator) -> None:
    by = a_bearer(Role.SERVER, valid_until_s=UNTIL_S + 10 * DAY_S)

    minted = authenticator.mint(by, SESSION, Role.VIEWER, None, None, SINCE_S * 1000)

    assert minted.valid_until_s - minted.valid_from_s == DAY_S


def test_everybody_who_has_to_do_with_a_session_has_a_token_of_his_own(
    authenticator: TokenAuthenticator,
) -> None:
    session_tokens = authenticator.session_tokens(SESSION, [ANNE, BEN], CREATED_MS)

    assert [(one.role, one.participant_id) for one in session_tokens] == [
        (Role.HOST, None),
        (Role.VIEWER, None),
        (Role.PARTICIPANT, ANNE),
        (Role.PARTICIPANT, BEN),
    ]
    assert {one.session_id for one in session_tokens} == {SESSION}
    assert {one.valid_from_s for one in session_tokens} == {SINCE_S}
    assert {one.valid_until_s for one in session_tokens} == {SINCE_S + DAY_S}
    assert len({one.token_id for one in session_tokens}) == 4
    assert {len(one.token_id) for one in session_tokens} == {32}
    assert all(authenticator.authenticate(authenticator.sign(one)) == one for one in session_tokens)


def test_the_same_session_has_the_same_tokens_and_another_has_others(
    authenticator: TokenAuthenticator,
) -> None:
    def ids(session_id: str, created_at_ms: int) -> set[str]:
        return {
            one.token_id for one in authenticator.session_tokens(session_id, [ANNE], created_at_ms)
        }

    assert ids(SESSION, CREATED_MS) == ids(SESSION, CREATED_MS)
    assert not ids(SESSION, CREATED_MS) & ids(SESSION, CREATED_MS + 1)
    assert not ids(SESSION, CREATED_MS) & ids(ANNE, CREATED_MS)


def test_names_of_tokens_are_not_to_be_guessed() -> None:
    names = {random_token_id() for _ in range(100)}

    assert len(names) == 100
    assert {len(one) for one in names} == {32}
