"""Test bearers of each role, and the keys that sign their tokens."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from chalicelib.auth.jwks import KeySet, new_key, read_keys
from chalicelib.auth.key_cache import KeyCache
from chalicelib.auth.policy import EVERY_SESSION, Bearer, Role

SESSION = "00000000-0000-4000-8000-000000000000"
OTHER_SESSION = "00000000-0000-4000-8000-000000000001"
ANNE = "00000000-0000-4000-8000-00000000000a"
BEN = "00000000-0000-4000-8000-00000000000b"

SINCE_S, UNTIL_S = 1_699_999_000, 1_700_003_600
"""Around the time of a fake store's clock."""


def a_bearer(role: Role = Role.HOST, **changes: Any) -> Bearer:
    return Bearer(
        **{
            "role": role,
            "session_id": EVERY_SESSION if role is Role.SERVER else SESSION,
            "token_id": f"{role}-1",
            "valid_from_s": SINCE_S,
            "valid_until_s": UNTIL_S,
            "participant_id": ANNE if role is Role.PARTICIPANT else None,
            **changes,
        }
    )


def a_curve_key(kid: str) -> dict[str, Any]:
    """A new key for EdDSA, private part included."""
    return {**json.loads(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate())), "kid": kid}


def a_key_set(*keys: dict[str, Any]) -> KeySet:
    return read_keys(json.dumps({"keys": list(keys)}))


def a_key_cache() -> KeyCache:
    """A cache of ``KEYS``."""
    return KeyCache(lambda *, fresh: KEYS_TEXT)


SECRET = {
    "kty": "oct",
    "kid": "first",
    "alg": "HS256",
    "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA",
}
KEYS_TEXT = json.dumps({"keys": [SECRET, new_key("second")]})
KEYS = read_keys(KEYS_TEXT)
