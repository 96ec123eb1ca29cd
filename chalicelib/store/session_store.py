"""SessionStore on Redis: one typed method per script.

Stateless, and without session rules. The scripts hold what is atomic, ``codec`` the
encoding, ``keys`` the names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..auth.policy import Bearer
from ..core.session import Session, Status
from ..core.setup import Setup, SyncMode
from ..ports import (
    KEEP_ENDINGS_MS,
    REMEMBER_COMMANDS_MS,
    Commit,
    Committed,
    Deleted,
    Ending,
    IdempotencyRecord,
    Loaded,
    LoggedEvent,
    RateLimitCheck,
    Stale,
)
from . import codec
from .client import RedisClient
from .keys import SessionKeys
from .rate_limits import RequestBuckets
from .script import Script, ScriptArguments
from .token_checks import check_accepted, with_token

EVENTS_KEPT = 1_000
EVENTS_KEPT_PER_CLOCK = 4
"""What is added in a simultaneous session: each clock starts, runs out and is finished."""

STATUS_NUMBERS = {status: number for number, status in enumerate(Status)}
"""Status numbers in sorted-set scores; append new statuses to the enumeration."""

DELETED_NUMBER = 15
"""The number that a deleted session has instead."""

SCORES_PER_STATUS = 2**43
MINUTE_MS = 60_000

LOADED = 7
"""How many values load.lua returns before those of a bucket."""


class RedisStore:
    """Sessions in Redis. Safe for many threads; see SessionStore for its methods."""

    def __init__(self, client: RedisClient, shards: int) -> None:
        self._client = client
        self._shards = shards
        self._requests = RequestBuckets(client)
        self._load = Script("load", "gcra")
        self._load_with_token = Script("load", "check_token", "gcra")
        self._commit = Script("commit", "gcra")
        self._save_response = Script("save_response")
        self._delete = Script("delete")
        self._log = Script("event_log")
        self._revoke = Script("revoke_token")

    def load(
        self,
        session_id: str,
        command_id: str | None = None,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Loaded:
        return _loaded(self._loaded(session_id, command_id, limit_check, bearer))

    def authorize(
        self, session_id: str, bearer: Bearer | None, limit_check: RateLimitCheck | None = None
    ) -> int:
        now_ms: int = self._loaded(session_id, None, limit_check, bearer)[0]
        return now_ms

    def _loaded(
        self,
        session_id: str,
        command_id: str | None,
        limit_check: RateLimitCheck | None,
        bearer: Bearer | None,
    ) -> list[Any]:
        switch = _switch_check(limit_check)
        script, arguments = self._load, self._to_load(session_id, command_id, switch)
        if bearer is not None:
            keys = SessionKeys.of(session_id, self._shards)
            script, arguments = self._load_with_token, with_token(arguments, keys, bearer)
        if limit_check is None or switch is not None:
            answer = self._client.run(script, *arguments)
        else:
            answer = self._requests.run_and_count(limit_check, script, arguments)
        if bearer is not None:
            check_accepted(answer)
        loaded: list[Any] = answer
        counted = loaded[LOADED:]
        if switch is None:
            if limit_check is not None:
                limit_check.enforce()
        elif counted:
            switch.record(*counted)
            switch.enforce()
        return loaded

    def revoke(self, session_id: str, token_id: str, keep_ms: int) -> None:
        keys = SessionKeys.of(session_id, self._shards)
        arguments = keys.revoked(token_id), keys.connections, token_id, keep_ms, keys.updates
        self._client.run(self._revoke, 2, *arguments)

    def count_request(self, limit_check: RateLimitCheck) -> None:
        self._requests.count(limit_check)
        limit_check.enforce()

    def load_many(self, session_ids: Sequence[str]) -> Sequence[Loaded]:
        calls = [self._to_load(session_id) for session_id in session_ids]
        return [_loaded(answer) for answer in self._client.run_pipeline(self._load, calls)]

    def commit(
        self, commit: Commit, limit_check: RateLimitCheck | None = None
    ) -> Committed | Stale:
        switch = _switch_check(limit_check)
        answer = self._client.run(self._commit, *self._to_commit(commit, switch))
        return _committed(commit, answer, switch)

    def commit_many(self, commits: Sequence[Commit]) -> Sequence[Committed | Stale]:
        calls = [self._to_commit(commit) for commit in commits]
        answers = self._client.run_pipeline(self._commit, calls)
        return [_committed(commit, answer) for commit, answer in zip(commits, answers, strict=True)]

    def _to_load(
        self, session_id: str, command_id: str | None = None, switch: RateLimitCheck | None = None
    ) -> ScriptArguments:
        keys = SessionKeys.of(session_id, self._shards)
        names: tuple[str, ...] = (keys.session, keys.sessions)
        if command_id is not None:
            names = (*names, keys.switches, keys.reply(command_id))
        elif switch is not None:
            names = (*names, keys.switches)
        limit = switch.limit.script_arguments if switch is not None else ()
        return (len(names), *names, session_id, *limit)

    def _to_commit(self, commit: Commit, switch: RateLimitCheck | None = None) -> ScriptArguments:
        session = commit.session
        session_id = session.setup.session_id
        keys = SessionKeys.of(session_id, self._shards)
        creating = commit.base_version == 0
        return (
            7,
            keys.session,
            keys.events,
            keys.connections,
            keys.reply(commit.command_id),
            keys.deadlines,
            keys.sessions,
            keys.switches,
            session.epoch,
            commit.base_version,
            session.version,
            codec.encode_setup(session.setup) if creating or commit.writes_setup else b"",
            codec.encode_facts(session),
            session.updated_at_ms,
            "" if commit.base_updated_at_ms is None else commit.base_updated_at_ms,
            session_id,
            "" if commit.due_ms is None else commit.due_ms,
            "" if commit.expires_at_ms is None else commit.expires_at_ms,
            keys.updates,
            commit.update,
            codec.encode_record(commit.record or IdempotencyRecord(session.version)),
            commit.keep_ms,
            _events_kept(session.setup),
            STATUS_NUMBERS[session.status],
            *(("", "") if switch is None else switch.limit.script_arguments),
            "" if commit.renewable_until_ms is None else commit.renewable_until_ms,
            *map(codec.encode_event, commit.events),
        )

    def save_response(
        self, session_id: str, command_id: str, record: IdempotencyRecord, keep_ms: int
    ) -> IdempotencyRecord:
        key = SessionKeys.of(session_id, self._shards).reply(command_id)
        record_bytes = codec.encode_record(record)
        before = self._client.run(self._save_response, 1, key, record_bytes, keep_ms)
        return record if before is None else codec.decode_record(before)

    def delete(
        self,
        session_id: str,
        command_id: str,
        final_message: bytes,
        *,
        base: Session | None = None,
        record: IdempotencyRecord | None = None,
        keep_ms: int = REMEMBER_COMMANDS_MS,
    ) -> Deleted | Stale:
        keys = SessionKeys.of(session_id, self._shards)
        outcome, *answer = self._client.run(
            self._delete,
            5,
            keys.session,
            keys.events,
            keys.reply(command_id),
            keys.deadlines,
            keys.sessions,
            "" if base is None else base.epoch,
            "" if base is None else base.version,
            session_id,
            keys.updates,
            final_message,
            codec.encode_record(record or IdempotencyRecord(0)),
            keep_ms,
        )
        if outcome == b"stale":
            return Stale(_loaded([*answer, None, None]))
        if outcome == b"repeated":
            return Deleted(False, codec.decode_record(answer[0]))
        return Deleted(answer[0] == 1)

    def read_events(
        self, session_id: str, after: str | None, limit: int
    ) -> Sequence[LoggedEvent] | None:
        keys = SessionKeys.of(session_id, self._shards)
        begin = "-" if after is None else f"({after}"
        logged = self._client.run(self._log, 1, keys.events, begin, limit)
        if logged is None:
            return None
        rows = zip(logged[::3], logged[1::3], logged[2::3], strict=True)
        return [
            LoggedEvent(event_id.decode(), int(version), codec.decode_event(event))
            for event_id, version, event in rows
        ]

    def now_ms(self) -> int:
        seconds, microseconds = self._client.execute_keyless("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    def ping(self) -> None:
        self._client.execute_keyless("PING")


def _events_kept(setup: Setup) -> int:
    if setup.sync_mode is not SyncMode.SIMULTANEOUS:
        return EVENTS_KEPT
    return EVENTS_KEPT + EVENTS_KEPT_PER_CLOCK * len(setup.participants)


def _switch_check(limit_check: RateLimitCheck | None) -> RateLimitCheck | None:
    """The check if it is a switch's, whose bucket lies with its session."""
    return limit_check if limit_check is not None and limit_check.scope == "switch" else None


def _committed(
    commit: Commit, answer: list[Any], switch: RateLimitCheck | None = None
) -> Committed | Stale:
    outcome, *values = answer
    if outcome == b"stale":
        return Stale(_loaded([*values, None, None]))
    if outcome == b"repeated":
        if switch is not None:
            switch.skipped()
        before = codec.decode_record(values[0])
        return Committed(before.version, before)
    if switch is not None:
        switch.record(*values)
        switch.enforce()
    return Committed(commit.session.version)


def _loaded(stored: list[Any]) -> Loaded:
    now_ms, epoch, version, setup, facts, record_bytes, ended = stored[:LOADED]
    record = codec.decode_record(record_bytes) if record_bytes is not None else None
    if version is None:
        return Loaded(None, now_ms, record, _ending(ended, now_ms))
    session = codec.decode(epoch.decode(), int(version), setup, facts)
    return Loaded(session, now_ms, record)


def _ending(score: bytes | None, now_ms: int) -> Ending | None:
    """What the score of a missing session says; store_stats.lua explains it."""
    if score is None:
        return None
    number, ended_at_ms = divmod(int(float(score)), SCORES_PER_STATUS)
    # An expiry is rounded up; one that is further ahead is of a session that was evicted.
    if not -MINUTE_MS <= now_ms - ended_at_ms < KEEP_ENDINGS_MS:
        return None
    return "deleted" if number == DELETED_NUMBER else "expired"
