"""Optimistic commit loop.

Loads a session, settles its timeouts, applies one command and commits the result atomically;
retries with backoff when another writer wins. Contains no clock rules (see ``core``) and no Redis
commands (see ``store``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from secrets import token_hex
from typing import NamedTuple

from ..auth.policy import Bearer
from ..core.commands import Command, Decision, apply
from ..core.errors import (
    Conflict,
    InvalidAdjustment,
    InvalidTransition,
    ParticipantExpired,
    ParticipantWithdrawn,
    PreconditionFailed,
    RuleError,
    SessionExists,
    SessionNotFound,
)
from ..core.events import Event, ParticipantStarted, SessionCreated, SessionStarted
from ..core.rules import (
    deadline_ms,
    due_with_deadline_ms,
    last_deadline_ms,
    runs_without_end,
    settle,
)
from ..core.session import Session, create
from ..core.setup import Setup
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
from ..schemas.states import SessionState, state_with_deadline
from ..telemetry.log_context import append_keys
from ..telemetry.metrics import SILENT, Telemetry
from .commit_retry import DEFAULT_RETRY, RetryPolicy
from .idempotency import IdempotentRequest

LONGEST_UNUSED_MS = 31 * 24 * 60 * 60_000
"""How long after its last command a session may live: while a clock runs, or a client watches."""

_STARTS = (SessionStarted, ParticipantStarted)

random_id: Callable[[], str] = partial(token_hex, 16)
"""Epochs, and the command ids of requests without a key."""


@dataclass(frozen=True)
class CommandResult:
    """A session as shown at ``now_ms``, and the events of this call.

    ``expired_participant_id`` is the participant whose clock had run out in the cycle that a
    switch ended. ``created`` is False for a creation that was repeated.
    """

    session: Session
    now_ms: int
    events: tuple[Event, ...] = ()
    expired_participant_id: str | None = None
    created: bool = False

    @cached_property
    def state(self) -> SessionState:
        """What clients are shown of the session; built when first used."""
        return state_with_deadline(self.session, self.now_ms, None, self.deadline_ms)

    @cached_property
    def deadline_ms(self) -> int | None:
        """When the running clock runs out; None if none does."""
        return deadline_ms(self.session)

    @classmethod
    def of(cls, decision: Decision, now_ms: int) -> CommandResult:
        return cls(decision.session, now_ms, decision.events, decision.expired_participant_id)


class StoredRecord(NamedTuple):
    """The record that a commit left in the store: ours, or that of an equal earlier request."""

    record: IdempotencyRecord
    is_ours: bool


class CommitLoop:
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
        self.store = store
        self.broadcaster = broadcaster
        self._session_ttl_ms = session_ttl_ms
        self._telemetry = telemetry
        self.new_id = new_id
        self._retry = retry

    def load(
        self,
        session_id: str,
        limit_check: RateLimitCheck | None,
        idempotency: IdempotentRequest | None = None,
        bearer: Bearer | None = None,
    ) -> Loaded:
        """The session, and the record of an earlier request with the same key."""
        key = idempotency.key if idempotency else None
        return self.store.load(session_id, key, limit_check, bearer)

    def create(
        self, loaded: Loaded, setup: Setup, idempotency: IdempotentRequest | None
    ) -> tuple[CommandResult, StoredRecord | None]:
        """The created session, and the stored record; None if it existed already."""
        epoch = self.new_id()
        while loaded.session is None:
            now_ms = loaded.now_ms
            # An appointed start within the grace is due at once.
            session, events = settle(create(setup, epoch, now_ms), now_ms)
            decision = Decision(session, (SessionCreated(now_ms), *events))
            result = replace(CommandResult.of(decision, now_ms), created=True)
            committed = self._commit(None, result, idempotency, renew=True)
            if isinstance(committed, StoredRecord):
                return result, committed
            loaded = committed.current
        if not loaded.session.setup.was_requested_as(setup):
            raise SessionExists(setup.session_id)
        return self.settle(loaded, setup.session_id), None

    def settle(self, loaded: Loaded, session_id: str) -> CommandResult:
        """The session with its due timeouts committed."""
        result, _ = self.change(loaded, session_id, None)
        return result

    def check_preconditions(
        self, loaded: Loaded, session_id: str, versions: Collection[int] | None
    ) -> None:
        """Return if the session is at one of ``versions``, or if that is None.

        A timeout that is due has made another version, whether or not it is committed yet;
        where that fails the check, it is committed.

        Raises:
            PreconditionFailed: The session is at another version.
        """
        if versions is None:
            return
        stored, version = loaded.session, None
        if stored is not None:
            settled = apply(stored, None, loaded.now_ms).session
            if stored.version in versions and settled.version in versions:
                return
            # The client must be able to read the version that the error names.
            with suppress(SessionNotFound):
                version = self.settle(loaded, session_id).session.version
        raise PreconditionFailed(versions, version)

    def change(
        self,
        loaded: Loaded,
        session_id: str,
        command: Command | None,
        idempotency: IdempotentRequest | None = None,
        expected_versions: Collection[int] | None = None,
        limit_check: RateLimitCheck | None = None,
    ) -> tuple[CommandResult, StoredRecord | None]:
        """Apply a command, or only due timeouts; the result, and the record if one was stored."""
        first, retry = loaded.session, None
        while True:
            session, now_ms, stored = loaded.session, loaded.now_ms, None
            if session is None or first is None:
                raise SessionNotFound(session_id, loaded.ending)
            self.check_preconditions(loaded, session_id, expected_versions)
            decision = apply(session, command, now_ms)
            result = CommandResult.of(decision, now_ms)
            if decision.session is not session:
                # Only a command that is carried out renews the session's time to live, and a
                # refused one may be sent again with its key.
                carried_out = command is not None and decision.refusal is None
                committed = (
                    self._commit(session, result, idempotency, renew=True, limit_check=limit_check)
                    if carried_out
                    else self._commit(session, result, None, renew=False)
                )
                if isinstance(committed, Stale):
                    loaded = committed.current
                    retry = retry or self._retry.begin()
                    if not retry.sleep_before_retry():
                        raise Conflict(session.version, _version(loaded))
                    continue
                stored = committed
            elif decision.refusal is None:
                _log_version(session)
            if decision.refusal is not None:
                raise classify_refusal(decision, decision.refusal, first, command, now_ms)
            return result, stored

    def response(
        self,
        session_id: str,
        idempotency: IdempotentRequest,
        result: CommandResult,
        stored: StoredRecord | None,
    ) -> bytes:
        """The response to an idempotent request, the same for each repetition."""
        if stored is None:
            # Nothing was changed, so no commit has stored a record.
            ours = idempotency.record(result)
            record = self.store.save_response(
                session_id, idempotency.key, ours, idempotency.keep_ms
            )
            stored = StoredRecord(record, record == ours)
        return stored.record.response if stored.is_ours else idempotency.replay(stored.record)

    def _commit(
        self,
        before: Session | None,
        result: CommandResult,
        idempotency: IdempotentRequest | None,
        *,
        renew: bool,
        limit_check: RateLimitCheck | None = None,
    ) -> StoredRecord | Stale:
        commit = self.commit_of(before, result, idempotency, renew=renew)
        committed = self.store.commit(commit, limit_check)
        if isinstance(committed, Committed) and _is_ours(commit, committed):
            # What follows, errors included, is about this version.
            _log_version(commit.session)
        return self.publish(commit, committed)

    def commit_of(
        self,
        before: Session | None,
        result: CommandResult,
        idempotency: IdempotentRequest | None,
        *,
        renew: bool,
    ) -> Commit:
        session, now_ms, ends_ms = result.session, result.now_ms, result.deadline_ms
        # An appointed start renews the time to live as the command would.
        renew = renew or any(isinstance(event, _STARTS) for event in result.events)
        renewable_until_ms = now_ms + max(LONGEST_UNUSED_MS, self._session_ttl_ms)
        expires_at_ms = max(now_ms, last_deadline_ms(session, ends_ms) or 0) + self._session_ttl_ms
        if runs_without_end(session):
            expires_at_ms = max(expires_at_ms, renewable_until_ms)
        return Commit(
            session=session,
            base_version=before.version if before is not None else 0,
            command_id=idempotency.key if idempotency else self.new_id(),
            events=result.events,
            due_ms=due_with_deadline_ms(session, ends_ms),
            expires_at_ms=expires_at_ms if renew else None,
            renewable_until_ms=renewable_until_ms if renew else None,
            update=state_update(before, session, now_ms, result.events, lambda: result.state),
            record=idempotency.record(result) if idempotency else None,
            keep_ms=idempotency.keep_ms if idempotency else REMEMBER_COMMANDS_MS,
            base_updated_at_ms=before.updated_at_ms if before is not None else None,
            writes_setup=before is not None and before.setup is not session.setup,
        )

    def publish(self, commit: Commit, committed: Committed | Stale) -> StoredRecord | Stale:
        """Broadcast a commit, or count the race that it lost; the record that is stored now."""
        if isinstance(committed, Stale):
            self._telemetry.record_lost_race()
            return committed
        record = committed.before or commit.record or IdempotencyRecord(committed.version)
        stored = StoredRecord(record, _is_ours(commit, committed))
        # An equal request's commit is broadcast by that request.
        if self.broadcaster is not None and stored.is_ours:
            self.broadcaster.broadcast(commit.session.setup.session_id, commit.update)
        return stored


def _log_version(session: Session) -> None:
    append_keys(epoch=session.epoch, version=session.version)


def _is_ours(commit: Commit, committed: Committed) -> bool:
    """Whether this commit stands; one whose reply was lost is known by its record."""
    return commit.record is None or committed.before in (None, commit.record)


def _version(loaded: Loaded) -> int:
    return loaded.session.version if loaded.session is not None else 0


_MAY_HAVE_LOST_A_RACE = (
    InvalidTransition,
    ParticipantExpired,
    ParticipantWithdrawn,
    InvalidAdjustment,
)


def classify_refusal(
    decision: Decision, refusal: RuleError, first: Session, command: Command | None, now_ms: int
) -> Exception:
    """The refusal, or Conflict if the command was valid before another writer won.

    A deadline that passes is no race, so the session as first read is asked at the instant of
    the refusal.
    """
    if not isinstance(refusal, _MAY_HAVE_LOST_A_RACE):
        return refusal
    if apply(first, command, now_ms).refusal is not None:
        return refusal
    return Conflict(first.version, decision.session.version)
