"""Replies to socket messages: PONG, CURRENT, STATE_SYNC, ACK and ERROR.

Reads a message, has the engine carry it out, and returns what to post. Posts nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..auth.policy import Action, Bearer
from ..core.commands import Switch
from ..core.errors import SessionNotFound
from ..engine.commit_loop import CommandResult
from ..engine.idempotency import IdempotentRequest, fingerprint
from ..engine.sync_engine import SyncEngine
from ..ports import ConnectionContext, Heartbeat
from ..rate_limit.limiter import RateLimiter
from ..schemas import messages as socket
from ..schemas.errors import Problem, problem
from ..schemas.pushes import session_deleted
from ..schemas.states import iso
from ..telemetry.log_context import append_keys

LOG = logging.getLogger("tickless")

REQUIRED_ACTIONS = {"RECONNECT": Action.READ, "CLAIM": Action.CLAIM}
"""The action that each message other than a command requires; PING requires none."""


class Replies:
    """Carries out messages; each method returns the frames to post."""

    def __init__(
        self,
        engine: SyncEngine,
        limits: RateLimiter,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._monotonic = monotonic

    def to(
        self, text: str, context: ConnectionContext, connection_id: str, heartbeat: Heartbeat
    ) -> list[bytes]:
        """The replies to a message; raises what :meth:`to_error` takes."""
        started = self._monotonic()
        session_id, bearer = context
        message = socket.read_message(text)
        append_keys(type=message.type)
        if bearer is not None and (action := REQUIRED_ACTIONS.get(message.type)) is not None:
            bearer.authorize(action, session_id)
        match message:
            case socket.Ping():
                return [self._pong(message, heartbeat, started)]
            case socket.Reconnect():
                return self._catch_up(session_id, message, heartbeat.now_ms)
            case socket.Claim():
                return self._settle(session_id)
            case socket.CommandMessage():
                return [self._execute(session_id, connection_id, message, text, bearer)]

    def _pong(self, ping: socket.Ping, heartbeat: Heartbeat, started: float) -> bytes:
        passed_ms = round((self._monotonic() - started) * 1000)
        pong: socket.Pong = {
            "type": "PONG",
            "timestamp": heartbeat.now_ms + passed_ms,
            "clientTime": ping.clientTime,
            "receivedAt": heartbeat.now_ms,
        }
        if heartbeat.epoch is not None and heartbeat.version is not None:
            pong["epoch"], pong["version"] = heartbeat.epoch, heartbeat.version
            if heartbeat.updated_at_ms is not None:
                pong["updatedAt"] = iso(heartbeat.updated_at_ms)
        return socket.encode(pong)

    def _catch_up(self, session_id: str, known_state: socket.Reconnect, now_ms: int) -> list[bytes]:
        try:
            result = self._engine.get_current_state(session_id)
        except SessionNotFound as error:
            if error.ending is None:
                raise
            # The client may keep waiting for a new session of this id.
            return [session_deleted(session_id, now_ms, error.ending)]
        current = _current(session_id, result)
        if (
            (known_state.epoch, known_state.version) == (current["epoch"], current["version"])
            # A failover can lose a version, and a later commit reuse its number.
            and known_state.updatedAt in (None, current["updatedAt"])
        ):
            return [socket.encode(current)]
        return socket.state_sync(result.session, result.now_ms)

    def _settle(self, session_id: str) -> list[bytes]:
        result = self._engine.get_current_state(session_id)
        # A settled timeout was committed, so it was broadcast to this client too.
        return [] if result.events else [socket.encode(_current(session_id, result))]

    def _execute(
        self,
        session_id: str,
        connection_id: str,
        message: socket.CommandMessage,
        text: str,
        bearer: Bearer | None,
    ) -> bytes:
        append_keys(command=message.command)
        command = message.build()
        if bearer is not None:
            command = bearer.restrict(command)
        expected = message.expectedVersion
        return self._engine.execute_idempotent(
            session_id,
            command,
            IdempotentRequest(
                # Ids are unique per client only. An Idempotency-Key contains no space,
                # so the two can't collide.
                f"{connection_id} {message.id}",
                fingerprint("COMMAND", text.encode()),
                lambda result: _acknowledgement(message.id, result),
            ),
            expected_versions=None if expected is None else (expected,),
            limit_check=self._limits.for_switch(session_id)
            if isinstance(command, Switch)
            else None,
        )

    def to_error(self, text: str, error: Exception, connection_id: str, now_ms: int) -> bytes:
        """ERROR, for a message that raised ``error``."""
        if isinstance(error, socket.InvalidMessage):
            code, reason = str(error.code), str(error)
        elif (found := problem(error)) is not None:
            code, reason = found.code, _reason(found)
        else:
            LOG.error("connection %s: %s", connection_id, error, exc_info=error)
            code, reason = "INTERNAL_ERROR", "Something went wrong on our side"
        append_keys(code=code)
        header = socket.read_header(text)
        if header.type is not None:
            append_keys(type=header.type)
        refusal: socket.ErrorMessage = {
            "type": "ERROR",
            "timestamp": now_ms,
            "code": code,
            "message": reason,
        }
        if header.id is not None:
            refusal["id"] = header.id
        return socket.encode(refusal)


def _acknowledgement(sent_as: str, result: CommandResult) -> bytes:
    return socket.encode(
        {
            "type": "ACK",
            "timestamp": result.now_ms,
            "id": sent_as,
            "version": result.session.version,
        }
    )


def _current(session_id: str, result: CommandResult) -> socket.Current:
    return {
        "type": "CURRENT",
        "timestamp": result.now_ms,
        "sessionId": session_id,
        "epoch": result.session.epoch,
        "version": result.session.version,
        "updatedAt": iso(result.session.updated_at_ms),
    }


def _reason(found: Problem) -> str:
    """The problem's message with the fields it names: socket errors have no details."""
    if not isinstance(found.details, list):
        return found.message
    return "; ".join(f"{one['field']}: {one['message']}" for one in found.details)
