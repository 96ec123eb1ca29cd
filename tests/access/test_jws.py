"""Signatures are the same that PyJWT makes and reads, which is nobody's of this house."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.access import jws
from chalicelib.access.base64url import encode
from chalicelib.access.keys import Key

from .people import SECRET, a_curve_key, a_key_set

KEYS = [a_key_set(SECRET).signing, a_key_set(a_curve_key("curve")).signing]
UNTIMED: Any = {
    f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
claims = st.dictionaries(st.text(max_size=10), values, max_size=5)


@given(claims=claims, key=st.sampled_from(KEYS))
def test_what_is_signed_here_pyjwt_reads(claims: dict[str, Any], key: Key) -> None:
    token = jws.make(claims, key)

    read = jwt.decode_complete(token, key.verifying, algorithms=[key.algorithm], options=UNTIMED)
    assert read["payload"] == claims
    assert read["header"] == {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}


@given(claims=claims, key=st.sampled_from(KEYS))
def test_what_pyjwt_signs_is_read_here(claims: dict[str, Any], key: Key) -> None:
    # PyJWT sees to it that an issuer is text.
    claims.pop("iss", None)
    found = jws.take_apart(jwt.encode(claims, key.signing, key.algorithm))

    assert found.claims == claims
    assert jws.verify(found, key)


def text(header: Any, claims: Any = b"{}", *, key: Key) -> str:
    """Any parts under a signature that is right."""
    parts = (
        one if isinstance(one, bytes) else json.dumps(one).encode() for one in (header, claims)
    )
    signed = ".".join(map(encode, parts))
    return f"{signed}.{encode(signature(signed, key))}"


def signature(signed: str, key: Key) -> bytes:
    algorithm = jwt.get_algorithm_by_name(key.algorithm)
    return algorithm.sign(signed.encode(), key.signing)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
@pytest.mark.parametrize(
    ("header", "holds"),
    [
        ({}, True),
        ({"kid": "another", "typ": "x", "jku": "https://a.example", "x": [1]}, True),
        # RFC 7515, 4.1.11: of what must be understood nothing is.
        ({"crit": ["exp"]}, False),
        ({"crit": []}, False),
        ({"b64": False, "crit": ["b64"]}, False),
        ({"alg": "none"}, False),
        ({"alg": "hs256"}, False),
        ({"alg": None}, False),
        ({"alg": ["HS256", "EdDSA"]}, False),
    ],
)
def test_a_header_says_nothing_that_would_be_heeded_but_may_forbid(
    key: Key, header: dict[str, Any], holds: bool
) -> None:
    found = jws.take_apart(text({"alg": key.algorithm, **header}, key=key))

    assert jws.verify(found, key) is holds


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_a_signature_is_whole_and_of_these_very_bytes(key: Key) -> None:
    other = KEYS[1 - KEYS.index(key)]
    right = jws.take_apart(jws.make({"a": 1}, key))
    wrong = [
        right._replace(signature=b""),
        right._replace(signature=right.signature[:-1]),
        right._replace(signature=right.signature + b"\0"),
        right._replace(signature=bytes(len(right.signature))),
        right._replace(signature=jws.take_apart(jws.make({"a": 1}, other)).signature),
        right._replace(signed=right.signed + b"\0"),
    ]

    assert jws.verify(right, key)
    assert [jws.verify(one, key) for one in wrong] == [False] * len(wrong)


HEADER, CLAIMS = encode(b'{"alg": "HS256"}'), encode(b"{}")
NO_CLAIMS = [
    b"[]",
    b"nothing",
    b'{"exp": NaN}',
    "{}".encode("utf-16"),
    b'{"a": "\xff"}',
    b'{"a":' * 300 + b"1" + b"}" * 300,
]


@pytest.mark.parametrize(
    "given",
    [
        "",
        ".",
        f"{HEADER}.{CLAIMS}",
        f"{HEADER}.{CLAIMS}..",
        f".{CLAIMS}.",
        f"{HEADER}..",
        f"{HEADER}=.{CLAIMS}.",
        f"{HEADER}.{CLAIMS}.A",
        f"{HEADER}.{CLAIMS}.+/",
        f"{HEADER}.{CLAIMS}.AA==",
        f"{HEADER}\n.{CLAIMS}.",
        f"{encode(b'5')}.{CLAIMS}.",
        *(f"{HEADER}.{encode(claims)}." for claims in NO_CLAIMS),
        f"{encode(b'[' * 1_500)}.{CLAIMS}.",
    ],
    ids=range(19),
)
def test_what_is_none_is_not_taken_apart(given: str) -> None:
    with pytest.raises(jws.Malformed) as refused:
        jws.take_apart(given)

    # What is wrong with it may quote it.
    assert refused.value.args == ()
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_as_long_as_it_has_the_form_it_is_whatever_it_says() -> None:
    found = jws.take_apart(f"{HEADER}.{CLAIMS}.")

    assert found == ({"alg": "HS256"}, {}, f"{HEADER}.{CLAIMS}".encode(), b"")
