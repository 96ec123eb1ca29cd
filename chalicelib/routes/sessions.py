"""/v1/sessions: create, read, command and delete sessions."""

from __future__ import annotations

from collections.abc import Callable

from chalice.app import Response

from ..core.rules import Adjust, Cancel, Command, Complete, Pause, Resume, Start, Switch, Undo
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
from ..telemetry.work import note
from ..wiring import services
from .answers import body_as, no_content, not_modified, plain, succeed
from .calls import Call, CountedResource, unpacked

routes = CountedResource(__name__)

SESSION = "/v1/sessions/{session_id}"


@routes.view("/v1/sessions", "POST")
def create_session(call: Call) -> Response:
    setup = body_as(CreateSession, call.request).setup()
    note(session_id=setup.session_id)
    once, engine = call.once(_created), services().engine
    if once is None:
        return _created(engine.create_session(setup, charge=call.charge))
    return unpacked(engine.create_session_once(setup, once, charge=call.charge))


@routes.view(SESSION, "GET", "HEAD")
def get_session(call: Call, session_id: str) -> Response:
    held = call.held_versions()
    outcome = services().engine.get_current_state(read_session_id(session_id), charge=call.charge)
    response = not_modified(outcome) if outcome.session.version in held else _state(outcome)
    response.headers["Cache-Control"] = "no-cache"
    return response


@routes.view(SESSION, "DELETE")
def delete_session(call: Call, session_id: str) -> Response:
    services().engine.delete_session(
        read_session_id(session_id),
        once=call.once(lambda _: no_content()),
        expected_versions=call.expected_versions(),
        charge=call.charge,
    )
    return no_content()


@routes.view(f"{SESSION}/events", "GET", "HEAD")
def get_events(call: Call, session_id: str) -> Response:
    page = read_page(call.request.query_params or {})
    events = services().engine.get_events(
        read_session_id(session_id),
        page.after,
        # One more than is shown: whether anything follows.
        page.limit + 1,
        charge=call.charge,
    )
    return plain({"data": log_page(events, page.limit)})


@routes.view(f"{SESSION}/start", "POST")
def start_session(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Start(), _state)


@routes.view(f"{SESSION}/switch", "POST")
def switch_cycle(call: Call, session_id: str) -> Response:
    asked = body_as(SwitchCycle, call.request)
    call.counts_as_switch_of(read_session_id(session_id))
    switch = Switch(asked.next_participant_id, asked.current_participant_id)
    return _carry_out(call, session_id, switch, _switched)


@routes.view(f"{SESSION}/pause", "POST")
def pause_session(call: Call, session_id: str) -> Response:
    asked = body_as(PauseSession, call.request)
    return _carry_out(call, session_id, Pause(asked.current_participant_id), _state)


@routes.view(f"{SESSION}/resume", "POST")
def resume_session(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Resume(), _state)


@routes.view(f"{SESSION}/complete", "POST")
def complete_session(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Complete(), _state)


@routes.view(f"{SESSION}/cancel", "POST")
def cancel_session(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Cancel(), _state)


@routes.view(f"{SESSION}/adjust", "POST")
def adjust_time(call: Call, session_id: str) -> Response:
    asked = body_as(AdjustTime, call.request)
    adjust = Adjust(asked.delta_ms, asked.participant_id, asked.group_id, asked.reason)
    return _carry_out(call, session_id, adjust, _state)


@routes.view(f"{SESSION}/undo", "POST")
def undo_switch(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Undo(), _state)


def _carry_out(
    call: Call, session_id: str, command: Command, shown: Callable[[Outcome], Response]
) -> Response:
    session_id = read_session_id(session_id)
    once, expected, engine = call.once(shown), call.expected_versions(), services().engine
    if once is None:
        return shown(
            engine.carry_out(session_id, command, expected_versions=expected, charge=call.charge)
        )
    return unpacked(
        engine.carry_out_once(
            session_id, command, once, expected_versions=expected, charge=call.charge
        )
    )


def _state(outcome: Outcome) -> Response:
    return succeed(outcome.state, outcome)


def _created(outcome: Outcome) -> Response:
    return succeed(outcome.state, outcome, 201 if outcome.created else 200)


def _switched(outcome: Outcome) -> Response:
    return succeed(switch_result(outcome.state, outcome.expired_participant_id), outcome)
