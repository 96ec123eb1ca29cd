"""The table of REST operations: request, responses and error codes.

The OpenAPI document is generated from it, and tests compare it with the routes. ``HEAD`` works
wherever ``GET`` does and has no entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from ..auth.policy import JTI_PATTERN, Action
from ..schemas.answers import (
    Alive,
    CreationAnswer,
    EventsAnswer,
    NotReady,
    Ready,
    ServerTime,
    StateAnswer,
    SwitchAnswer,
    TokenAnswer,
)
from ..schemas.conditions import KEY_PATTERN
from ..schemas.creation import CreateSession
from ..schemas.fields import UUID_PATTERN, Request
from ..schemas.requests import (
    DEFAULT_PAGE_SIZE,
    MAX_PAGE_SIZE,
    AdjustTime,
    FinishClock,
    JoinSession,
    NoFields,
    PatchParticipant,
    PauseSession,
    ResumeSession,
    SetTurn,
    StartSession,
    SwitchCycle,
    UpdateSession,
)
from ..schemas.tokens import MintToken
from .components import Schema

SESSION: Final = "/v1/sessions/{session_id}"


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    location: Literal["path", "query", "header"]
    description: str
    schema: Schema

    @property
    def required(self) -> bool:
        return self.location == "path"


@dataclass(frozen=True, slots=True)
class Answer:
    """The response with one status.

    ``body`` is the type of a JSON body; other media types have none. ``headers`` are names in
    ``HEADERS``. A response that ``links_to_session`` has links to every operation on the session.
    """

    description: str
    body: Any = None
    headers: tuple[str, ...] = ()
    media_type: str | None = None
    links_to_session: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. ``view`` is the name of its route function.

    ``action`` is what the token must allow where AUTH is on; ``None`` needs no token. An operation
    that ``is_limited`` is rate limited and reports the remaining quota.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    view: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    errors: tuple[str, ...] = ()
    request: type[Request] | None = None
    is_body_optional: bool = True
    parameters: tuple[Parameter, ...] = field(default=())
    is_limited: bool = False
    action: Action | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """Every error code that this operation can return."""
        of_bodies = BODY_ERRORS if self.request else ()
        of_tokens = TOKEN_ERRORS if self.action else ()
        of_limits = ("RATE_LIMIT_EXCEEDED",) if self.is_limited else ()
        return tuple(
            dict.fromkeys((*self.errors, *of_bodies, *of_tokens, *of_limits, "INTERNAL_ERROR"))
        )


COUNT: Final[Schema] = {"type": "integer", "minimum": 0}


class Header(NamedTuple):
    """A response header; responses that list it always have it if ``is_always_there``."""

    description: str
    schema: Schema
    is_always_there: bool = True


LIMIT_HEADERS: Final = {
    "RateLimit-Limit": Header("The limit.", COUNT, False),
    "RateLimit-Remaining": Header("How many more requests are allowed at once.", COUNT, False),
    "RateLimit-Reset": Header("Seconds until the full limit is available.", COUNT, False),
}
"""The headers of a response to a request that was counted against a limit."""

HEADERS: Final = {
    "Retry-After": Header("Seconds to wait before retrying.", COUNT),
    "Cache-Control": Header("How long the response may be cached.", {"type": "string"}, False),
    "ETag": Header(
        "The session's version in quotes; for the web page, its digest.",
        {"type": "string", "pattern": '^"[0-9a-f]+"$'},
    ),
    # API Gateway renames the header; its own rejections don't have it.
    "x-amzn-Remapped-WWW-Authenticate": Header("How to authenticate.", {"const": "Bearer"}, False),
    **LIMIT_HEADERS,
}

SESSION_ID: Final = Parameter(
    "session_id",
    "path",
    "A UUID in any case; responses use lower case.",
    {"type": "string", "format": "uuid", "pattern": f"^{UUID_PATTERN}$"},
)
PARTICIPANT_ID: Final = Parameter(
    "participant_id",
    "path",
    "A UUID in any case; responses use lower case.",
    {"type": "string", "format": "uuid", "pattern": f"^{UUID_PATTERN}$"},
)
TOKEN_ID: Final = Parameter(
    "token_id",
    "path",
    "The token's `token_id`, its `jti` claim.",
    {"type": "string", "pattern": f"^{JTI_PATTERN}$"},
)
AFTER: Final = Parameter(
    "after",
    "query",
    "The `id` of the last event you have; the page starts after it.",
    {"type": "string", "pattern": "^[0-9]{1,19}-[0-9]{1,19}$"},
)
LIMIT: Final = Parameter(
    "limit",
    "query",
    "The maximum number of events in the page.",
    {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_PAGE_SIZE,
        "default": DEFAULT_PAGE_SIZE,
    },
)

IF_MATCH: Final = Parameter(
    "If-Match",
    "header",
    "Entity tags of the expected versions; `*` matches any existing session.",
    {"type": "string"},
)
IF_NONE_MATCH: Final = Parameter(
    "If-None-Match",
    "header",
    "Entity tags of cached versions; 304 if one of them is current.",
    {"type": "string"},
)
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    "header",
    "For 24 hours, the same request with the same key has the same response, and one effect.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": f"^{KEY_PATTERN}$"},
)

BODY_ERRORS: Final = (
    "VALIDATION_ERROR",
    "MALFORMED_JSON",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
)
TOKEN_ERRORS: Final = ("UNAUTHENTICATED", "FORBIDDEN", "KEYS_UNAVAILABLE")
# A read commits due timeouts, so it can conflict too.
READ_ERRORS: Final = ("VALIDATION_ERROR", "SESSION_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE")

CONDITION_ERRORS: Final = ("PRECONDITION_FAILED", "IDEMPOTENCY_KEY_REUSED")

CACHED: Final = ("Cache-Control",)


def _command(
    name: str,
    view: str,
    summary: str,
    *errors: str,
    request: type[Request] = NoFields,
    is_body_optional: bool = True,
    answer: Any = StateAnswer,
) -> Operation:
    return Operation(
        "POST",
        f"{SESSION}/{name}",
        view,
        "commands",
        summary,
        {200: Answer("The command was applied.", answer, ("ETag",))},
        (*READ_ERRORS, *errors, *CONDITION_ERRORS),
        request,
        is_body_optional,
        (SESSION_ID, IF_MATCH, IDEMPOTENCY_KEY),
        is_limited=True,
        action=Action(name),
    )


OPERATIONS: Final = (
    Operation(
        "POST",
        "/v1/sessions",
        "create_session",
        "sessions",
        "Create a session. Idempotent.",
        {
            201: Answer(
                "Created.", CreationAnswer, ("ETag", "Cache-Control"), links_to_session=True
            ),
            200: Answer(
                "Created before by the same request; the current state.",
                CreationAnswer,
                ("ETag", "Cache-Control"),
                links_to_session=True,
            ),
        },
        (
            "SESSION_EXISTS",
            "CONFLICT",
            "STORE_UNAVAILABLE",
            "IDEMPOTENCY_KEY_REUSED",
            # It existed, but was deleted before its due timeouts were settled.
            "SESSION_NOT_FOUND",
        ),
        CreateSession,
        is_body_optional=False,
        parameters=(IDEMPOTENCY_KEY,),
        is_limited=True,
        action=Action.CREATE,
    ),
    Operation(
        "GET",
        SESSION,
        "get_session",
        "sessions",
        "Get the current state of a session.",
        {
            200: Answer(
                "The session, with due timeouts applied.",
                StateAnswer,
                ("ETag", "Cache-Control"),
            ),
            304: Answer(
                "The session is at a cached version; its clocks have continued to run.",
                headers=("ETag", "Cache-Control"),
            ),
        },
        READ_ERRORS,
        parameters=(SESSION_ID, IF_NONE_MATCH),
        is_limited=True,
        action=Action.READ,
    ),
    Operation(
        "PATCH",
        SESSION,
        "update_session",
        "sessions",
        "Change the session's setup, by a JSON merge patch (RFC 7396).",
        {200: Answer("The patch was applied.", StateAnswer, ("ETag",))},
        (*READ_ERRORS, "INVALID_STATE_TRANSITION", *CONDITION_ERRORS),
        UpdateSession,
        parameters=(SESSION_ID, IF_MATCH, IDEMPOTENCY_KEY),
        is_limited=True,
        action=Action.UPDATE,
    ),
    Operation(
        "DELETE",
        SESSION,
        "delete_session",
        "sessions",
        "Delete the session. Idempotent.",
        {204: Answer("The session does not exist any more.")},
        # Checking a precondition commits due timeouts too.
        ("VALIDATION_ERROR", "CONFLICT", "STORE_UNAVAILABLE", *CONDITION_ERRORS),
        parameters=(SESSION_ID, IF_MATCH, IDEMPOTENCY_KEY),
        is_limited=True,
        action=Action.DELETE,
    ),
    Operation(
        "POST",
        f"{SESSION}/participants",
        "join_session",
        "participants",
        "Let a participant join, or one who has withdrawn come back. Idempotent.",
        {200: Answer("The participant takes part.", StateAnswer, ("ETag",))},
        (*READ_ERRORS, "INVALID_STATE_TRANSITION", "PARTICIPANT_EXISTS", *CONDITION_ERRORS),
        JoinSession,
        is_body_optional=False,
        parameters=(SESSION_ID, IF_MATCH, IDEMPOTENCY_KEY),
        is_limited=True,
        action=Action.JOIN,
    ),
    Operation(
        "PATCH",
        f"{SESSION}/participants/{{participant_id}}",
        "update_participant",
        "participants",
        "Change a participant, by a JSON merge patch (RFC 7396).",
        {200: Answer("The patch was applied.", StateAnswer, ("ETag",))},
        (*READ_ERRORS, "PARTICIPANT_NOT_FOUND", "INVALID_STATE_TRANSITION", *CONDITION_ERRORS),
        PatchParticipant,
        parameters=(SESSION_ID, PARTICIPANT_ID, IF_MATCH, IDEMPOTENCY_KEY),
        is_limited=True,
        action=Action.UPDATE_PARTICIPANT,
    ),
    Operation(
        "DELETE",
        f"{SESSION}/participants/{{participant_id}}",
        "withdraw_participant",
        "participants",
        "Withdraw a participant, who stays in the session but gets no more turns. Idempotent.",
        {200: Answer("The participant has withdrawn.", StateAnswer, ("ETag",))},
        (*READ_ERRORS, "PARTICIPANT_NOT_FOUND", "INVALID_STATE_TRANSITION", *CONDITION_ERRORS),
        parameters=(SESSION_ID, PARTICIPANT_ID, IF_MATCH, IDEMPOTENCY_KEY),
        is_limited=True,
        action=Action.WITHDRAW,
    ),
    Operation(
        "GET",
        f"{SESSION}/events",
        "get_events",
        "sessions",
        "List the session's events, oldest first, in pages.",
        {200: Answer("A page of the event log.", EventsAnswer)},
        READ_ERRORS,
        parameters=(SESSION_ID, AFTER, LIMIT),
        is_limited=True,
        action=Action.READ,
    ),
    Operation(
        "POST",
        f"{SESSION}/tokens",
        "mint_token",
        "tokens",
        "Mint a token for the session. It expires no later than the caller's.",
        {201: Answer("The token, which is not stored.", TokenAnswer, ("Cache-Control",))},
        (*READ_ERRORS, "NOT_FOUND"),
        MintToken,
        is_body_optional=False,
        parameters=(SESSION_ID,),
        is_limited=True,
        action=Action.MINT,
    ),
    Operation(
        "DELETE",
        f"{SESSION}/tokens/{{token_id}}",
        "revoke_token",
        "tokens",
        "Revoke a token of the session, and every token minted with it. Idempotent.",
        {204: Answer("The token is not valid any more.")},
        ("VALIDATION_ERROR", "STORE_UNAVAILABLE", "NOT_FOUND"),
        parameters=(SESSION_ID, TOKEN_ID),
        is_limited=True,
        action=Action.REVOKE,
    ),
    _command(
        "start",
        "start_session",
        "Start a pending session; in simultaneous, also the clocks that are waiting.",
        "INVALID_STATE_TRANSITION",
        request=StartSession,
    ),
    _command(
        "switch",
        "switch_cycle",
        "End the running cycle and begin the next.",
        "INVALID_STATE_TRANSITION",
        "STALE_CYCLE",
        "PARTICIPANT_WITHDRAWN",
        "PARTICIPANT_EXPIRED",
        request=SwitchCycle,
        answer=SwitchAnswer,
    ),
    _command(
        "pause",
        "pause_session",
        "Pause the session; in simultaneous, also one participant's clock.",
        "INVALID_STATE_TRANSITION",
        "STALE_CYCLE",
        request=PauseSession,
    ),
    _command(
        "resume",
        "resume_session",
        "Resume a paused session; in simultaneous, also one participant's clock.",
        "INVALID_STATE_TRANSITION",
        request=ResumeSession,
    ),
    _command(
        "finish",
        "finish_clock",
        "Finish a participant's clock, in simultaneous.",
        "INVALID_STATE_TRANSITION",
        request=FinishClock,
    ),
    _command(
        "complete",
        "complete_session",
        "End the session as completed.",
        "INVALID_STATE_TRANSITION",
    ),
    _command(
        "cancel",
        "cancel_session",
        "End the session as cancelled.",
        "INVALID_STATE_TRANSITION",
    ),
    _command(
        "adjust",
        "adjust_time",
        "Add time to a clock, or remove some; in simultaneous, also to all.",
        "INVALID_STATE_TRANSITION",
        request=AdjustTime,
        is_body_optional=False,
    ),
    _command(
        "undo",
        "undo_switch",
        "Undo the last switch.",
        "INVALID_STATE_TRANSITION",
    ),
    _command(
        "set_turn",
        "set_turn",
        "Make a participant of a paused session the active one.",
        "INVALID_STATE_TRANSITION",
        "PARTICIPANT_WITHDRAWN",
        "PARTICIPANT_EXPIRED",
        request=SetTurn,
        is_body_optional=False,
    ),
    _command(
        "reopen",
        "reopen_session",
        "Take back the end of a session: it is paused, as it stood then.",
        "INVALID_STATE_TRANSITION",
    ),
    _command(
        "reset",
        "reset_session",
        "Make the session pending again, with full clocks.",
    ),
    Operation(
        "GET",
        "/v1/time",
        "get_time",
        "server",
        "Get the time of the store's clock, which all timestamps use.",
        {200: Answer("The current time.", ServerTime)},
        ("STORE_UNAVAILABLE",),
    ),
    Operation(
        "GET",
        "/health",
        "health",
        "server",
        "Check that the process is alive.",
        {200: Answer("The process is alive.", Alive)},
    ),
    Operation(
        "GET",
        "/ready",
        "ready",
        "server",
        "Check that the store is available.",
        {
            200: Answer("The store is available.", Ready),
            503: Answer("The store is unavailable.", NotReady, ("Retry-After",)),
        },
    ),
    Operation(
        "GET",
        "/metrics",
        "metrics",
        "server",
        "Get metrics for Prometheus.",
        {200: Answer("Prometheus text format.", media_type="text/plain")},
    ),
    Operation(
        "GET",
        "/openapi.json",
        "get_openapi",
        "contract",
        "Get this document.",
        {200: Answer("OpenAPI 3.1.", dict[str, Any], CACHED)},
    ),
    Operation(
        "GET",
        "/asyncapi.json",
        "get_asyncapi",
        "contract",
        "Get the AsyncAPI document of the WebSocket.",
        {200: Answer("AsyncAPI 3.", dict[str, Any], CACHED)},
    ),
    Operation(
        "GET",
        "/",
        "get_page",
        "page",
        "Get the web page that creates and shows sessions.",
        {
            200: Answer("The web page.", media_type="text/html", headers=("ETag", *CACHED)),
            304: Answer("The web page has not changed.", headers=("ETag", *CACHED)),
        },
        parameters=(IF_NONE_MATCH,),
    ),
    Operation(
        "GET",
        "/docs",
        "get_docs",
        "contract",
        "Get a page to read and try the API documents.",
        {200: Answer("The web page.", media_type="text/html", headers=CACHED)},
    ),
)
