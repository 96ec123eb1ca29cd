"""Token checks in scripts, and the encoding of a bearer.

A script with ``check_token.lua`` prepended first checks the token's ``nbf``, ``exp`` and
revocation, atomically and in the same round trip. Only the bearer is stored, never the token.
"""

from __future__ import annotations

from typing import Any

from ..auth.policy import Bearer, Role
from ..core.errors import Unauthenticated
from .keys import SessionKeys
from .script import ScriptArguments

REFUSED = 1
"""How many values a script returns if it rejects the token: the time alone."""


def with_token(arguments: ScriptArguments, session: SessionKeys, bearer: Bearer) -> ScriptArguments:
    """A script's keys and arguments, extended for ``check_token.lua``."""
    key_count = int(arguments[0])
    revoked = [session.revoked(token_id) for token_id in bearer.revocations]
    keys, arguments = arguments[1 : key_count + 1], arguments[key_count + 1 :]
    validity = bearer.valid_from_s * 1000, valid_until_ms(bearer), len(revoked)
    return (key_count + len(revoked), *keys, *revoked, *arguments, *validity)


def check_accepted(answer: list[Any]) -> None:
    """Return if the script accepted the token.

    Raises:
        Unauthenticated: It rejected the token.
    """
    if len(answer) == REFUSED:
        raise Unauthenticated


def valid_until_ms(bearer: Bearer) -> int:
    return bearer.valid_until_s * 1000


def encode_bearer(bearer: Bearer) -> str:
    """A bearer as one line of text, its fields separated by spaces."""
    return " ".join(
        (
            bearer.role,
            bearer.session_id,
            bearer.token_id,
            str(bearer.valid_from_s),
            str(bearer.valid_until_s),
            bearer.participant_id or "-",
        )
    )


def decode_bearer(text: str) -> Bearer:
    role, session_id, token_id, from_s, until_s, participant_id = text.split(" ")
    return Bearer(
        Role(role),
        session_id,
        token_id,
        int(from_s),
        int(until_s),
        None if participant_id == "-" else participant_id,
    )
