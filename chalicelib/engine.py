"""The SyncEngine: load, settle, apply a rule, commit.

It owns the order of these four and what happens when somebody else was
faster. It decides nothing about clocks, which the core does, and knows no
store but the port.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock

from .core.cycles import deadline_ms
from .core.errors import (
    Conflict,
    InvalidAdjustment,
    InvalidTransition,
    ParticipantExpired,
    PreconditionFailed,
    RuleError,
    SessionExists,
    SessionNotFound,
)
from .core.events import Event, SessionCreated
from .core.rules import (
    Adjust,
    Cancel,
    Command,
    Complete,
    Decision,
    Pause,
    Resume,
    Start,
    Switch,
    Undo,
    apply,
)
from .core.session import Session, create
from .core.setup import Setup
from .core.timeouts import due_ms
from .ports import Announcer, Commit, Committed, Loaded, LoggedEvent, SessionStore, Stale
from .schemas.pushes import session_deleted, state_update
from .schemas.states import SessionState, session_state

RACE_SECONDS = 2.0
"""A lost race is run again for so long, then the caller is told of the conflict."""

MAX_BACKOFF_SECONDS = 0.05

TURN_SECONDS = 0.5
"""Long enough for hundreds to go first; short, should the store be away."""


def _random_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Outcome:
    """A session as it is shown at ``now_ms``, and what this call made happen.

    ``expired_participant_id`` is whose clock had run out in the cycle that a
    switch ended. ``created`` is False for a creation that was asked for again.
    """

    session: Session
    now_ms: int
    events: tuple[Event, ...] = ()
    expired_participant_id: str | None = None
    created: bool = False

    @cached_property
    def state(self) -> SessionState:
        """What clients are shown of the session; made when it is asked for."""
        return session_state(self.session, self.now_ms)


class _Turns:
    """Has the threads of one process take turns at a session.

    Only the store decides races; but a race among our own threads costs a
    round trip for each of the losers and leaves who wins to chance. Sessions
    share locks, and nobody waits for long: a turn that does not come is taken.
    """

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(256))

    @contextmanager
    def at(self, session_id: str) -> Iterator[None]:
        lock = self._locks[hash(session_id) % len(self._locks)]
        taken = lock.acquire(timeout=TURN_SECONDS)
        try:
            yield
        finally:
            if taken:
                lock.release()


class SyncEngine:
    """Sessions and what may be done to them, one atomic commit at a time.

    Every method raises StoreUnavailable when the store can't be reached, and
    Conflict when others were faster for two seconds on end.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        announcer: Announcer | None = None,
        session_ttl_ms: int,
        new_id: Callable[[], str] = _random_id,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._announcer = announcer
        self._session_ttl_ms = session_ttl_ms
        self._new_id = new_id
        self._monotonic = monotonic
        self._sleep = sleep
        self._jitter = jitter
        self._turns = _Turns()

    def create_session(self, setup: Setup) -> Outcome:
        """Create a session; the same setup again is answered with what became of it.

        Raises:
            SessionExists: The id is taken by a session that was set up differently.
        """
        loaded = self._store.load(setup.session_id)
        epoch, command_id = self._new_id(), self._new_id()
        while loaded.session is None:
            now_ms = loaded.now_ms
            created = Decision(create(setup, epoch, now_ms), (SessionCreated(now_ms),))
            outcome = _outcome(created, now_ms)
            result = self._commit(None, outcome, command_id, renew=True)
            if isinstance(result, Committed):
                return replace(outcome, created=True)
            loaded = result.current
        if not _identical(loaded.session.setup, setup):
            raise SessionExists(setup.session_id)
        return self._change(loaded, setup.session_id, None)

    def get_current_state(self, session_id: str) -> Outcome:
        """The session as of now; a timeout that was due is committed first.

        Raises:
            SessionNotFound: There is none of this id.
        """
        return self._change(self._store.load(session_id), session_id, None)

    def settle(self, session_ids: Sequence[str]) -> Sequence[Outcome | None]:
        """What became of each session, in two round trips; ``None`` where there is none.

        As :meth:`get_current_state` of one after another, for many that are
        probably due, and different ones. What one of them raises is raised for
        all, and some may be settled then.
        """
        loaded = self._store.load_many(session_ids)
        outcomes: list[Outcome | None] = []
        commits: list[tuple[int, Commit]] = []
        for place, one in enumerate(loaded):
            if one.session is None:
                outcomes.append(None)
                continue
            decision = apply(one.session, None, one.now_ms)
            outcome = _outcome(decision, one.now_ms)
            outcomes.append(outcome)
            if decision.session is not one.session:
                commit = self._commit_of(one.session, outcome, self._new_id(), renew=False)
                commits.append((place, commit))
        results = self._store.commit_many([commit for _, commit in commits])
        for (place, commit), result in zip(commits, results, strict=True):
            self._announce(commit, result)
            if isinstance(result, Stale):
                # Others were faster: the usual way leads to what they left.
                try:
                    outcomes[place] = self._change(result.current, session_ids[place], None)
                except SessionNotFound:
                    outcomes[place] = None
        return outcomes

    def get_events(self, session_id: str, after: str | None, limit: int) -> Sequence[LoggedEvent]:
        """What has happened by now, from behind the event ``after`` on; see SessionStore.log.

        Raises:
            SessionNotFound: There is none of this id, and no log of it either.
        """
        missing = None
        try:
            # A timeout that is due has happened, too.
            self.get_current_state(session_id)
        except SessionNotFound as error:
            missing = error
        events = self._store.log(session_id, after, limit)
        if events is None and missing is not None:
            raise missing
        return events or ()

    def start_session(self, session_id: str) -> Outcome:
        return self.carry_out(session_id, Start())

    def switch_cycle(
        self,
        session_id: str,
        next_participant_id: str | None = None,
        current_participant_id: str | None = None,
    ) -> Outcome:
        return self.carry_out(session_id, Switch(next_participant_id, current_participant_id))

    def pause_session(self, session_id: str, current_participant_id: str | None = None) -> Outcome:
        return self.carry_out(session_id, Pause(current_participant_id))

    def resume_session(self, session_id: str) -> Outcome:
        return self.carry_out(session_id, Resume())

    def complete_session(self, session_id: str) -> Outcome:
        return self.carry_out(session_id, Complete())

    def cancel_session(self, session_id: str) -> Outcome:
        return self.carry_out(session_id, Cancel())

    def undo_switch(self, session_id: str) -> Outcome:
        return self.carry_out(session_id, Undo())

    def adjust_time(
        self,
        session_id: str,
        delta_ms: int,
        participant_id: str | None = None,
        group_id: str | None = None,
        reason: str | None = None,
    ) -> Outcome:
        return self.carry_out(session_id, Adjust(delta_ms, participant_id, group_id, reason))

    def delete_session(self, session_id: str) -> None:
        """Make the session gone, whether there was one or not."""
        farewell = session_deleted(session_id, self._store.now_ms())
        existed = self._store.delete(session_id, self._new_id(), farewell)
        if existed and self._announcer is not None:
            self._announcer.dismiss(session_id, farewell)

    def carry_out(
        self,
        session_id: str,
        command: Command,
        *,
        command_id: str | None = None,
        expected_version: int | None = None,
    ) -> Outcome:
        """Apply a command to the session as it is when its turn comes.

        With a ``command_id`` that was applied within the last minute nothing is
        applied again. With an ``expected_version`` only that version is changed.

        Raises:
            SessionNotFound: There is none of this id.
            PreconditionFailed: It is at another version.
            RuleError: The rules refuse it; timeouts that were due are committed.
            Conflict: It was valid when first read, and after a lost race no longer.
        """
        with self._turns.at(session_id):
            loaded = self._store.load(session_id, command_id)
            if loaded.was_carried_out:
                return self._change(loaded, session_id, None)
            return self._change(loaded, session_id, command, command_id, expected_version)

    def _change(
        self,
        loaded: Loaded,
        session_id: str,
        command: Command | None,
        command_id: str | None = None,
        expected_version: int | None = None,
    ) -> Outcome:
        first, give_up_at, attempt = loaded.session, self._monotonic() + RACE_SECONDS, 0
        while True:
            session, now_ms = loaded.session, loaded.now_ms
            if session is None or first is None:
                raise SessionNotFound(session_id)
            if expected_version not in (None, session.version):
                raise PreconditionFailed(expected_version, session.version)
            decision = apply(session, command, now_ms)
            outcome = _outcome(decision, now_ms)
            if decision.session is not session:
                # Only commands renew a session, and only those that are carried out.
                carried_out = command is not None and decision.refusal is None
                # A refused command may be tried again under its id.
                commit_id = command_id if carried_out and command_id else self._new_id()
                result = self._commit(session, outcome, commit_id, renew=carried_out)
                if isinstance(result, Stale):
                    loaded, attempt = result.current, attempt + 1
                    if self._monotonic() >= give_up_at:
                        raise Conflict(session.version, _version(loaded))
                    self._sleep(self._jitter() * min(MAX_BACKOFF_SECONDS, 0.001 * 2**attempt))
                    continue
                if result.version != decision.session.version:
                    # This very command was applied before, to an earlier version.
                    return self._change(self._store.load(session_id), session_id, None)
            if decision.refusal is not None:
                raise _to_blame(decision, decision.refusal, first, command, now_ms)
            return outcome

    def _commit(
        self, before: Session | None, outcome: Outcome, command_id: str, *, renew: bool
    ) -> Committed | Stale:
        commit = self._commit_of(before, outcome, command_id, renew=renew)
        result = self._store.commit(commit)
        self._announce(commit, result)
        return result

    def _commit_of(
        self, before: Session | None, outcome: Outcome, command_id: str, *, renew: bool
    ) -> Commit:
        session, now_ms = outcome.session, outcome.now_ms
        deadline = deadline_ms(session)
        return Commit(
            session=session,
            base_version=before.version if before is not None else 0,
            command_id=command_id,
            events=outcome.events,
            due_ms=due_ms(session),
            expires_at_ms=max(now_ms, deadline or 0) + self._session_ttl_ms if renew else None,
            update=state_update(before, session, now_ms, outcome.events, lambda: outcome.state),
        )

    def _announce(self, commit: Commit, result: Committed | Stale) -> None:
        if self._announcer is not None and isinstance(result, Committed):
            self._announcer.announce(commit.session.setup.session_id, commit.update)


def _outcome(decision: Decision, now_ms: int) -> Outcome:
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
