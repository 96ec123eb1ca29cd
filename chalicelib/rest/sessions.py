"""/v1/sessions: create, read, command and delete sessions."""

from __future__ import annotations

from collections.abc import Callable

from chalice.app import Response

from ..auth.policy import Action
from ..container import container
from ..core.commands import Adjust, Cancel, Command, Complete, Pause, Resume, Start, Switch, Undo
from ..engine.sync_engine import Outcome
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
from ..telemetry.log_context import append_keys
from .responses import body_as, no_content, not_modified, plain, succeed
from .session_requests import Call, CountedResource, unpacked
from .tokens import with_links

routes = CountedResource(__name__)

SESSION = "/v1/sessions/{session_id}"


@routes.view("/v1/sessions", "POST", action=Action.CREATE)
def create_session(call: Call) -> Response:
    setup = body_as(CreateSession, call.request).setup()
    append_keys(session_id=setup.session_id)
    idempotency, engine = call.idempotency(_created), container().engine
    if idempotency is None:
        made = engine.create_session(setup, limit_check=call.limit_check, bearer=call.bearer)
        return with_links(_created(made))
    return with_links(
        unpacked(
            engine.create_session_once(
                setup, idempotency, limit_check=call.limit_check, bearer=call.bearer
            )
        )
    )


@routes.view(SESSION, "GET", "HEAD", action=Action.READ)
def get_session(call: Call, session_id: str) -> Response:
    held = call.cached_versions()
    outcome = container().engine.get_current_state(
        read_session_id(session_id), limit_check=call.limit_check, bearer=call.bearer
    )
    response = not_modified(outcome) if outcome.session.version in held else _state(outcome)
    response.headers["Cache-Control"] = "no-cache"
    return response


@routes.view(SESSION, "DELETE", action=Action.DELETE)
def delete_session(call: Call, session_id: str) -> Response:
    container().engine.delete_session(
        read_session_id(session_id),
        idempotency=call.idempotency(lambda _: no_content()),
        expected_versions=call.expected_versions(),
        limit_check=call.limit_check,
        bearer=call.bearer,
    )
    return no_content()


@routes.view(f"{SESSION}/events", "GET", "HEAD", action=Action.READ)
def get_events(call: Call, session_id: str) -> Response:
    page = read_page(call.request.query_params or {})
    events = container().engine.get_events(
        read_session_id(session_id),
        page.after,
        # One more than is shown: whether anything follows.
        page.limit + 1,
        limit_check=call.limit_check,
        bearer=call.bearer,
    )
    return plain({"data": log_page(events, page.limit)})


@routes.view(f"{SESSION}/start", "POST", action=Action.START)
def start_session(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Start(), _state)


@routes.view(f"{SESSION}/switch", "POST", action=Action.SWITCH)
def switch_cycle(call: Call, session_id: str) -> Response:
    asked = body_as(SwitchCycle, call.request)
    call.counts_as_switch_of(read_session_id(session_id))
    switch = Switch(asked.next_participant_id, asked.current_participant_id)
    return _carry_out(call, session_id, switch, _switched)


@routes.view(f"{SESSION}/pause", "POST", action=Action.PAUSE)
def pause_session(call: Call, session_id: str) -> Response:
    asked = body_as(PauseSession, call.request)
    return _carry_out(call, session_id, Pause(asked.current_participant_id), _state)


@routes.view(f"{SESSION}/resume", "POST", action=Action.RESUME)
def resume_session(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Resume(), _state)


@routes.view(f"{SESSION}/complete", "POST", action=Action.COMPLETE)
def complete_session(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Complete(), _state)


@routes.view(f"{SESSION}/cancel", "POST", action=Action.CANCEL)
def cancel_session(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Cancel(), _state)


@routes.view(f"{SESSION}/adjust", "POST", action=Action.ADJUST)
def adjust_time(call: Call, session_id: str) -> Response:
    asked = body_as(AdjustTime, call.request)
    adjust = Adjust(asked.delta_ms, asked.participant_id, asked.group_id, asked.reason)
    return _carry_out(call, session_id, adjust, _state)


@routes.view(f"{SESSION}/undo", "POST", action=Action.UNDO)
def undo_switch(call: Call, session_id: str) -> Response:
    body_as(NoFields, call.request)
    return _carry_out(call, session_id, Undo(), _state)


def _carry_out(
    call: Call, session_id: str, command: Command, shown: Callable[[Outcome], Response]
) -> Response:
    session_id = read_session_id(session_id)
    command = call.restrict(command)
    idempotency, expected, engine = (
        call.idempotency(shown),
        call.expected_versions(),
        container().engine,
    )
    if idempotency is None:
        return shown(
            engine.execute(
                session_id,
                command,
                expected_versions=expected,
                limit_check=call.limit_check,
                bearer=call.bearer,
            )
        )
    return unpacked(
        engine.execute_idempotent(
            session_id,
            command,
            idempotency,
            expected_versions=expected,
            limit_check=call.limit_check,
            bearer=call.bearer,
        )
    )


def _state(outcome: Outcome, status: int = 200) -> Response:
    return succeed({"data": outcome.state, "timestamp": outcome.now_ms}, outcome, status)


def _created(outcome: Outcome) -> Response:
    return _state(outcome, 201 if outcome.created else 200)


def _switched(outcome: Outcome) -> Response:
    result = switch_result(outcome.state, outcome.expired_participant_id)
    return succeed({"data": result, "timestamp": outcome.now_ms}, outcome)
