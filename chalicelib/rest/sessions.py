"""/v1/sessions: create, read, command and delete sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from chalice.app import Response

from ..auth.policy import Action
from ..schemas.commands import COMMANDS, CommandName, CommandSpec
from ..schemas.creation import CreateSession
from ..schemas.requests import read_event_log_query, read_value
from ..schemas.states import event_views, log_page, shown_at_ms, switch_result
from ..telemetry.log_context import append_keys
from .resource import SessionResource, View
from .responses import no_content, not_modified, plain, succeed
from .session_request import SessionRequest, unpack
from .tokens import with_links

if TYPE_CHECKING:
    from ..container import Container
    from ..core.commands import Command
    from ..engine.commit_loop import CommandResult
    from ..engine.sync_engine import SyncEngine
    from ..schemas.answers import StateAnswer, SwitchAnswer
    from ..schemas.fields import Request as Fields

SESSION = "/v1/sessions/{session_id}"


def blueprint(container: Container) -> SessionResource:
    routes = SessionResource(__name__, container)

    @routes.view("/v1/sessions", "POST", action=Action.CREATE)
    def create_session(request: SessionRequest) -> Response:
        setup = request.body(CreateSession).setup()
        append_keys(session_id=setup.session_id)
        idempotency = request.idempotency(_created)
        engine, check, bearer = container.engine, request.limit_check, request.bearer
        if idempotency is None:
            created = _created(engine.create_session(setup, limit_check=check, bearer=bearer))
        else:
            created = unpack(
                engine.create_session_idempotent(
                    setup, idempotency, limit_check=check, bearer=bearer
                )
            )
        return with_links(created, container.authenticator)

    @routes.view(SESSION, "GET", "HEAD", action=Action.READ)
    def get_session(request: SessionRequest) -> Response:
        cached = request.cached_versions()
        result = container.engine.get_current_state(
            request.session_id, limit_check=request.limit_check, bearer=request.bearer
        )
        response = (
            not_modified(result.session.version)
            if result.session.version in cached
            else _state(result)
        )
        response.headers["Cache-Control"] = "no-cache"
        return response

    @routes.view(SESSION, "DELETE", action=Action.DELETE)
    def delete_session(request: SessionRequest) -> Response:
        container.engine.delete_session(
            request.session_id,
            idempotency=request.idempotency(lambda _: no_content()),
            expected_versions=request.expected_versions(),
            limit_check=request.limit_check,
            bearer=request.bearer,
        )
        return no_content()

    @routes.view(f"{SESSION}/events", "GET", "HEAD", action=Action.READ)
    def get_events(request: SessionRequest) -> Response:
        page = read_event_log_query(request.http.query_params or {})
        events = container.engine.get_events(
            request.session_id,
            page.after,
            # One more than is shown, to know whether there is a next page.
            page.limit + 1,
            limit_check=request.limit_check,
            bearer=request.bearer,
        )
        return plain({"data": log_page(events, page.limit)})

    for name, spec in COMMANDS.items():
        view = _command_view(container, name, spec)
        path = f"/{name}" if spec.path is None else spec.path
        routes.view(f"{SESSION}{path}", spec.method, action=spec.action)(view)
    return routes


def _command_view(container: Container, name: CommandName, spec: CommandSpec) -> View:
    def command_view(request: SessionRequest, **path: str) -> Response:
        command = spec.build(_fields(request, spec, path))
        if name == "switch":
            request.count_as_switch()
            return _execute(container.engine, request, command, _switched)
        return _execute(container.engine, request, command, _state)

    # Chalice names a route by its view.
    command_view.__name__ = spec.operation_id
    return command_view


def _fields(request: SessionRequest, spec: CommandSpec, path: Mapping[str, str]) -> Fields:
    """The command's fields, from the body and the path."""
    if not path:
        return request.body(spec.model)
    given = request.body(spec.body).model_dump(exclude_unset=True) if spec.body else {}
    return read_value(spec.model, {**given, **path})


def _execute(
    engine: SyncEngine,
    request: SessionRequest,
    command: Command,
    respond: Callable[[CommandResult], Response],
) -> Response:
    command = request.restrict(command)
    idempotency = request.idempotency(respond)
    expected_versions = request.expected_versions()
    if idempotency is None:
        return respond(
            engine.execute(
                request.session_id,
                command,
                expected_versions=expected_versions,
                limit_check=request.limit_check,
                bearer=request.bearer,
            )
        )
    return unpack(
        engine.execute_idempotent(
            request.session_id,
            command,
            idempotency,
            expected_versions=expected_versions,
            limit_check=request.limit_check,
            bearer=request.bearer,
        )
    )


def _state(result: CommandResult, status: int = 200) -> Response:
    timestamp = shown_at_ms(result.session, result.now_ms)
    answer: StateAnswer = {"data": result.state, "timestamp": timestamp}
    if result.events:
        answer["events"] = event_views(result.events)
    return succeed(answer, result.session.version, status)


def _created(result: CommandResult) -> Response:
    return _state(result, 201 if result.created else 200)


def _switched(result: CommandResult) -> Response:
    switched = switch_result(result.state, result.expired_participant_id)
    timestamp = shown_at_ms(result.session, result.now_ms)
    answer: SwitchAnswer = {"data": switched, "timestamp": timestamp}
    if result.events:
        answer["events"] = event_views(result.events)
    return succeed(answer, result.session.version)
