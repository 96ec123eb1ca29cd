"""The gate: a token comes in, a bearer goes on; and new tokens, for whom a session is made.

Owns how long tokens hold and what they are called. Must never be asked whether
somebody may do something: that is ``roles``'.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b

from ..core.errors import Unauthenticated
from . import jwt as tokens
from .key_cache import KeyCache
from .policy import Bearer, Role

TOKEN_CACHE_SIZE = 1_024
"""Whose tokens need not be verified again while a process lives."""


def random_token_id() -> str:
    return secrets.token_hex(16)


class TokenAuthenticator:
    """Reads tokens and signs new ones; safe for many threads."""

    def __init__(
        self,
        key_cache: KeyCache,
        token_ttl_seconds: int,
        new_id: Callable[[], str] = random_token_id,
    ) -> None:
        self._key_cache = key_cache
        # A signature that was right stays right while the keys are the same; whether the
        # token holds is asked each time.
        self._read = lru_cache(maxsize=TOKEN_CACHE_SIZE)(tokens.read)
        self._token_ttl_seconds = token_ttl_seconds
        self._new_id = new_id

    def authenticate(self, token: str | None) -> Bearer:
        """Whom a token names.

        Raises:
            Unauthenticated: There is none, or we have not signed it.
            KeysUnavailable: Nobody can say whether we have.
        """
        if token is None:
            raise Unauthenticated
        known = self._key_cache.keys()
        try:
            return self._read(token, known)
        except tokens.UnknownKey:
            # Another instance may have signed it with a key that came after ours.
            newer = self._key_cache.newer_than(known)
            if newer is None:
                raise
            return self._read(token, newer)

    def sign(self, bearer: Bearer) -> str:
        return tokens.sign(bearer, self._key_cache.keys())

    def mint(
        self,
        by: Bearer,
        session_id: str,
        role: Role,
        participant_id: str | None,
        ttl_seconds: int | None,
        now_ms: int,
    ) -> Bearer:
        """A new bearer for a session, who stays no longer than the one it is made ``by``.

        Raises:
            Forbidden: That one is too late in a line of those who made one another.
        """
        now_s = now_ms // 1000
        until_s = now_s + (ttl_seconds or self._token_ttl_seconds)
        return Bearer(
            role,
            session_id,
            by.child_token_id(self._new_id()),
            now_s,
            min(until_s, by.valid_until_s),
            participant_id,
        )

    def session_tokens(
        self, session_id: str, participant_ids: Sequence[str], created_at_ms: int
    ) -> list[Bearer]:
        """Host, viewer and each participant of a session, in this order.

        They follow from the session: who creates it again is given the same
        tokens again, and none that was revoked comes back under another name.
        """
        since_s = created_at_ms // 1000
        until_s = since_s + self._token_ttl_seconds

        def guest(role: Role, participant_id: str | None = None) -> Bearer:
            named = f"{session_id} {created_at_ms} {role} {participant_id}"
            token_id = blake2b(named.encode(), digest_size=16).hexdigest()
            return Bearer(role, session_id, token_id, since_s, until_s, participant_id)

        return [
            guest(Role.HOST),
            guest(Role.VIEWER),
            *(guest(Role.PARTICIPANT, one) for one in participant_ids),
        ]
