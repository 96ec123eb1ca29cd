"""JSON Web Tokens: sign and verify.

Owns the format, the signature and the claims. Reads no clock: ``store/scripts/check_token.lua``
checks ``nbf``, ``exp`` and revocation, in the script that loads the session.

https://www.rfc-editor.org/rfc/rfc7519 and rfc8725
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import jwt

from ..core.errors import Unauthenticated
from ..settings import MAX_TOKEN_TTL_SECONDS
from .jwks import KeySet
from .policy import EVERY_SESSION, JTI_PATTERN, Bearer, Role

MAX_TOKEN_LENGTH: Final = 2_048
MAX_TIMESTAMP_S: Final = 2**40
"""About the year 36800; a later timestamp is a mistake or an attack."""

_ID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# The store validates the times. Our tokens have no audience: PyJWT rejects one that has.
_OPTIONS: Final[Any] = {
    "require": ["sid", "role", "exp", "nbf", "jti"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


class UnknownKey(Unauthenticated):
    """The token names none of our keys. Clients get the same message as for any other."""


def sign(bearer: Bearer, keys: KeySet) -> str:
    """The signed token of a bearer."""
    key = keys.signing
    claims: dict[str, Any] = {
        "sid": bearer.session_id,
        # On the wire, a server is the host of every session.
        "role": Role.HOST if bearer.role is Role.SERVER else bearer.role,
        "nbf": bearer.valid_from_s,
        "exp": bearer.valid_until_s,
        "jti": bearer.token_id,
    }
    if bearer.participant_id is not None:
        claims["pid"] = bearer.participant_id
    return jwt.encode(claims, key.signing, key.algorithm, headers={"kid": key.kid})


def read(token: str, keys: KeySet) -> Bearer:
    """Verify a token's signature and claims, but not whether it is valid now.

    Raises:
        UnknownKey: The token names none of the keys.
        Unauthenticated: The token is malformed, its signature is wrong, or its claims are invalid.
    """
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise Unauthenticated
    try:
        key = keys.key_for(jwt.get_unverified_header(token).get("kid"))
    except jwt.PyJWTError:
        raise Unauthenticated from None
    try:
        claims = jwt.decode(token, key.verifying, algorithms=[key.algorithm], options=_OPTIONS)
    except jwt.PyJWTError:
        # PyJWT's message quotes the token: it must not reach the client or the log.
        raise (Unauthenticated if key in keys else UnknownKey) from None
    return _bearer(claims)


def _bearer(claims: Mapping[str, Any]) -> Bearer:
    sid, token_id, pid = claims["sid"], claims["jti"], claims.get("pid")
    session_id = EVERY_SESSION if sid == EVERY_SESSION else _id(sid)
    participant_id = None if pid is None else _id(pid)
    since_s, until_s = _seconds(claims["nbf"]), _seconds(claims["exp"])
    try:
        role = Role(claims["role"])
    except ValueError:
        raise Unauthenticated from None
    if role is Role.SERVER or (role is Role.PARTICIPANT) != (participant_id is not None):
        raise Unauthenticated
    if session_id == EVERY_SESSION:
        if role is not Role.HOST:
            raise Unauthenticated
        role = Role.SERVER
    elif until_s - since_s > MAX_TOKEN_TTL_SECONDS:
        raise Unauthenticated
    if not isinstance(token_id, str) or not re.fullmatch(JTI_PATTERN, token_id):
        raise Unauthenticated
    return Bearer(role, session_id, token_id, since_s, until_s, participant_id)


def _id(value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value.lower()):
        raise Unauthenticated
    return value.lower()


def _seconds(value: object) -> int:
    # True is an int in Python, but not in JSON.
    if type(value) is not int or not 0 <= value < MAX_TIMESTAMP_S:
        raise Unauthenticated
    return value
