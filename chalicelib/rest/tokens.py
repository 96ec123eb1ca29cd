"""/v1/sessions/{id}/tokens: mint and revoke tokens; and the links of a new session.

Tokens are signed for each response and stored nowhere, not even with the responses that are
stored for an Idempotency-Key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, cast

from chalice.app import Response
from pydantic_core import from_json

from ..auth.policy import Action, Role
from ..schemas.errors import Problem
from ..schemas.tokens import Links, MintedToken, MintToken, minted_token, read_token_id
from .resource import SessionResource
from .responses import no_content, plain, refuse
from .session_request import SessionRequest

if TYPE_CHECKING:
    from ..auth.authenticator import TokenAuthenticator
    from ..container import Container
    from ..schemas.answers import CreationAnswer

TOKENS = "/v1/sessions/{session_id}/tokens"
AUTH_OFF = Problem("NOT_FOUND", "There are no tokens where AUTH is off")

NOT_STORED = {"Cache-Control": "no-store"}


def blueprint(container: Container) -> SessionResource:
    routes = SessionResource(__name__, container)

    @routes.view(TOKENS, "POST", action=Action.MINT)
    def mint_token(request: SessionRequest) -> Response:
        authenticator, minter = container.authenticator, request.bearer
        if authenticator is None or minter is None:
            return refuse(AUTH_OFF)
        fields = request.body(MintToken)
        result = container.engine.get_current_state(
            request.session_id, limit_check=request.limit_check, bearer=minter
        )
        setup = result.session.setup
        fields.check({one.participant_id for one in setup.participants})
        minted = authenticator.mint(
            minter,
            setup.session_id,
            Role(fields.role),
            fields.participant_id,
            fields.expires_in_seconds,
            result.now_ms,
        )
        return plain({"data": minted_token(minted, authenticator.sign(minted))}, 201, NOT_STORED)

    @routes.view(f"{TOKENS}/{{token_id}}", "DELETE", action=Action.REVOKE)
    def revoke_token(request: SessionRequest, token_id: str) -> Response:
        if request.bearer is None:
            return refuse(AUTH_OFF)
        container.engine.revoke_token(
            request.session_id,
            read_token_id(token_id),
            request.bearer,
            limit_check=request.limit_check,
        )
        return no_content()

    return routes


def with_links(created: Response, authenticator: TokenAuthenticator | None) -> Response:
    """The response to a creation, with a token for the host, viewers and each participant."""
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
        [minted_token(bearer, authenticator.sign(bearer)) for bearer in session_tokens]
    )
    headers = {**cast(dict[str, str], created.headers), **NOT_STORED}
    return plain(body, created.status_code, headers)


def _links(minted: Sequence[MintedToken]) -> Links:
    host, viewer, *participants = minted
    return {"host": host, "viewer": viewer, "participants": participants}
