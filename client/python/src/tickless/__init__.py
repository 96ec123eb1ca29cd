"""The Python client of Tickless.

It stands alone: it imports nothing of the server, and needs only httpx and websockets.
"""

from .appointments import snapshot_at
from .async_rest import AsyncRestClient
from .clock_math import participant_at, session_remaining_ms, state_at
from .display_clock import ClockFace, DisplayFrame, display_frame, display_frames
from .environment import Environment, TokenSource
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
    NoResponse,
    NotFound,
    ParticipantExists,
    ParticipantExpired,
    ParticipantNotFound,
    ParticipantWithdrawn,
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
from .format import format_elapsed, format_remaining
from .rest import RestClient
from .rest_operations import SessionResponse
from .rest_request import RetryPolicy
from .server_clock import ServerClock
from .session_client import SessionClient
from .session_protocol import ClientTimeouts
from .state_version import Snapshot, StateVersion
from .wire_types import (
    CommandName,
    ConnectionState,
    EventPage,
    Links,
    MintedToken,
    ParticipantState,
    Role,
    SessionEvent,
    SessionState,
    SwitchResult,
)

__all__ = [
    "ApiError",
    "AsyncRestClient",
    "BadRequest",
    "ClientTimeouts",
    "ClockFace",
    "CommandError",
    "CommandName",
    "Conflict",
    "ConnectionState",
    "DisplayFrame",
    "Environment",
    "EventPage",
    "Forbidden",
    "IdempotencyKeyReused",
    "InternalError",
    "InvalidRequest",
    "InvalidStateTransition",
    "KeysUnavailable",
    "Links",
    "MalformedJson",
    "MethodNotAllowed",
    "MintedToken",
    "NoResponse",
    "NotFound",
    "ParticipantExists",
    "ParticipantExpired",
    "ParticipantNotFound",
    "ParticipantState",
    "ParticipantWithdrawn",
    "PayloadTooLarge",
    "PreconditionFailed",
    "RateLimitExceeded",
    "RestClient",
    "RetryPolicy",
    "Role",
    "ServerClock",
    "SessionClient",
    "SessionEvent",
    "SessionExists",
    "SessionNotFound",
    "SessionResponse",
    "SessionState",
    "Snapshot",
    "StaleCycle",
    "StateVersion",
    "StoreUnavailable",
    "SwitchResult",
    "TicklessError",
    "TokenSource",
    "Unauthenticated",
    "UnsupportedMediaType",
    "display_frame",
    "display_frames",
    "format_elapsed",
    "format_remaining",
    "participant_at",
    "session_remaining_ms",
    "snapshot_at",
    "state_at",
]
