"""Token authenticator: verifies tokens, and issues the tokens of a session.

Owns the validity period and the ids of issued tokens. Decides no permissions: see ``policy``.
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
"""How many verified tokens a process caches."""


def random_token_id() -> str:
    return secrets.token_hex(16)


class TokenAuthenticator:
    """Verifies and signs tokens. Thread-safe."""

    def __init__(
        self,
        key_cache: KeyCache,
        token_ttl_seconds: int,
        new_id: Callable[[], str] = random_token_id,
    ) -> None:
        self._key_cache = key_cache
        # A valid signature stays valid while the keys are the same; the store checks expiry and
        # revocation each time.
        self._read = lru_cache(maxsize=TOKEN_CACHE_SIZE)(tokens.read)
        self._token_ttl_seconds = token_ttl_seconds
        self._new_id = new_id

    def authenticate(self, token: str | None) -> Bearer:
        """Verify a token's signature and claims; the store checks whether it is valid now.

        Raises:
            Unauthenticated: The token is missing or invalid.
            KeysUnavailable: The keys to verify it cannot be read.
        """
        if token is None:
            raise Unauthenticated
        cached = self._key_cache.keys()
        try:
            return self._read(token, cached)
        except tokens.UnknownKey:
            # Another instance may have signed it with a key that is newer than ours.
            newer = self._key_cache.newer_than(cached)
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
        """A new bearer for a session, valid at most as long as its parent ``by``.

        Raises:
            Forbidden: The parent is already ``MAX_DELEGATION_DEPTH`` deep.
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
        """Bearers for the host, the viewer and each participant of a session, in this order.

        Token ids are derived from the session: a repeated creation returns the same tokens, so
        a revoked token is never reissued under another id.
        """
        since_s = created_at_ms // 1000
        until_s = since_s + self._token_ttl_seconds

        def bearer(role: Role, participant_id: str | None = None) -> Bearer:
            identity = f"{session_id} {created_at_ms} {role} {participant_id}"
            token_id = blake2b(identity.encode(), digest_size=16).hexdigest()
            return Bearer(role, session_id, token_id, since_s, until_s, participant_id)

        return [
            bearer(Role.HOST),
            bearer(Role.VIEWER),
            *(bearer(Role.PARTICIPANT, one) for one in participant_ids),
        ]
