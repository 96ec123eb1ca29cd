"""JSON Web Signatures in their compact form, as tokens have them: taken apart, verified, made.

Owns form and signature; what is signed is for others to understand. How a
signature is verified, the key alone says. There are libraries for this; PyJWT,
the best known, imports an HTTP client, and would cost a cold start more than
all else that a token needs. It reads what is made here, and makes what is read
here, in the tests.

https://www.rfc-editor.org/rfc/rfc7515, rfc7518 (HS256) and rfc8037 (EdDSA)
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from .base64url import decode, encode
from .keys import Key


class Malformed(ValueError):
    """It is no JSON Web Signature."""


class Unverified(NamedTuple):
    """What a text says, whoever has written it; the signature is of ``signed``."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def take_apart(text: str) -> Unverified:
    """The parts of a text.

    Raises:
        Malformed: It has others than a header, claims and a signature.
    """
    parts = text.split(".")
    if len(parts) != 3:
        raise Malformed
    try:
        header, claims, signature = map(decode, parts)
        signed = text.rpartition(".")[0].encode()
        return Unverified(_object(header), _object(claims), signed, signature)
    except ValueError:
        # What it is about is quoted from the text.
        raise Malformed from None


def verify(found: Unverified, key: Key) -> bool:
    """Whether this key has signed it, in the one way in which it signs."""
    is_right = (_verify_hmac if key.algorithm == "HS256" else _verify_curve)(found, key)
    # Nothing that must be understood (RFC 7515, 4.1.11) is understood here.
    return is_right and found.header.get("alg") == key.algorithm and "crit" not in found.header


def make(claims: Mapping[str, Any], key: Key) -> str:
    """Claims, signed with a key that can sign."""
    header = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}
    text = f"{encode(to_json(header))}.{encode(to_json(claims))}"
    if key.algorithm == "HS256":
        signature = hmac.digest(key.signing, text.encode(), "sha256")
    else:
        signature = key.signing.sign(text.encode())
    return f"{text}.{encode(signature)}"


def _verify_hmac(found: Unverified, key: Key) -> bool:
    return hmac.compare_digest(hmac.digest(key.verifying, found.signed, "sha256"), found.signature)


def _verify_curve(found: Unverified, key: Key) -> bool:
    # There is no such key where it is not installed.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    try:
        key.verifying.verify(found.signature, found.signed)
    except InvalidSignature:
        return False
    return True


def _object(data: bytes) -> dict[str, Any]:
    found = from_json(data, allow_inf_nan=False)
    if not isinstance(found, dict):
        raise Malformed
    return found
