"""Every REST operation: what it takes, what it answers, which errors can occur.

The one table from which the OpenAPI document is made, and which tests hold
against the routes. ``HEAD`` goes wherever ``GET`` goes and has no entry.
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
from ..schemas.fields import UUID_PATTERN, Request
from ..schemas.requests import (
    EVENTS_A_PAGE,
    MOST_EVENTS_A_PAGE,
    AdjustTime,
    CreateSession,
    NoFields,
    PauseSession,
    SwitchCycle,
)
from ..schemas.tokens import MintToken
from .components import Schema

SESSION: Final = "/v1/sessions/{session_id}"


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: Literal["path", "query", "header"]
    description: str
    schema: Schema

    @property
    def required(self) -> bool:
        return self.place == "path"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one status means. ``body`` is the type of what comes as JSON; another media
    type has none. ``headers`` are names in ``HEADERS``. From an answer that
    ``leads_to_session`` links go to everything that can be done with it.
    """

    meaning: str
    body: Any = None
    headers: tuple[str, ...] = ()
    media_type: str | None = None
    leads_to_session: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. ``view`` is the name of the function that serves it.

    ``action`` is what a token has to allow where AUTH is on; None needs no token.
    One that ``is_limited`` may be refused for coming too often, and tells what is left.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    view: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    errors: tuple[str, ...] = ()
    takes: type[Request] | None = None
    body_may_be_absent: bool = True
    parameters: tuple[Parameter, ...] = field(default=())
    is_limited: bool = False
    action: Action | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """Every error code that this operation can tell."""
        of_bodies = BODY_ERRORS if self.takes else ()
        of_tokens = TOKEN_ERRORS if self.action else ()
        of_limits = ("RATE_LIMIT_EXCEEDED",) if self.is_limited else ()
        return tuple(
            dict.fromkeys((*self.errors, *of_bodies, *of_tokens, *of_limits, "INTERNAL_ERROR"))
        )


COUNT: Final[Schema] = {"type": "integer", "minimum": 0}


class Header(NamedTuple):
    """A header of answers; unless it ``is_always_there``, some of those that name it lack it."""

    description: str
    schema: Schema
    is_always_there: bool = True


LIMIT_HEADERS: Final = {
    "RateLimit-Limit": Header("How many there may be.", COUNT, False),
    "RateLimit-Remaining": Header("How many more there may be at once.", COUNT, False),
    "RateLimit-Reset": Header("Seconds until there may be as many as ever.", COUNT, False),
}
"""What tells of a limit, wherever one was counted against."""

HEADERS: Final = {
    "Retry-After": Header("Seconds after which to try again.", COUNT),
    "Cache-Control": Header("For how long this may be kept.", {"type": "string"}, False),
    "ETag": Header(
        "The version that is shown, in quotes; of the page its digest.",
        {"type": "string", "pattern": '^"[0-9a-f]+"$'},
    ),
    # As API Gateway calls it on the way; its own refusals have none.
    "x-amzn-Remapped-WWW-Authenticate": Header("How to authenticate.", {"const": "Bearer"}, False),
    **LIMIT_HEADERS,
}

SESSION_ID: Final = Parameter(
    "session_id",
    "path",
    "A UUID; any case comes in, lower case goes out.",
    {"type": "string", "format": "uuid", "pattern": f"^{UUID_PATTERN}$"},
)
TOKEN_ID: Final = Parameter(
    "token_id",
    "path",
    "The `token_id` that a token was minted with, its `jti`.",
    {"type": "string", "pattern": f"^{JTI_PATTERN}$"},
)
AFTER: Final = Parameter(
    "after",
    "query",
    "The `id` of the last event that is known already; a page from behind it is returned.",
    {"type": "string", "pattern": "^[0-9]{1,19}-[0-9]{1,19}$"},
)
LIMIT: Final = Parameter(
    "limit",
    "query",
    "How many events a page has at most.",
    {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_EVENTS_A_PAGE,
        "default": EVENTS_A_PAGE,
    },
)

IF_MATCH: Final = Parameter(
    "If-Match",
    "header",
    "Entity tags of the versions that this is meant for; `*` is any, as long as there is one.",
    {"type": "string"},
)
IF_NONE_MATCH: Final = Parameter(
    "If-None-Match",
    "header",
    "Entity tags of versions that are known: one of them is not told again.",
    {"type": "string"},
)
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    "header",
    "The same key with the same request has the same answer for a day, and one effect.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": f"^{KEY_PATTERN}$"},
)

BODY_ERRORS: Final = (
    "VALIDATION_ERROR",
    "MALFORMED_JSON",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
)
TOKEN_ERRORS: Final = ("UNAUTHENTICATED", "FORBIDDEN", "KEYS_UNAVAILABLE")
# A read commits timeouts that are due, and can lose the race for that, too.
READ_ERRORS: Final = ("VALIDATION_ERROR", "SESSION_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE")

CONDITION_ERRORS: Final = ("PRECONDITION_FAILED", "IDEMPOTENCY_KEY_REUSED")

CACHED: Final = ("Cache-Control",)


def _command(
    name: str,
    view: str,
    summary: str,
    *errors: str,
    takes: type[Request] = NoFields,
    body_may_be_absent: bool = True,
    answer: Any = StateAnswer,
) -> Operation:
    return Operation(
        "POST",
        f"{SESSION}/{name}",
        view,
        "commands",
        summary,
        {200: Answer("Carried out.", answer, ("ETag",))},
        (*READ_ERRORS, *errors, *CONDITION_ERRORS),
        takes,
        body_may_be_absent,
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
        "Create a session; the same request again creates nothing twice.",
        {
            201: Answer(
                "Created.", CreationAnswer, ("ETag", "Cache-Control"), leads_to_session=True
            ),
            200: Answer(
                "Created before by the same request; as it has become.",
                CreationAnswer,
                ("ETag", "Cache-Control"),
                leads_to_session=True,
            ),
        },
        (
            "SESSION_EXISTS",
            "CONFLICT",
            "STORE_UNAVAILABLE",
            "IDEMPOTENCY_KEY_REUSED",
            # It was there, and gone before what was due in it was settled.
            "SESSION_NOT_FOUND",
        ),
        CreateSession,
        body_may_be_absent=False,
        parameters=(IDEMPOTENCY_KEY,),
        is_limited=True,
        action=Action.CREATE,
    ),
    Operation(
        "GET",
        SESSION,
        "get_session",
        "sessions",
        "The session as of now.",
        {
            200: Answer(
                "The session, timeouts that were due settled.",
                StateAnswer,
                ("ETag", "Cache-Control"),
            ),
            304: Answer(
                "It is at a version that is known; its clocks have run on.",
                headers=("ETag", "Cache-Control"),
            ),
        },
        READ_ERRORS,
        parameters=(SESSION_ID, IF_NONE_MATCH),
        is_limited=True,
        action=Action.READ,
    ),
    Operation(
        "DELETE",
        SESSION,
        "delete_session",
        "sessions",
        "Make the session gone, whether it was there or not.",
        {204: Answer("It is gone.")},
        # A condition, too, commits timeouts that are due.
        ("VALIDATION_ERROR", "CONFLICT", "STORE_UNAVAILABLE", *CONDITION_ERRORS),
        parameters=(SESSION_ID, IF_MATCH, IDEMPOTENCY_KEY),
        is_limited=True,
        action=Action.DELETE,
    ),
    Operation(
        "GET",
        f"{SESSION}/events",
        "get_events",
        "sessions",
        "What has happened, oldest first, in pages.",
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
        "Sign a token for the session that holds no longer than the caller's own.",
        {201: Answer("Signed; it is kept nowhere.", TokenAnswer, ("Cache-Control",))},
        (*READ_ERRORS, "NOT_FOUND"),
        MintToken,
        body_may_be_absent=False,
        parameters=(SESSION_ID,),
        is_limited=True,
        action=Action.MINT,
    ),
    Operation(
        "DELETE",
        f"{SESSION}/tokens/{{token_id}}",
        "revoke_token",
        "tokens",
        "Have a token of the session not hold any more, from this moment on.",
        {204: Answer("It holds no more, if it ever did.")},
        ("VALIDATION_ERROR", "STORE_UNAVAILABLE", "NOT_FOUND"),
        parameters=(SESSION_ID, TOKEN_ID),
        is_limited=True,
        action=Action.REVOKE,
    ),
    _command(
        "start",
        "start_session",
        "Start the first cycle of a pending session.",
        "INVALID_STATE_TRANSITION",
    ),
    _command(
        "switch",
        "switch_cycle",
        "End the running cycle, begin the next.",
        "INVALID_STATE_TRANSITION",
        "STALE_CYCLE",
        "PARTICIPANT_EXPIRED",
        takes=SwitchCycle,
        answer=SwitchAnswer,
    ),
    _command(
        "pause",
        "pause_session",
        "Stop the running clock.",
        "INVALID_STATE_TRANSITION",
        "STALE_CYCLE",
        takes=PauseSession,
    ),
    _command(
        "resume",
        "resume_session",
        "Let the clock of a paused session run on.",
        "INVALID_STATE_TRANSITION",
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
        "Give a clock time, or take some.",
        "INVALID_STATE_TRANSITION",
        takes=AdjustTime,
        body_may_be_absent=False,
    ),
    _command(
        "undo",
        "undo_switch",
        "Take back the last switch, as if it had not been.",
        "INVALID_STATE_TRANSITION",
    ),
    Operation(
        "GET",
        "/v1/time",
        "get_time",
        "server",
        "The store's clock, by which all times are told.",
        {200: Answer("Now.", ServerTime)},
        ("STORE_UNAVAILABLE",),
    ),
    Operation(
        "GET",
        "/health",
        "health",
        "server",
        "Whether this process answers.",
        {200: Answer("It does.", Alive)},
    ),
    Operation(
        "GET",
        "/ready",
        "ready",
        "server",
        "Whether the store answers, too.",
        {
            200: Answer("It does.", Ready),
            503: Answer("It doesn't.", NotReady, ("Retry-After",)),
        },
    ),
    Operation(
        "GET",
        "/metrics",
        "metrics",
        "server",
        "What Prometheus collects.",
        {200: Answer("Prometheus's text format.", media_type="text/plain")},
    ),
    Operation(
        "GET",
        "/openapi.json",
        "get_openapi",
        "contract",
        "This document.",
        {200: Answer("OpenAPI 3.1.", dict[str, Any], CACHED)},
    ),
    Operation(
        "GET",
        "/asyncapi.json",
        "get_asyncapi",
        "contract",
        "What the WebSocket says and hears.",
        {200: Answer("AsyncAPI 3.", dict[str, Any], CACHED)},
    ),
    Operation(
        "GET",
        "/",
        "get_page",
        "page",
        "The page on which sessions are made and shown.",
        {
            200: Answer("The page.", media_type="text/html", headers=("ETag", *CACHED)),
            304: Answer("It has not changed.", headers=("ETag", *CACHED)),
        },
        parameters=(IF_NONE_MATCH,),
    ),
    Operation(
        "GET",
        "/docs",
        "get_docs",
        "contract",
        "A page to read this document on, and to try it.",
        {200: Answer("The page.", media_type="text/html", headers=CACHED)},
    ),
)
