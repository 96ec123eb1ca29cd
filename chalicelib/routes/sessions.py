"""/v1/sessions: create, read, command and delete sessions."""

from __future__ import annotations

from chalice.app import Response

from ..engine import Outcome
from ..schemas.requests import (
    AdjustTime,
    CreateSession,
    NoFields,
    PauseSession,
    SwitchCycle,
    read_page,
    read_session_id,
)
from ..schemas.states import log_page, switch_result
from ..wiring import services
from .answers import Resource, body_as, no_content, plain, succeed

routes = Resource(__name__)

SESSION = "/v1/sessions/{session_id}"


@routes.view("/v1/sessions", "POST")
def create_session() -> Response:
    setup = body_as(CreateSession, routes.current_request).setup()
    outcome = services().engine.create_session(setup)
    return _state(outcome, 201 if outcome.created else 200)


@routes.view(SESSION, "GET", "HEAD")
def get_session(session_id: str) -> Response:
    return _state(services().engine.get_current_state(read_session_id(session_id)))


@routes.view(SESSION, "DELETE")
def delete_session(session_id: str) -> Response:
    services().engine.delete_session(read_session_id(session_id))
    return no_content()


@routes.view(f"{SESSION}/events", "GET", "HEAD")
def get_events(session_id: str) -> Response:
    page = read_page(routes.current_request.query_params or {})
    # One more than is shown: whether anything follows.
    events = services().engine.get_events(read_session_id(session_id), page.after, page.limit + 1)
    return plain({"data": log_page(events, page.limit)})


@routes.view(f"{SESSION}/start", "POST")
def start_session(session_id: str) -> Response:
    body_as(NoFields, routes.current_request)
    return _state(services().engine.start_session(read_session_id(session_id)))


@routes.view(f"{SESSION}/switch", "POST")
def switch_cycle(session_id: str) -> Response:
    asked = body_as(SwitchCycle, routes.current_request)
    outcome = services().engine.switch_cycle(
        read_session_id(session_id), asked.next_participant_id, asked.current_participant_id
    )
    return succeed(switch_result(outcome.state, outcome.expired_participant_id), outcome)


@routes.view(f"{SESSION}/pause", "POST")
def pause_session(session_id: str) -> Response:
    asked = body_as(PauseSession, routes.current_request)
    return _state(
        services().engine.pause_session(read_session_id(session_id), asked.current_participant_id)
    )


@routes.view(f"{SESSION}/resume", "POST")
def resume_session(session_id: str) -> Response:
    body_as(NoFields, routes.current_request)
    return _state(services().engine.resume_session(read_session_id(session_id)))


@routes.view(f"{SESSION}/complete", "POST")
def complete_session(session_id: str) -> Response:
    body_as(NoFields, routes.current_request)
    return _state(services().engine.complete_session(read_session_id(session_id)))


@routes.view(f"{SESSION}/cancel", "POST")
def cancel_session(session_id: str) -> Response:
    body_as(NoFields, routes.current_request)
    return _state(services().engine.cancel_session(read_session_id(session_id)))


@routes.view(f"{SESSION}/adjust", "POST")
def adjust_time(session_id: str) -> Response:
    asked = body_as(AdjustTime, routes.current_request)
    return _state(
        services().engine.adjust_time(
            read_session_id(session_id),
            asked.delta_ms,
            asked.participant_id,
            asked.group_id,
            asked.reason,
        )
    )


@routes.view(f"{SESSION}/undo", "POST")
def undo_switch(session_id: str) -> Response:
    body_as(NoFields, routes.current_request)
    return _state(services().engine.undo_switch(read_session_id(session_id)))


def _state(outcome: Outcome, status: int = 200) -> Response:
    return succeed(outcome.state, outcome, status)
