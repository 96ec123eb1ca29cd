"""Redis errors: which may be retried, and which mean that the store is unavailable."""

from __future__ import annotations

from redis import exceptions
from redis.exceptions import RedisClusterException, ResponseError

from ..ports import StoreUnavailable

UNAVAILABLE_CODES = (
    *("BUSY", "CLUSTERDOWN", "MASTERDOWN", "MISCONF", "MOVED"),
    *("NOPERM", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN"),
)
"""Error codes that mean the server or its configuration is at fault, not the command.

MOVED means that the settings take a cluster for a single server.
"""

UNAVAILABLE_MESSAGES = (
    "ERR ACL failure in script",  # Valkey, of a user without a right that a script needs
    "ERR The user executing the script can't",  # Redis 7, of the same
)

UNANSWERED = exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ClusterDownError
LOST = *UNANSWERED, exceptions.ReadOnlyError, exceptions.SlotNotCoveredError
"""Errors after which a new connection may lead to a server that answers."""

FINAL = exceptions.AuthenticationError, exceptions.BusyLoadingError, exceptions.MaxConnectionsError
"""Those connection errors after which it would not."""

ERRORS = exceptions.RedisError, RedisClusterException
"""All that redis-py raises of its own."""


def store_error(error: Exception) -> Exception:
    """StoreUnavailable, or the same error where the server is in order and the call is not."""
    code, message = code_and_message(error)
    if not isinstance(error, ResponseError):
        return StoreUnavailable(message)
    is_unavailable = code in UNAVAILABLE_CODES or message.startswith(UNAVAILABLE_MESSAGES)
    return StoreUnavailable(message) if is_unavailable else error


def code_and_message(error: Exception) -> tuple[str, str]:
    """A server's error code, such as NOSCRIPT, and all that it said; redis-py takes them apart."""
    text, code = str(error), getattr(error, "status_code", None)
    return (code, f"{code} {text}") if code else (text.partition(" ")[0], text)
