"""JSON Web Key Set parsing: accepted keys, and the message for each rejected one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chalicelib.auth import jwks as keys
from chalicelib.auth import jwt as tokens
from chalicelib.auth.jwks import InvalidKeys, new_key, read_keys

from .bearers import KEYS, SECRET, a_bearer, a_curve_key, a_key_set

CURVE = a_curve_key("curve")
PUBLIC = {name: value for name, value in CURVE.items() if name != "d"}


def refusal(text: str) -> str:
    with pytest.raises(InvalidKeys) as refused:
        read_keys(text)
    return str(refused.value)


def refusal_of(*keys_of_set: dict[str, Any]) -> str:
    return refusal(json.dumps({"keys": list(keys_of_set)}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("secret", "The keys are not JSON"),
        ("[]", "The keys are not a JSON Web Key Set"),
        ("{}", "The keys are not a JSON Web Key Set"),
        ('{"keys": 5}', "The keys are not a JSON Web Key Set"),
        ('{"keys": [5]}', "The keys are not a JSON Web Key Set"),
        ('{"keys": []}', "No key can sign; add one with its secret or private part"),
    ],
)
def test_invalid_key_set_is_rejected(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kid": None}, "A key has no kid"),
        ({"kid": ""}, "A key has no kid"),
        ({"kid": 5}, "A key has no kid"),
        ({"kty": "RSA"}, "Key first: kty must be one of oct, OKP"),
        ({"kty": 5}, "Key first: kty must be one of oct, OKP"),
        ({"kty": ["oct"]}, "Key first: kty must be one of oct, OKP"),
        ({"alg": "none"}, "Key first: an oct key is for HS256"),
        ({"alg": "EdDSA"}, "Key first: an oct key is for HS256"),
        ({"use": "enc"}, "Key first: use must be sig"),
        ({"k": None}, "Key first is not a valid HS256 key"),
        ({"k": 5}, "Key first is not a valid HS256 key"),
        ({"k": "c2hvcnQ"}, "Key first: k must have at least 32 bytes, got 5"),
    ],
)
def test_unusable_key_is_named_and_not_quoted(changes: dict[str, Any], message: str) -> None:
    assert refusal_of({**SECRET, **changes}) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alg": "HS256"}, "Key curve: an OKP key is for EdDSA"),
        ({"crv": "X25519"}, "Key curve: crv must be Ed25519"),
        ({"crv": "Ed448"}, "Key curve: crv must be Ed25519"),
        ({"x": "AAAA"}, "Key curve is not a valid EdDSA key"),
        ({"x": None}, "Key curve is not a valid EdDSA key"),
        ({"d": "AAAA"}, "Key curve is not a valid EdDSA key"),
        # Its public part does not match: no signature would verify.
        ({"d": a_curve_key("other")["d"]}, "Key curve is not a valid EdDSA key"),
    ],
)
def test_unusable_curve_key_is_named_and_not_quoted(changes: dict[str, Any], message: str) -> None:
    assert refusal_of({**CURVE, **changes}) == message


def test_32_byte_secret_is_accepted() -> None:
    short, enough = "A" * 42, "A" * 43

    assert refusal_of({**SECRET, "k": short}) == "Key first: k must have at least 32 bytes, got 31"
    assert a_key_set({**SECRET, "k": enough}).signing.kid == "first"


def test_alg_and_use_are_optional() -> None:
    bare = {name: SECRET[name] for name in ("kty", "kid", "k")}

    assert a_key_set(bare).signing.algorithm == "HS256"
    assert a_key_set({**bare, "use": "sig"}).signing.algorithm == "HS256"


def test_duplicate_kid_is_rejected() -> None:
    assert refusal_of(SECRET, new_key("first")) == "Two keys have the same kid"


def test_single_key_is_a_set_of_one() -> None:
    assert read_keys(json.dumps(SECRET)).key_for("first").kid == "first"


def test_first_key_that_can_sign_signs() -> None:
    assert a_key_set(SECRET, CURVE).signing.kid == "first"
    assert a_key_set(PUBLIC, SECRET).signing.kid == "first"
    assert a_key_set({**CURVE, "alg": "EdDSA"}, SECRET).signing.algorithm == "EdDSA"


def test_key_set_without_a_signing_key_is_rejected() -> None:
    assert refusal_of(PUBLIC) == "No key can sign; add one with its secret or private part"


def test_secret_signs_and_verifies_and_private_key_only_signs() -> None:
    secret, curve = a_key_set(SECRET).signing, a_key_set(CURVE).signing

    assert secret.signing == secret.verifying == b"secret secret secret secret secret"
    assert isinstance(curve.signing, Ed25519PrivateKey)
    assert isinstance(curve.verifying, Ed25519PublicKey)


def test_public_key_verifies_signature_of_its_private_key() -> None:
    bearer = a_bearer()

    assert tokens.read(tokens.sign(bearer, a_key_set(CURVE)), a_key_set(SECRET, PUBLIC)) == bearer


@pytest.mark.parametrize("kid", ["third", "", None, 5, ["first"]])
def test_unknown_kid_yields_the_dummy_key(kid: object) -> None:
    for key_set, algorithm in ((a_key_set(SECRET), "HS256"), (a_key_set(CURVE), "EdDSA")):
        dummy = key_set.key_for(kid)

        assert (dummy.algorithm, dummy.signing, dummy.kid) == (algorithm, None, "")
        assert dummy is key_set.key_for("another")
        assert type(dummy.verifying) is type(key_set.signing.verifying)
        assert dummy.verifying != key_set.signing.verifying


def test_dummy_keys_differ_between_key_sets() -> None:
    assert a_key_set(SECRET).key_for("x").verifying != a_key_set(SECRET).key_for("x").verifying
    assert len(a_key_set(SECRET).key_for("x").verifying) == 32


def test_new_key_is_usable_and_unique() -> None:
    made = new_key("third")

    assert (made["kty"], made["kid"], made["alg"]) == ("oct", "third", "HS256")
    assert len(a_key_set(made).signing.signing) == 32
    assert new_key("third")["k"] != made["k"]


def test_repr_of_a_key_hides_its_secret() -> None:
    assert repr(KEYS.signing) == "Key(kid='first', algorithm='HS256')"
    assert SECRET["k"] not in repr(KEYS)


def test_curve_key_without_cryptography_is_rejected_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "has_crypto", False)

    assert refusal_of(CURVE) == (
        "Key curve: EdDSA needs the cryptography package, which is not installed;"
        " see docs/deploying.md"
    )
    assert a_key_set(SECRET).signing.kid == "first"
