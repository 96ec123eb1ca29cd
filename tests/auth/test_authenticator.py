"""Token authenticator: verification, session tokens and minted tokens."""

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


def test_missing_or_invalid_token_is_unauthenticated(authenticator: TokenAuthenticator) -> None:
    for token in (None, "", "x"):
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(token)


def test_signed_token_authenticates_its_bearer(authenticator: TokenAuthenticator) -> None:
    assert authenticator.authenticate(authenticator.sign(a_bearer())) == a_bearer()


def test_valid_signature_is_cached_and_invalid_one_is_not(
    authenticator: TokenAuthenticator,
) -> None:
    token = authenticator.sign(a_bearer())

    assert authenticator.authenticate(token) is authenticator.authenticate(token)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(f"{token}x")


def test_token_cache_is_bounded(authenticator: TokenAuthenticator) -> None:
    first = authenticator.sign(a_bearer())
    before = authenticator.authenticate(first)
    for number in range(TOKEN_CACHE_SIZE):
        authenticator.authenticate(authenticator.sign(a_bearer(token_id=f"token-{number}")))

    assert authenticator.authenticate(first) is not before
    assert authenticator.authenticate(first) == before


def test_minted_token_is_valid_from_now_for_the_requested_time(
    authenticator: TokenAuthenticator,
) -> None:
    now_ms = SINCE_S * 1000 + 999
    minted = authenticator.mint(a_bearer(), SESSION, Role.PARTICIPANT, ANNE, 60, now_ms)

    named = "host-1.a-token"
    assert minted == Bearer(Role.PARTICIPANT, SESSION, named, SINCE_S, SINCE_S + 60, ANNE)
    again = authenticator.mint(a_bearer(), SESSION, Role.VIEWER, None, 60, now_ms)
    assert again.token_id == "host-1.b-token"


def test_token_minted_by_a_server_has_no_parent_id(authenticator: TokenAuthenticator) -> None:
    minted = authenticator.mint(a_bearer(Role.SERVER), SESSION, Role.HOST, None, 60, SINCE_S * 1000)

    assert (minted.token_id, minted.revocations) == ("a-token", ("a-token",))


def test_delegation_depth_is_four() -> None:
    authenticator, bearer = TokenAuthenticator(a_key_cache(), DAY_S), a_bearer()
    line = [bearer.token_id]
    for _ in range(3):
        bearer = authenticator.mint(bearer, SESSION, Role.HOST, None, 60, SINCE_S * 1000)
        assert authenticator.authenticate(authenticator.sign(bearer)) == bearer
        line.append(bearer.token_id)

    assert bearer.revocations == tuple(line)
    with pytest.raises(Forbidden):
        authenticator.mint(bearer, SESSION, Role.VIEWER, None, 60, SINCE_S * 1000)


def test_minted_token_expires_no_later_than_its_parent(authenticator: TokenAuthenticator) -> None:
    now_ms = UNTIL_S * 1000 - 10_000

    assert (
        authenticator.mint(a_bearer(), SESSION, Role.HOST, None, 11, now_ms).valid_until_s
        == UNTIL_S
    )
    assert (
        authenticator.mint(a_bearer(), SESSION, Role.HOST, None, 9, now_ms).valid_until_s
        == UNTIL_S - 1
    )


def test_default_validity_is_one_day(authenticator: TokenAuthenticator) -> None:
    by = a_bearer(Role.SERVER, valid_until_s=UNTIL_S + 10 * DAY_S)

    minted = authenticator.mint(by, SESSION, Role.VIEWER, None, None, SINCE_S * 1000)

    assert minted.valid_until_s - minted.valid_from_s == DAY_S


def test_host_viewer_and_each_participant_get_a_token(authenticator: TokenAuthenticator) -> None:
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


def test_session_tokens_are_deterministic_per_session(authenticator: TokenAuthenticator) -> None:
    def ids(session_id: str, created_at_ms: int) -> set[str]:
        return {
            one.token_id for one in authenticator.session_tokens(session_id, [ANNE], created_at_ms)
        }

    assert ids(SESSION, CREATED_MS) == ids(SESSION, CREATED_MS)
    assert not ids(SESSION, CREATED_MS) & ids(SESSION, CREATED_MS + 1)
    assert not ids(SESSION, CREATED_MS) & ids(ANNE, CREATED_MS)


def test_random_token_ids_have_128_bits() -> None:
    names = {random_token_id() for _ in range(100)}

    assert len(names) == 100
    assert {len(one) for one in names} == {32}
