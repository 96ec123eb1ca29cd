"""Requests and responses for tokens."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from ..auth.policy import JTI_PATTERN, Bearer
from ..settings import MAX_TOKEN_TTL_SECONDS
from .errors import FieldProblem, InvalidRequest
from .fields import Request, Uuid
from .states import iso


class MintToken(Request):
    """POST /v1/sessions/{id}/tokens."""

    role: Literal["host", "participant", "viewer"]
    participant_id: Uuid | None = Field(
        None, description="Required for a participant; not allowed for other roles"
    )
    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_TOKEN_TTL_SECONDS)] | None = None

    def check(self, participant_ids: set[str]) -> None:
        """Check that ``participant_id`` fits the role and the session.

        Raises:
            InvalidRequest: It is missing, unknown, or given for another role.
        """
        participant_id = self.participant_id
        wrong: FieldProblem | None = None
        if self.role != "participant":
            if participant_id is not None:
                wrong = _wrong(f"Leave it out: a {self.role} is not a participant", "contradiction")
        elif participant_id is None:
            wrong = _wrong("Field required", "missing")
        elif participant_id not in participant_ids:
            wrong = _wrong("Must be a participant of this session", "unknown_participant")
        if wrong is not None:
            raise InvalidRequest([wrong])


def _wrong(message: str, code: str) -> FieldProblem:
    return {"field": "participant_id", "message": message, "code": code}


class MintedToken(TypedDict):
    """A signed token and its claims; ``token_id`` is the id to revoke it by."""

    token: str
    token_id: str
    role: str
    participant_id: NotRequired[str]
    expires_at: str


class Links(TypedDict):
    """Tokens for the host, the viewers and each participant of a new session."""

    host: MintedToken
    viewer: MintedToken
    participants: list[MintedToken]


def minted_token(bearer: Bearer, token: str) -> MintedToken:
    minted: MintedToken = {
        "token": token,
        "token_id": bearer.token_id,
        "role": bearer.role.value,
        "expires_at": iso(bearer.valid_until_s * 1000),
    }
    if bearer.participant_id is not None:
        minted["participant_id"] = bearer.participant_id
    return minted


def read_token_id(text: str) -> str:
    """A token id from a path.

    Raises:
        InvalidRequest: The text is not in the format of token ids.
    """
    if not re.fullmatch(JTI_PATTERN, text):
        raise InvalidRequest(
            [{"field": "token_id", "message": "Must be a token id", "code": "token_id"}]
        )
    return text
