"""The keys that tokens are signed with: a JSON Web Key Set, read once.

What a key may be used for is a matter of the key alone (RFC 8725, 3.1): whoever
makes a token chooses which key it names, never how it is verified. Of secrets
nothing is ever part of a message.

https://www.rfc-editor.org/rfc/rfc7517, rfc7518 (oct) and rfc8037 (OKP)
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jwt.algorithms import HMACAlgorithm, has_crypto
from jwt.exceptions import InvalidKeyError
from jwt.utils import base64url_encode

MIN_SECRET_BYTES: Final = 32
"""RFC 7518, 3.2: an HMAC's key is at least as long as its digest."""

ALGORITHMS: Final = {"oct": "HS256", "OKP": "EdDSA"}


class InvalidKeys(Exception):
    """There are no keys to be had from what was given; the message names which, and why."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key and its only algorithm; ``signing`` is None of one that can but verify."""

    kid: str
    algorithm: str
    verifying: Any = field(repr=False)
    signing: Any = field(repr=False)


class KeySet:
    """Keys by the name that tokens call them by; the first that can signs new tokens."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = {key.kid: key for key in keys}
        if len(self._keys) < len(keys):
            raise InvalidKeys("Two keys have the same kid")
        signing = [key for key in keys if key.signing is not None]
        if not signing:
            raise InvalidKeys("There is no key that can sign")
        self.signing = signing[0]
        self._dummy_key = _dummy_key(self.signing.algorithm)

    def __contains__(self, key: Key) -> bool:
        return key is not self._dummy_key

    def key_for(self, kid: object) -> Key:
        """The key of this name; for any other name one that nobody has signed with.

        So a key that does not exist fails where, and as late as, a wrong signature does.
        """
        return self._keys.get(kid, self._dummy_key) if isinstance(kid, str) else self._dummy_key


def read_keys(text: str) -> KeySet:
    """The keys of a JSON Web Key Set, or of a single key, as text.

    Raises:
        InvalidKeys: It is none, or one of its keys can't be used here.
    """
    try:
        found = json.loads(text)
    except ValueError:
        raise InvalidKeys("The keys are no JSON") from None
    if isinstance(found, dict) and "kty" in found:
        found = {"keys": [found]}
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise InvalidKeys("The keys are no JSON Web Key Set")
    return KeySet([_read(key) for key in keys])


def new_key(kid: str) -> dict[str, str]:
    """A new key for HS256, as a JSON Web Key."""
    secret = base64url_encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode()
    return {"kty": "oct", "kid": kid, "alg": "HS256", "k": secret}


def _read(key: Mapping[str, Any]) -> Key:
    kid, kty = key.get("kid"), key.get("kty")
    if not isinstance(kid, str) or not kid:
        raise InvalidKeys("A key has no kid")
    algorithm = ALGORITHMS.get(kty) if isinstance(kty, str) else None
    if algorithm is None:
        raise InvalidKeys(f"Key {kid}: kty must be one of {', '.join(ALGORITHMS)}")
    if key.get("alg", algorithm) != algorithm:
        raise InvalidKeys(f"Key {kid}: an {kty} key is for {algorithm}")
    if key.get("use", "sig") != "sig":
        raise InvalidKeys(f"Key {kid}: use must be sig")
    if algorithm == "EdDSA" and not has_crypto:
        raise InvalidKeys(
            f"Key {kid}: EdDSA needs the package cryptography, which is not installed;"
            " docs/deploying.md says how to add it"
        )
    try:
        return _of_secret(kid, key) if algorithm == "HS256" else _of_curve(kid, key)
    except (InvalidKeyError, ValueError, TypeError, KeyError):
        # What the library says may quote what it was given.
        raise InvalidKeys(f"Key {kid} is no key for {algorithm}") from None


def _of_secret(kid: str, key: Mapping[str, Any]) -> Key:
    secret = HMACAlgorithm.from_jwk(dict(key))
    if len(secret) < MIN_SECRET_BYTES:
        raise InvalidKeys(f"Key {kid} has less than {MIN_SECRET_BYTES} bytes")
    return Key(kid, "HS256", secret, secret)


def _of_curve(kid: str, key: Mapping[str, Any]) -> Key:
    # PyJWT has it only where cryptography is installed.
    from jwt.algorithms import OKPAlgorithm  # noqa: PLC0415

    if key.get("crv") != "Ed25519":
        raise InvalidKeys(f"Key {kid}: crv must be Ed25519")
    public = OKPAlgorithm.from_jwk({name: value for name, value in key.items() if name != "d"})
    return Key(kid, "EdDSA", public, OKPAlgorithm.from_jwk(dict(key)) if "d" in key else None)


def _dummy_key(algorithm: str) -> Key:
    if algorithm == "HS256":
        secret = secrets.token_bytes(MIN_SECRET_BYTES)
        return Key("", algorithm, secret, None)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    return Key("", algorithm, Ed25519PrivateKey.generate().public_key(), None)
