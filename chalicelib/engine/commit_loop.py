"""One change of one session: settled, decided, committed; again where somebody was faster.

It owns what a commit is made of, the race with others and whom it is blamed
on. What may be asked for is the engine's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from ..auth.policy import Bearer
from ..core.commands import Command, Decision, apply
from ..core.cycles import deadline_ms
from ..core.errors import (
    Conflict,
    InvalidAdjustment,
    InvalidTransition,
    ParticipantExpired,
    PreconditionFailed,
    RuleError,
    SessionExists,
    SessionNotFound,
)
from ..core.events import SessionCreated
from ..core.session import Session, create
from ..core.setup import Setup
from ..core.timeouts import due_ms
from ..ports import (
    REMEMBER_COMMANDS_MS,
    Broadcaster,
    Commit,
    Committed,
    IdempotencyRecord,
    Loaded,
    RateLimitCheck,
    SessionStore,
    Stale,
)
from ..schemas.pushes import state_update
from ..telemetry.log_context import append_keys
from ..telemetry.ports import SILENT, Telemetry
from .idempotency import IdempotentRequest, Outcome
from .retry import DEFAULT_RETRY, RetryPolicy


def random_id() -> str:
    return uuid.uuid4().hex


class Made(NamedTuple):
    """What a commit left: the receipt that stands, ours or that of an equal request before."""

    record: IdempotencyRecord
    is_ours: bool


class Changes:
    """Makes changes to sessions, one atomic commit at a time; raises what the engine raises."""

    def __init__(
        self,
        store: SessionStore,
        *,
        broadcaster: Broadcaster | None = None,
        session_ttl_ms: int,
        telemetry: Telemetry = SILENT,
        new_id: Callable[[], str] = random_id,
        retry: RetryPolicy = DEFAULT_RETRY,
    ) -> None:
        self._store = store
        self._announcer = broadcaster
        self._session_ttl_ms = session_ttl_ms
        self._telemetry = telemetry
        self._new_id = new_id
        self._races = retry

    def load(
        self,
        session_id: str,
        limit_check: RateLimitCheck | None,
        idempotency: IdempotentRequest | None = None,
        bearer: Bearer | None = None,
    ) -> Loaded:
        """The session, and the receipt of a request that was here before, where it is admitted."""
        loaded = self._store.load(
            session_id, idempotency.command_id if idempotency else None, limit_check, bearer
        )
        if limit_check is not None:
            limit_check.enforce()
        return loaded

    def create(
        self, loaded: Loaded, setup: Setup, idempotency: IdempotentRequest | None
    ) -> tuple[Outcome, Made | None]:
        epoch = self._new_id()
        while loaded.session is None:
            now_ms = loaded.now_ms
            created = Decision(create(setup, epoch, now_ms), (SessionCreated(now_ms),))
            outcome = replace(outcome_of(created, now_ms), created=True)
            result = self._commit(None, outcome, idempotency, renew=True)
            if isinstance(result, Made):
                return outcome, result
            loaded = result.current
        if not _identical(loaded.session.setup, setup):
            raise SessionExists(setup.session_id)
        return self.settled(loaded, setup.session_id), None

    def settled(self, loaded: Loaded, session_id: str) -> Outcome:
        outcome, _ = self.change(loaded, session_id, None)
        return outcome

    def expect(self, loaded: Loaded, session_id: str, versions: Collection[int] | None) -> None:
        """Go on, if the session is at one of these versions, or any will do.

        A timeout that is due has made another version, whether or not anybody
        has noticed; where that keeps the request from going on, it is committed.

        Raises:
            PreconditionFailed: It is not.
        """
        if versions is None:
            return
        stored, version = loaded.session, None
        if stored is not None:
            by_now = apply(stored, None, loaded.now_ms).session
            if stored.version in versions and by_now.version in versions:
                return
            # Whoever is told of a version has to find it.
            with suppress(SessionNotFound):
                version = self.settled(loaded, session_id).session.version
        raise PreconditionFailed(versions, version)

    def change(
        self,
        loaded: Loaded,
        session_id: str,
        command: Command | None,
        idempotency: IdempotentRequest | None = None,
        expected_versions: Collection[int] | None = None,
        limit_check: RateLimitCheck | None = None,
    ) -> tuple[Outcome, Made | None]:
        """What became of the session, and what was committed, if anything was."""
        first, race = loaded.session, self._races.begin()
        while True:
            session, now_ms, made = loaded.session, loaded.now_ms, None
            if session is None or first is None:
                raise SessionNotFound(session_id)
            self.expect(loaded, session_id, expected_versions)
            decision = apply(session, command, now_ms)
            outcome = outcome_of(decision, now_ms)
            if decision.session is not session:
                # Only commands renew a session, and only those that are carried out.
                carried_out = command is not None and decision.refusal is None
                # A refused command may be tried again under its id.
                result = (
                    self._commit(session, outcome, idempotency, renew=True, limit_check=limit_check)
                    if carried_out
                    else self._commit(session, outcome, None, renew=False)
                )
                if isinstance(result, Stale):
                    loaded = result.current
                    if not race.backoff():
                        raise Conflict(session.version, _version(loaded))
                    continue
                made = result
            elif decision.refusal is None:
                _note(session)
            if decision.refusal is not None:
                raise _to_blame(decision, decision.refusal, first, command, now_ms)
            return outcome, made

    def answer(
        self, session_id: str, idempotency: IdempotentRequest, outcome: Outcome, made: Made | None
    ) -> bytes:
        """What the request is answered with, the first time and ever after."""
        if made is None:
            # Nothing had to be changed, so nothing was committed and nothing kept.
            ours = idempotency.record(outcome)
            kept = self._store.keep(session_id, idempotency.command_id, ours, idempotency.keep_ms)
            made = Made(kept, kept == ours)
        return made.record.answer if made.is_ours else repeat(idempotency, made.record)

    def _commit(
        self,
        before: Session | None,
        outcome: Outcome,
        idempotency: IdempotentRequest | None,
        *,
        renew: bool,
        limit_check: RateLimitCheck | None = None,
    ) -> Made | Stale:
        commit = self.commit_of(before, outcome, idempotency, renew=renew)
        result = self._store.commit(commit, limit_check)
        if isinstance(result, Committed) and _is_ours(commit, result):
            # Whatever goes wrong in the telling is about this version.
            _note(commit.session)
        self.follow_up(commit, result)
        if isinstance(result, Stale):
            return result
        record = result.before or commit.record or IdempotencyRecord(result.version)
        return Made(record, _is_ours(commit, result))

    def commit_of(
        self,
        before: Session | None,
        outcome: Outcome,
        idempotency: IdempotentRequest | None,
        *,
        renew: bool,
    ) -> Commit:
        session, now_ms = outcome.session, outcome.now_ms
        ends_ms = deadline_ms(session)
        return Commit(
            session=session,
            base_version=before.version if before is not None else 0,
            command_id=idempotency.command_id if idempotency else self._new_id(),
            events=outcome.events,
            due_ms=due_ms(session),
            expires_at_ms=max(now_ms, ends_ms or 0) + self._session_ttl_ms if renew else None,
            update=state_update(before, session, now_ms, outcome.events, lambda: outcome.state),
            record=idempotency.record(outcome) if idempotency else None,
            keep_ms=idempotency.keep_ms if idempotency else REMEMBER_COMMANDS_MS,
            base_updated_at_ms=before.updated_at_ms if before is not None else None,
        )

    def follow_up(self, commit: Commit, result: Committed | Stale) -> None:
        """Tell whoever is to hear of a commit, or of the race that it lost."""
        if isinstance(result, Stale):
            self._telemetry.lost_race()
            return
        # What an equal request has made is for that one to announce.
        if self._announcer is not None and _is_ours(commit, result):
            self._announcer.broadcast(commit.session.setup.session_id, commit.update)


def repeat(idempotency: IdempotentRequest, kept: IdempotencyRecord) -> bytes:
    """What was answered before.

    Raises:
        IdempotencyKeyReused: It was to another request.
    """
    answer = idempotency.repeat(kept)
    append_keys(repeated=True)
    if kept.version:
        # The session may have been deleted and created again since.
        append_keys(epoch=kept.epoch, version=kept.version)
    return answer


def _note(session: Session) -> None:
    """Have the log say which version is shown; to be called once that version stands."""
    append_keys(epoch=session.epoch, version=session.version)


def _is_ours(commit: Commit, result: Committed) -> bool:
    """Whether this very commit stands; one whose reply was lost is known by its receipt."""
    return commit.record is None or result.before in (None, commit.record)


def outcome_of(decision: Decision, now_ms: int) -> Outcome:
    return Outcome(
        session=decision.session,
        now_ms=now_ms,
        events=decision.events,
        expired_participant_id=decision.expired_participant_id,
    )


def _identical(one: Setup, other: Setup) -> bool:
    """Whether two setups ask for the same; Python alone takes 1 for True and for 1.0."""
    theirs = (one.metadata, one.action_data), (other.metadata, other.action_data)
    mine, others = (json.dumps(given, sort_keys=True) for given in theirs)
    return one == other and mine == others


def _version(loaded: Loaded) -> int:
    return loaded.session.version if loaded.session is not None else 0


def _to_blame(
    decision: Decision, refusal: RuleError, first: Session, command: Command | None, now_ms: int
) -> Exception:
    """Tell a command that never was valid from one that lost its validity in a race.

    A deadline that passes is no race, so the session as first read is asked
    once more, at the instant of the refusal.
    """
    if not isinstance(refusal, InvalidTransition | ParticipantExpired | InvalidAdjustment):
        return refusal
    if apply(first, command, now_ms).refusal is not None:
        return refusal
    return Conflict(first.version, decision.session.version)
