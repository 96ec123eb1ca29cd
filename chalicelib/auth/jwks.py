"""JSON Web Key Set parser: HS256 and EdDSA keys.

The key alone fixes the algorithm (RFC 8725, 3.1): a token chooses its key, never how it is
verified. No message contains a secret.

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
"""RFC 7518, 3.2: an HMAC key is at least as long as the digest."""

ALGORITHMS: Final = {"oct": "HS256", "OKP": "EdDSA"}


class InvalidKeys(Exception):
    """The configured keys cannot be read or used; the message says which one, and why."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key and its only algorithm; ``signing`` is None for a key that can only verify."""

    kid: str
    algorithm: str
    verifying: Any = field(repr=False)
    signing: Any = field(repr=False)


class KeySet:
    """Keys by their ``kid``; the first key that can sign signs new tokens."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = {key.kid: key for key in keys}
        if len(self._keys) < len(keys):
            raise InvalidKeys("Two keys have the same kid")
        signing = [key for key in keys if key.signing is not None]
        if not signing:
            raise InvalidKeys("No key can sign; add one with its secret or private part")
        self.signing = signing[0]
        self._dummy_key = _dummy_key(self.signing.algorithm)

    def __contains__(self, key: Key) -> bool:
        return key is not self._dummy_key

    def key_for(self, kid: object) -> Key:
        """The key with this ``kid``, or a dummy key that no token is signed with.

        The dummy makes an unknown ``kid`` fail at the same point, and after the same work, as a
        wrong signature.
        """
        return self._keys.get(kid, self._dummy_key) if isinstance(kid, str) else self._dummy_key


def read_keys(text: str) -> KeySet:
    """Parse a JSON Web Key Set, or a single JSON Web Key.

    Raises:
        InvalidKeys: The text is not a key set, or a key in it cannot be used.
    """
    try:
        document = json.loads(text)
    except ValueError:
        raise InvalidKeys("The keys are not JSON") from None
    if isinstance(document, dict) and "kty" in document:
        document = {"keys": [document]}
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise InvalidKeys("The keys are not a JSON Web Key Set")
    return KeySet([_read(key) for key in keys])


def new_key(kid: str) -> dict[str, str]:
    """A new HS256 key, as a JSON Web Key."""
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
            f"Key {kid}: EdDSA needs the cryptography package, which is not installed;"
            " see docs/deploying.md"
        )
    try:
        return _of_secret(kid, key) if algorithm == "HS256" else _of_curve(kid, key)
    except (InvalidKeyError, ValueError, TypeError, KeyError):
        # The library's message may quote the key.
        raise InvalidKeys(f"Key {kid} is not a valid {algorithm} key") from None


def _of_secret(kid: str, key: Mapping[str, Any]) -> Key:
    secret = HMACAlgorithm.from_jwk(dict(key))
    if len(secret) < MIN_SECRET_BYTES:
        raise InvalidKeys(
            f"Key {kid}: k must have at least {MIN_SECRET_BYTES} bytes, got {len(secret)}"
        )
    return Key(kid, "HS256", secret, secret)


def _of_curve(kid: str, key: Mapping[str, Any]) -> Key:
    # PyJWT defines it only where cryptography is installed.
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
