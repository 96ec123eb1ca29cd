"""What is asked and told about tokens."""

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
    participant_id: Uuid | None = Field(None, description="Of a participant, and of nobody else")
    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_TOKEN_TTL_SECONDS)] | None = None

    def check(self, participant_ids: set[str]) -> None:
        """Go on, if it is for somebody who is in the session.

        Raises:
            InvalidRequest: A participant is not named, or not known, or one is that is none.
        """
        named = self.participant_id
        wrong: FieldProblem | None = None
        if self.role != "participant":
            if named is not None:
                wrong = _wrong(f"A {self.role} is no participant", "contradiction")
        elif named is None:
            wrong = _wrong("Field required", "missing")
        elif named not in participant_ids:
            wrong = _wrong("Not part of this session", "unknown_participant")
        if wrong is not None:
            raise InvalidRequest([wrong])


def _wrong(message: str, code: str) -> FieldProblem:
    return {"field": "participant_id", "message": message, "code": code}


class MintedToken(TypedDict):
    """A token, and what it says; ``token_id`` is the name to revoke it by."""

    token: str
    token_id: str
    role: str
    participant_id: NotRequired[str]
    expires_at: str


class Links(TypedDict):
    """Tokens for everybody who has to do with a new session."""

    host: MintedToken
    viewer: MintedToken
    participants: list[MintedToken]


def minted_token(bearer: Bearer, token: str) -> MintedToken:
    made: MintedToken = {
        "token": token,
        "token_id": bearer.token_id,
        "role": bearer.role.value,
        "expires_at": iso(bearer.valid_until_s * 1000),
    }
    if bearer.participant_id is not None:
        made["participant_id"] = bearer.participant_id
    return made


def read_token_id(text: str) -> str:
    """A token's id from a path.

    Raises:
        InvalidRequest: No token is called so.
    """
    if not re.fullmatch(JTI_PATTERN, text):
        raise InvalidRequest(
            [{"field": "token_id", "message": "Not the id of a token", "code": "token_id"}]
        )
    return text
