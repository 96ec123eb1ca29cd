"""/v1/sessions/{id}/tokens: mint and revoke tokens; and those that come with a new session.

Tokens are made for each answer and kept nowhere, not even with the answers that
are kept for an Idempotency-Key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, cast

from chalice.app import Response
from pydantic_core import from_json

from ..auth.policy import Action, Role
from ..container import container
from ..schemas.errors import Problem
from ..schemas.requests import read_session_id
from ..schemas.tokens import Links, MintedToken, MintToken, minted_token, read_token_id
from .responses import body_as, no_content, plain, refuse
from .session_requests import Call, CountedResource

if TYPE_CHECKING:
    from ..schemas.answers import CreationAnswer

routes = CountedResource(__name__)

TOKENS = "/v1/sessions/{session_id}/tokens"
NOWHERE = Problem("NOT_FOUND", "There are no tokens where AUTH is off")

UNKEPT = {"Cache-Control": "no-store"}


@routes.view(TOKENS, "POST", action=Action.MINT)
def mint_token(call: Call, session_id: str) -> Response:
    authenticator, by = container().authenticator, call.bearer
    if authenticator is None or by is None:
        return refuse(NOWHERE)
    asked = body_as(MintToken, call.request)
    outcome = container().engine.get_current_state(
        read_session_id(session_id), limit_check=call.limit_check, bearer=by
    )
    setup = outcome.session.setup
    asked.check({one.participant_id for one in setup.participants})
    minted = authenticator.mint(
        by,
        setup.session_id,
        Role(asked.role),
        asked.participant_id,
        asked.expires_in_seconds,
        outcome.now_ms,
    )
    return plain({"data": minted_token(minted, authenticator.sign(minted))}, 201, UNKEPT)


@routes.view(f"{TOKENS}/{{token_id}}", "DELETE", action=Action.REVOKE)
def revoke_token(call: Call, session_id: str, token_id: str) -> Response:
    if call.bearer is None:
        return refuse(NOWHERE)
    container().engine.revoke_token(
        read_session_id(session_id),
        read_token_id(token_id),
        call.bearer,
        limit_check=call.limit_check,
    )
    return no_content()


def with_links(created: Response) -> Response:
    """The answer to a creation, with a token for everybody who has to do with the session."""
    authenticator = container().authenticator
    if authenticator is None:
        return created
    body: CreationAnswer = from_json(cast(str, created.body))
    state = body["data"]
    session_tokens = authenticator.session_tokens(
        state["session_id"],
        [one["participant_id"] for one in state["participants"]],
        round(datetime.fromisoformat(state["created_at"]).timestamp() * 1000),
    )
    body["links"] = _links(
        [minted_token(guest, authenticator.sign(guest)) for guest in session_tokens]
    )
    return plain(body, created.status_code, {**cast(dict[str, str], created.headers), **UNKEPT})


def _links(minted: Sequence[MintedToken]) -> Links:
    host, viewer, *participants = minted
    return {"host": host, "viewer": viewer, "participants": participants}
