"""JSON Web Tokens: round trip, claim validation, forgery and timing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.auth import jwt as tokens
from chalicelib.auth.jwks import KeySet, new_key
from chalicelib.auth.policy import EVERY_SESSION, Bearer, Role
from chalicelib.core.errors import Unauthenticated
from chalicelib.settings import MAX_TOKEN_TTL_SECONDS

from .bearers import ANNE, KEYS, SECRET, SESSION, SINCE_S, UNTIL_S, a_bearer, a_curve_key, a_key_set

CURVES = a_key_set(a_curve_key("curve"))
GOOD: dict[str, Any] = {
    "sid": SESSION,
    "role": "host",
    "nbf": SINCE_S,
    "exp": UNTIL_S,
    "jti": "a-token",
}


def signed(claims: dict[str, Any], **header: Any) -> str:
    """Arbitrary claims with a valid signature."""
    return jwt.encode(claims, KEYS.signing.signing, "HS256", headers={"kid": "first", **header})


def changed(**changes: Any) -> str:
    """Valid claims with these changes; ``None`` removes a claim."""
    claims = {**GOOD, **changes}
    return signed({name: value for name, value in claims.items() if value is not ...})


def is_refused(token: str) -> bool:
    try:
        tokens.read(token, KEYS)
    except Unauthenticated:
        return True
    return False


bearers = st.builds(
    a_bearer,
    st.sampled_from(Role),
    token_id=st.from_regex("[A-Za-z0-9_-]{1,64}", fullmatch=True),
    valid_from_s=st.integers(0, 2**31),
).map(
    lambda one: Bearer(
        one.role,
        one.session_id,
        one.token_id,
        one.valid_from_s,
        one.valid_from_s + MAX_TOKEN_TTL_SECONDS,
        one.participant_id,
    )
)


@given(bearer=bearers)
def test_signed_token_reads_back(bearer: Bearer) -> None:
    for keys in (KEYS, CURVES):
        assert tokens.read(tokens.sign(bearer, keys), keys) == bearer


def test_token_has_the_documented_header_and_claims() -> None:
    token = tokens.sign(a_bearer(Role.PARTICIPANT), KEYS)

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "first", "typ": "JWT"}
    assert jwt.decode(token, options={"verify_signature": False}) == {
        "sid": SESSION,
        "role": "participant",
        "pid": ANNE,
        "nbf": SINCE_S,
        "exp": UNTIL_S,
        "jti": "participant-1",
    }
    server = jwt.decode(
        tokens.sign(a_bearer(Role.SERVER), KEYS), options={"verify_signature": False}
    )
    assert (server["sid"], server["role"], "pid" in server) == (EVERY_SESSION, "host", False)


def test_header_kid_selects_the_key() -> None:
    second = KEYS.key_for("second")

    token = jwt.encode(GOOD, second.signing, "HS256", headers={"kid": "second"})
    swapped = jwt.encode(GOOD, second.signing, "HS256", headers={"kid": "first"})

    assert tokens.read(token, KEYS).token_id == "a-token"
    assert is_refused(swapped)


@pytest.mark.parametrize(
    "claims",
    [
        {"sid": ...},
        {"sid": None},
        {"sid": 5},
        {"sid": [SESSION]},
        {"sid": "**"},
        {"sid": f"{SESSION}\n"},
        {"sid": SESSION[:-1]},
        {"role": ...},
        {"role": "server"},
        {"role": "admin"},
        {"role": ["host"]},
        {"role": None},
        {"role": "HOST"},
        {"role": "participant"},
        {"role": "participant", "pid": "anne"},
        {"role": "participant", "pid": 5},
        {"role": "viewer", "pid": ANNE},
        {"pid": ANNE},
        {"sid": "*", "role": "viewer"},
        {"sid": "*", "role": "participant", "pid": ANNE},
        {"sid": "*", "role": "server"},
        {"sid": "*", "pid": ANNE},
        {"jti": ...},
        {"jti": ""},
        {"jti": 5},
        {"jti": "a token"},
        {"jti": "a" * 65},
        {"jti": "token\n"},
        {"jti": ".token"},
        {"jti": "a..token"},
        {"jti": "token."},
        {"jti": "a.b.c.d.e"},
        {"exp": ...},
        {"exp": None},
        {"exp": str(UNTIL_S)},
        {"exp": float(UNTIL_S)},
        {"exp": True, "nbf": 0},
        {"exp": 2**40, "sid": "*"},
        {"exp": -1},
        {"nbf": ...},
        {"nbf": -1},
        {"nbf": float(SINCE_S)},
        {"nbf": False},
        {"exp": SINCE_S + MAX_TOKEN_TTL_SECONDS + 1},
        {"aud": "another service"},
    ],
)
def test_invalid_claims_are_rejected(claims: dict[str, Any]) -> None:
    assert is_refused(changed(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sid": SESSION.upper()},
        {"sid": "*"},
        {"role": "viewer"},
        {"role": "participant", "pid": ANNE.upper()},
        {"jti": "a" * 64},
        {"exp": SINCE_S + MAX_TOKEN_TTL_SECONDS},
        {"sid": "*", "nbf": 0, "exp": 2**40 - 1},
        {"iat": 2**40, "anything": "else"},
        # The store checks whether they are valid now.
        {"nbf": 0, "exp": 1},
        {"nbf": 2**39, "exp": 2**39 + 1},
    ],
)
def test_valid_claims_are_accepted(claims: dict[str, Any]) -> None:
    bearer = tokens.read(changed(**claims), KEYS)

    assert bearer.session_id in (SESSION, "*")
    assert bearer.participant_id in (None, ANNE)
    assert (bearer.role is Role.SERVER) is (bearer.session_id == "*")


def test_oversized_token_is_rejected_before_parsing() -> None:
    padded = {**GOOD, "x": ""}
    least = len(signed(padded))
    longest = signed({**GOOD, "x": "a" * ((tokens.MAX_TOKEN_LENGTH - least) * 3 // 4)})

    assert tokens.MAX_TOKEN_LENGTH - 3 <= len(longest) <= tokens.MAX_TOKEN_LENGTH
    assert not is_refused(longest)
    assert is_refused(signed({**GOOD, "x": "a" * tokens.MAX_TOKEN_LENGTH}))


# Forgery


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "HS512", "EdDSA", "RS256", ""])
def test_header_alg_does_not_choose_the_algorithm(algorithm: str) -> None:
    head = f"{encoded({'alg': algorithm, 'kid': 'first'})}.{encoded(GOOD)}"
    digest = hmac.new(KEYS.signing.signing, head.encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    assert is_refused(f"{head}.{signature}")
    assert is_refused(f"{head}.")


def test_public_key_is_rejected_as_an_hmac_secret() -> None:
    # The classic algorithm confusion: HS256 with the bytes of the public key.
    curve = a_curve_key("curve")
    keys = a_key_set(curve)
    public = base64.urlsafe_b64decode(curve["x"] + "==")
    head = f"{encoded({'alg': 'HS256', 'kid': 'curve'})}.{encoded(GOOD)}"
    for secret in (public, curve["x"].encode(), json.dumps(curve).encode()):
        digest = hmac.new(secret, head.encode(), hashlib.sha256).digest()
        forged = f"{head}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
        with pytest.raises(Unauthenticated):
            tokens.read(forged, keys)


@pytest.mark.parametrize(
    "header",
    [
        {"kid": None},
        {"kid": "third"},
        {"kid": 5},
        {"jwk": {**new_key("x")}},
        {"jku": "https://example.com/keys"},
        {"crit": ["x"], "x": 5},
    ],
)
def test_key_in_the_header_is_ignored(header: dict[str, Any]) -> None:
    mine = new_key("mine")
    token = jwt.encode(GOOD, mine["k"], "HS256", headers={"kid": "first"})
    head = encoded({"alg": "HS256", "kid": "first", **header})

    assert is_refused(".".join((head, *token.split(".")[1:])))


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a.b.c", "Bearer x", "é.é.é", "\ud800", "\0"],
    ids=map(str, range(9)),
)
def test_malformed_token_is_rejected(text: str) -> None:
    assert is_refused(text)


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0é"
TOKENS = [tokens.sign(a_bearer(role), KEYS) for role in Role]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str]:
    """A token, and a mutation of its characters or parts."""
    token = text = draw(st.sampled_from(TOKENS))
    for _ in range(draw(st.integers(1, 4))):
        at, to = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        piece = draw(st.text(ALPHABET, max_size=8))
        other = draw(st.sampled_from(TOKENS)).split(".")
        parts = text.split(".")
        match draw(st.sampled_from(["put", "cut", "exchange"])):
            case "put":
                text = text[:at] + piece + text[at:]
            case "cut":
                text = text[:at] + text[to:]
            case "exchange":
                index = draw(st.integers(0, 2))
                parts[index : index + 1] = [other[index]]
                text = ".".join(parts)
    return token, text


def same(one: str, other: str) -> bool:
    """Whether two tokens decode to the same bytes: a last character has unused bits."""

    def bytes_of(token: str) -> list[bytes]:
        return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]

    try:
        return bytes_of(one) == bytes_of(other)
    except ValueError:
        return False


@given(made=mutated())
def test_mutated_token_is_rejected(made: tuple[str, str]) -> None:
    _, text = made
    if not any(same(text, token) for token in TOKENS):
        assert is_refused(text)


@given(claims=st.dictionaries(st.sampled_from([*GOOD, "pid", "aud"]), st.integers() | st.text()))
def test_arbitrary_claims_are_accepted_or_rejected(claims: dict[str, Any]) -> None:
    is_refused(changed(**claims))


# Timing


def calls_of(work: Callable[[], object]) -> list[str]:
    """The calls into our code and PyJWT, in order.

    Calls into the standard library are left out: PyJWT has it inspect the secret's bytes for
    warnings, which depends on the secret and not on the token.
    """
    called: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and Path(code.co_filename).parent.name in ("access", "jwt"):
            called.append(f"{code.co_filename}:{code.co_name}")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return called


def refuse(token: str, keys: KeySet) -> None:
    with suppress(Unauthenticated):
        tokens.read(token, keys)
        raise AssertionError("It was not refused")


def test_wrong_signature_and_unknown_key_run_the_same_code() -> None:
    for keys, algorithm in ((KEYS, "HS256"), (CURVES, "EdDSA")):
        known = keys.signing
        stranger = a_key_set(new_key("x") if algorithm == "HS256" else a_curve_key("x")).signing
        ways = []
        for kid in (known.kid, "x" * len(known.kid)):
            token = jwt.encode(GOOD, stranger.signing, algorithm, headers={"kid": kid})

            ways.append(calls_of(partial(refuse, token, keys)))

        assert ways[0] == ways[1]
        assert any("verify" in call.rpartition(":")[2] for call in ways[0])


def test_rejection_does_not_quote_the_token() -> None:
    with pytest.raises(Unauthenticated) as refused:
        tokens.read(changed(role="Zugzwang"), KEYS)

    assert str(refused.value) == "A valid token is required"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_shared_secret_is_long_enough() -> None:
    assert len(base64.urlsafe_b64decode(SECRET["k"] + "==")) >= 32
