"""Idempotency: one effect and one response for a request, however often it is sent.

A request that may be repeated has a key. Its commit stores, in the same atomic step, an
IdempotencyRecord: the version it made, a fingerprint of the request, and the response. When the
key comes again, the record is found by the load (or, if both copies run at once, by the commit),
and its response is replayed. The same key with another fingerprint is refused. Errors are not
stored: nothing was changed, so the request may be sent again with its key.

Commits without a key get a random one, which makes the store's own retry of a lost reply safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..core.errors import IdempotencyKeyReused
from ..ports import REMEMBER_COMMANDS_MS, IdempotencyRecord
from ..telemetry.log_context import append_keys

if TYPE_CHECKING:
    from .commit_loop import CommandResult


def fingerprint(operation: str, body: bytes) -> bytes:
    """A digest of what a request asks for; two requests of one key must have the same."""
    return blake2b(operation.encode() + b"\n" + body, digest_size=16).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request with a key.

    ``key`` is unique within the session; ``fingerprint`` has no spaces. ``respond`` makes the
    response of a result: it is called before the commit, which stores it for ``keep_ms``.
    """

    key: str
    fingerprint: bytes
    respond: Callable[[CommandResult], bytes]
    keep_ms: int = REMEMBER_COMMANDS_MS

    def record(self, result: CommandResult) -> IdempotencyRecord:
        """What a commit of this result stores."""
        session = result.session
        return IdempotencyRecord(
            session.version, self.fingerprint, self.respond(result), session.epoch
        )

    def replay(self, record: IdempotencyRecord) -> bytes:
        """The response of the first request with this key.

        Raises:
            IdempotencyKeyReused: That was another request.
        """
        if record.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused
        append_keys(repeated=True)
        if record.version:
            # The session may have been deleted and created again since.
            append_keys(epoch=record.epoch, version=record.version)
        return record.response
