"""The Python client of Tickless.

Law: it stands alone. It imports nothing of the server, and nothing but httpx
and websockets besides the standard library.
"""

from .async_rest import AsyncRestClient
from .calls import Answer, Retries
from .conversation import Pace
from .display_clock import Face, Look, look_at, looks
from .errors import (
    ApiError,
    BadRequest,
    CommandError,
    Conflict,
    Forbidden,
    IdempotencyKeyReused,
    InternalError,
    InvalidRequest,
    InvalidStateTransition,
    KeysUnavailable,
    MalformedJson,
    MethodNotAllowed,
    NoAnswer,
    NotFound,
    ParticipantExpired,
    PayloadTooLarge,
    PreconditionFailed,
    RateLimitExceeded,
    SessionExists,
    SessionNotFound,
    StaleCycle,
    StoreUnavailable,
    TicklessError,
    Unauthenticated,
    UnsupportedMediaType,
)
from .figures import participant_at, session_remaining_ms, shown_at
from .format import time_left, time_passed
from .place import Held, Place
from .rest import RestClient
from .server_clock import ServerClock
from .session_client import SessionClient
from .states import (
    CommandName,
    ConnectionState,
    Links,
    LogPage,
    MintedToken,
    ParticipantState,
    Role,
    SessionEvent,
    SessionState,
    SwitchResult,
)
from .world import Token, World

__all__ = [
    "Answer",
    "ApiError",
    "AsyncRestClient",
    "BadRequest",
    "CommandError",
    "CommandName",
    "Conflict",
    "ConnectionState",
    "Face",
    "Forbidden",
    "Held",
    "IdempotencyKeyReused",
    "InternalError",
    "InvalidRequest",
    "InvalidStateTransition",
    "KeysUnavailable",
    "Links",
    "LogPage",
    "Look",
    "MalformedJson",
    "MethodNotAllowed",
    "MintedToken",
    "NoAnswer",
    "NotFound",
    "Pace",
    "ParticipantExpired",
    "ParticipantState",
    "PayloadTooLarge",
    "Place",
    "PreconditionFailed",
    "RateLimitExceeded",
    "RestClient",
    "Retries",
    "Role",
    "ServerClock",
    "SessionClient",
    "SessionEvent",
    "SessionExists",
    "SessionNotFound",
    "SessionState",
    "StaleCycle",
    "StoreUnavailable",
    "SwitchResult",
    "TicklessError",
    "Token",
    "Unauthenticated",
    "UnsupportedMediaType",
    "World",
    "look_at",
    "looks",
    "participant_at",
    "session_remaining_ms",
    "shown_at",
    "time_left",
    "time_passed",
]
