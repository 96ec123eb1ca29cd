"""Which keys are taken, and what is said of those that aren't."""

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


def refusal_of(*found: dict[str, Any]) -> str:
    return refusal(json.dumps({"keys": list(found)}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("secret", "The keys are no JSON"),
        ("[]", "The keys are no JSON Web Key Set"),
        ("{}", "The keys are no JSON Web Key Set"),
        ('{"keys": 5}', "The keys are no JSON Web Key Set"),
        ('{"keys": [5]}', "The keys are no JSON Web Key Set"),
        ('{"keys": []}', "There is no key that can sign"),
    ],
)
def test_what_is_no_key_set_is_refused(text: str, message: str) -> None:
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
        ({"k": None}, "Key first is no key for HS256"),
        ({"k": 5}, "Key first is no key for HS256"),
        ({"k": "c2hvcnQ"}, "Key first has less than 32 bytes"),
    ],
)
def test_a_key_that_can_not_be_used_is_named_and_not_shown(
    changes: dict[str, Any], message: str
) -> None:
    assert refusal_of({**SECRET, **changes}) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alg": "HS256"}, "Key curve: an OKP key is for EdDSA"),
        ({"crv": "X25519"}, "Key curve: crv must be Ed25519"),
        ({"crv": "Ed448"}, "Key curve: crv must be Ed25519"),
        ({"x": "AAAA"}, "Key curve is no key for EdDSA"),
        ({"x": None}, "Key curve is no key for EdDSA"),
        ({"d": "AAAA"}, "Key curve is no key for EdDSA"),
        # What it signed nobody could verify.
        ({"d": a_curve_key("other")["d"]}, "Key curve is no key for EdDSA"),
    ],
)
def test_so_is_a_key_of_a_curve(changes: dict[str, Any], message: str) -> None:
    assert refusal_of({**CURVE, **changes}) == message


def test_exactly_32_bytes_are_enough() -> None:
    short, enough = "A" * 42, "A" * 43

    assert refusal_of({**SECRET, "k": short}) == "Key first has less than 32 bytes"
    assert a_key_set({**SECRET, "k": enough}).signing.kid == "first"


def test_a_key_may_leave_out_what_follows_from_its_kind() -> None:
    bare = {name: SECRET[name] for name in ("kty", "kid", "k")}

    assert a_key_set(bare).signing.algorithm == "HS256"
    assert a_key_set({**bare, "use": "sig"}).signing.algorithm == "HS256"


def test_two_keys_of_one_name_are_refused() -> None:
    assert refusal_of(SECRET, new_key("first")) == "Two keys have the same kid"


def test_one_key_is_a_set_of_one() -> None:
    assert read_keys(json.dumps(SECRET)).key_for("first").kid == "first"


def test_the_first_key_that_can_sign_does() -> None:
    assert a_key_set(SECRET, CURVE).signing.kid == "first"
    assert a_key_set(PUBLIC, SECRET).signing.kid == "first"
    assert a_key_set({**CURVE, "alg": "EdDSA"}, SECRET).signing.algorithm == "EdDSA"


def test_keys_that_only_verify_are_not_enough() -> None:
    assert refusal_of(PUBLIC) == "There is no key that can sign"


def test_a_secret_signs_and_verifies_and_a_private_key_only_signs() -> None:
    secret, curve = a_key_set(SECRET).signing, a_key_set(CURVE).signing

    assert secret.signing == secret.verifying == b"secret secret secret secret secret"
    assert isinstance(curve.signing, Ed25519PrivateKey)
    assert isinstance(curve.verifying, Ed25519PublicKey)


def test_a_public_key_verifies_what_its_private_one_has_signed() -> None:
    bearer = a_bearer()

    assert tokens.read(tokens.sign(bearer, a_key_set(CURVE)), a_key_set(SECRET, PUBLIC)) == bearer


@pytest.mark.parametrize("kid", ["third", "", None, 5, ["first"]])
def test_an_unknown_name_leads_to_a_key_that_nobody_has(kid: object) -> None:
    for key_set, algorithm in ((a_key_set(SECRET), "HS256"), (a_key_set(CURVE), "EdDSA")):
        decoy = key_set.key_for(kid)

        assert (decoy.algorithm, decoy.signing, decoy.kid) == (algorithm, None, "")
        assert decoy is key_set.key_for("another")
        assert type(decoy.verifying) is type(key_set.signing.verifying)
        assert decoy.verifying != key_set.signing.verifying


def test_decoys_differ_from_set_to_set() -> None:
    assert a_key_set(SECRET).key_for("x").verifying != a_key_set(SECRET).key_for("x").verifying
    assert len(a_key_set(SECRET).key_for("x").verifying) == 32


def test_a_new_key_is_one_that_can_be_used_and_no_other_is_like_it() -> None:
    made = new_key("third")

    assert (made["kty"], made["kid"], made["alg"]) == ("oct", "third", "HS256")
    assert len(a_key_set(made).signing.signing) == 32
    assert new_key("third")["k"] != made["k"]


def test_nobody_who_prints_a_key_prints_its_secret() -> None:
    assert repr(KEYS.signing) == "Key(kid='first', algorithm='HS256')"
    assert SECRET["k"] not in repr(KEYS)


def test_without_the_package_for_it_a_curve_is_refused_and_the_remedy_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "has_crypto", False)

    assert refusal_of(CURVE) == (
        "Key curve: EdDSA needs the package cryptography, which is not installed;"
        " docs/deploying.md says how to add it"
    )
    assert a_key_set(SECRET).signing.kid == "first"
