"""The SessionStore on Redis: one typed method for each script.

It decides nothing and remembers nothing. What is atomic is in the scripts,
what bytes mean in ``codec``, where they lie in ``keys``.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError

from ..ports import Commit, Committed, Loaded, LoggedEvent, Stale
from . import codec
from .client import Server
from .keys import SessionKeys

REMEMBER_COMMANDS_MS = 60_000
"""Longer than anybody goes on repeating a command whose answer was lost."""

EVENTS_KEPT = 1_000

SCRIPTS = Path(__file__).parent / "scripts"


class Script:
    """A ``.lua`` file that the server knows by its digest."""

    def __init__(self, name: str) -> None:
        self._source = (SCRIPTS / f"{name}.lua").read_bytes()
        self._digest = sha1(self._source, usedforsecurity=False).hexdigest()

    def run(self, server: Server, *words: bytes | str | int) -> Any:
        """Send the number of keys, the keys and the arguments, in that order."""
        try:
            return server.execute("EVALSHA", self._digest, *words)
        except NoScriptError:
            # A server that restarted or took over. EVAL goes where the keys
            # are, and makes the script known there.
            return server.execute("EVAL", self._source, *words)

    def run_together(
        self, server: Server, calls: Sequence[tuple[bytes | str | int, ...]]
    ) -> list[Any]:
        """As :meth:`run`, many calls at once."""
        answers = server.execute_together([("EVALSHA", self._digest, *words) for words in calls])
        return [
            server.execute("EVAL", self._source, *words)
            if isinstance(answer, NoScriptError)
            else answer
            for words, answer in zip(calls, answers, strict=True)
        ]


class RedisStore:
    """Sessions in Redis. Safe for many threads; see SessionStore for its methods."""

    def __init__(self, server: Server, shards: int) -> None:
        self._server = server
        self._shards = shards
        self._load = Script("load")
        self._commit = Script("commit")
        self._delete = Script("delete")
        self._log = Script("log")

    def load(self, session_id: str, command_id: str | None = None) -> Loaded:
        return _loaded(self._load.run(self._server, *self._to_load(session_id, command_id)))

    def load_many(self, session_ids: Sequence[str]) -> Sequence[Loaded]:
        calls = [self._to_load(session_id) for session_id in session_ids]
        return [_loaded(answer) for answer in self._load.run_together(self._server, calls)]

    def commit(self, commit: Commit) -> Committed | Stale:
        return _made(self._commit.run(self._server, *self._to_commit(commit)))

    def commit_many(self, commits: Sequence[Commit]) -> Sequence[Committed | Stale]:
        calls = [self._to_commit(commit) for commit in commits]
        return [_made(answer) for answer in self._commit.run_together(self._server, calls)]

    def _to_load(
        self, session_id: str, command_id: str | None = None
    ) -> tuple[bytes | str | int, ...]:
        keys = SessionKeys.of(session_id, self._shards)
        if command_id is None:
            return (1, keys.session)
        return (2, keys.session, keys.command(command_id))

    def _to_commit(self, commit: Commit) -> tuple[bytes | str | int, ...]:
        session = commit.session
        session_id = session.setup.session_id
        keys = SessionKeys.of(session_id, self._shards)
        creating = commit.base_version == 0
        return (
            5,
            keys.session,
            keys.events,
            keys.connections,
            keys.command(commit.command_id),
            keys.deadlines,
            session.epoch,
            commit.base_version,
            session.version,
            codec.encode_setup(session.setup) if creating else b"",
            codec.encode_facts(session),
            session.updated_at_ms,
            session_id,
            "" if commit.due_ms is None else commit.due_ms,
            "" if commit.expires_at_ms is None else commit.expires_at_ms,
            keys.updates,
            commit.update,
            REMEMBER_COMMANDS_MS,
            EVENTS_KEPT,
            *map(codec.encode_event, commit.events),
        )

    def delete(self, session_id: str, command_id: str, farewell: bytes) -> bool:
        keys = SessionKeys.of(session_id, self._shards)
        existed: int = self._delete.run(
            self._server,
            4,
            keys.session,
            keys.events,
            keys.command(command_id),
            keys.deadlines,
            session_id,
            keys.updates,
            farewell,
            REMEMBER_COMMANDS_MS,
        )
        return existed == 1

    def log(self, session_id: str, after: str | None, limit: int) -> Sequence[LoggedEvent] | None:
        keys = SessionKeys.of(session_id, self._shards)
        begin = "-" if after is None else f"({after}"
        logged = self._log.run(self._server, 1, keys.events, begin, limit)
        if logged is None:
            return None
        rows = zip(logged[::3], logged[1::3], logged[2::3], strict=True)
        return [
            LoggedEvent(event_id.decode(), int(version), codec.decode_event(event))
            for event_id, version, event in rows
        ]

    def now_ms(self) -> int:
        seconds, microseconds = self._server.execute("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    def ping(self) -> None:
        self._server.execute("PING")


def _made(answer: list[Any]) -> Committed | Stale:
    outcome = answer[0]
    if outcome == b"stale":
        return Stale(_loaded(answer[1:]))
    return Committed(answer[1], repeated=outcome == b"repeated")


def _loaded(stored: list[Any]) -> Loaded:
    now_ms, epoch, version, setup, facts, *made = stored
    was_carried_out = any(made)
    if version is None:
        return Loaded(None, now_ms, was_carried_out)
    session = codec.decode(epoch.decode(), int(version), setup, facts)
    return Loaded(session, now_ms, was_carried_out)
