"""The SyncEngine: load, settle, apply a rule, commit.

It owns what may be asked for, and that a request that comes again has one
effect. It decides nothing about clocks, which the core does, and knows no
store but the port.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ..auth.policy import Bearer
from ..core.commands import (
    Adjust,
    Cancel,
    Command,
    Complete,
    Pause,
    Resume,
    Start,
    Switch,
    Undo,
    apply,
)
from ..core.errors import SessionNotFound
from ..core.setup import Setup
from ..ports import (
    REMEMBER_COMMANDS_MS,
    Broadcaster,
    Commit,
    Deleted,
    IdempotencyRecord,
    Loaded,
    LoggedEvent,
    RateLimitCheck,
    SessionStore,
    Stale,
)
from ..schemas.pushes import session_deleted
from ..settings import MAX_TOKEN_TTL_SECONDS
from ..telemetry.ports import SILENT, Telemetry
from .commit_loop import Changes, outcome_of, random_id, repeat
from .idempotency import IdempotentRequest
from .idempotency import Outcome as Outcome
from .retry import DEFAULT_RETRY, RetryPolicy
from .session_locks import SessionLocks


class SyncEngine:
    """Sessions and what may be done to them, one atomic commit at a time.

    Every method raises StoreUnavailable when the store can't be reached, and
    Conflict when others were faster for two seconds on end; where a ``charge``
    is given, RateLimited if it was one too many, and where a ``bearer`` is,
    Unauthenticated if his token does not hold.
    """

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
        self._new_id = new_id
        self._turns = SessionLocks()
        self._changes = Changes(
            store,
            broadcaster=broadcaster,
            session_ttl_ms=session_ttl_ms,
            telemetry=telemetry,
            new_id=new_id,
            retry=retry,
        )

    def create_session(
        self,
        setup: Setup,
        *,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Outcome:
        """Create a session; the same setup again is answered with what became of it.

        Raises:
            SessionExists: The id is taken by a session that was set up differently.
        """
        loaded = self._changes.load(setup.session_id, limit_check, bearer=bearer)
        made, _ = self._changes.create(loaded, setup, None)
        return made

    def create_session_once(
        self,
        setup: Setup,
        idempotency: IdempotentRequest,
        *,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> bytes:
        """As :meth:`create_session`; what was answered, now or the first time.

        Raises:
            IdempotencyKeyReused: The first time it was another request.
        """
        loaded = self._changes.load(setup.session_id, limit_check, idempotency, bearer)
        if loaded.record is not None:
            return repeat(idempotency, loaded.record)
        outcome, made = self._changes.create(loaded, setup, idempotency)
        return self._changes.answer(setup.session_id, idempotency, outcome, made)

    def get_current_state(
        self,
        session_id: str,
        *,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Outcome:
        """The session as of now; a timeout that was due is committed first.

        Raises:
            SessionNotFound: There is none of this id.
        """
        loaded = self._changes.load(session_id, limit_check, bearer=bearer)
        return self._changes.settled(loaded, session_id)

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
            outcome = outcome_of(decision, one.now_ms)
            outcomes.append(outcome)
            if decision.session is not one.session:
                commit = self._changes.commit_of(one.session, outcome, None, renew=False)
                commits.append((place, commit))
        results = self._store.commit_many([commit for _, commit in commits])
        for (place, commit), result in zip(commits, results, strict=True):
            self._changes.follow_up(commit, result)
            if isinstance(result, Stale):
                # Others were faster: the usual way leads to what they left.
                try:
                    outcomes[place] = self._changes.settled(result.current, session_ids[place])
                except SessionNotFound:
                    outcomes[place] = None
        return outcomes

    def get_events(
        self,
        session_id: str,
        after: str | None,
        limit: int,
        *,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Sequence[LoggedEvent]:
        """What has happened by now, from behind the event ``after`` on; see SessionStore.log.

        Raises:
            SessionNotFound: There is none of this id, and no log of it either.
        """
        missing = None
        try:
            # A timeout that is due has happened, too.
            self.get_current_state(session_id, limit_check=limit_check, bearer=bearer)
        except SessionNotFound as error:
            missing = error
        events = self._store.log(session_id, after, limit)
        if events is None and missing is not None:
            raise missing
        return events or ()

    def start_session(self, session_id: str) -> Outcome:
        return self.execute(session_id, Start())

    def switch_cycle(
        self,
        session_id: str,
        next_participant_id: str | None = None,
        current_participant_id: str | None = None,
    ) -> Outcome:
        return self.execute(session_id, Switch(next_participant_id, current_participant_id))

    def pause_session(self, session_id: str, current_participant_id: str | None = None) -> Outcome:
        return self.execute(session_id, Pause(current_participant_id))

    def resume_session(self, session_id: str) -> Outcome:
        return self.execute(session_id, Resume())

    def complete_session(self, session_id: str) -> Outcome:
        return self.execute(session_id, Complete())

    def cancel_session(self, session_id: str) -> Outcome:
        return self.execute(session_id, Cancel())

    def undo_switch(self, session_id: str) -> Outcome:
        return self.execute(session_id, Undo())

    def adjust_time(
        self,
        session_id: str,
        delta_ms: int,
        participant_id: str | None = None,
        group_id: str | None = None,
        reason: str | None = None,
    ) -> Outcome:
        return self.execute(session_id, Adjust(delta_ms, participant_id, group_id, reason))

    def execute(
        self,
        session_id: str,
        command: Command,
        *,
        expected_versions: Collection[int] | None = None,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Outcome:
        """Apply a command to the session as it is when its turn comes.

        With ``expected_versions`` nothing but one of these is changed.

        Raises:
            SessionNotFound: There is none of this id.
            PreconditionFailed: It is at another version.
            RuleError: The rules refuse it; timeouts that were due are committed.
            Conflict: It was valid when first read, and after a lost race no longer.
        """
        with self._turns.at(session_id):
            loaded = self._changes.load(session_id, limit_check, bearer=bearer)
            outcome, _ = self._changes.change(
                loaded, session_id, command, None, expected_versions, limit_check
            )
        return outcome

    def execute_idempotent(
        self,
        session_id: str,
        command: Command,
        idempotency: IdempotentRequest,
        *,
        expected_versions: Collection[int] | None = None,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> bytes:
        """As :meth:`carry_out`; what was answered, now or the first time.

        What was answered before is, whatever version is expected now.

        Raises:
            IdempotencyKeyReused: The first time it was another request.
        """
        with self._turns.at(session_id):
            loaded = self._changes.load(session_id, limit_check, idempotency, bearer)
            if loaded.record is not None:
                return repeat(idempotency, loaded.record)
            outcome, made = self._changes.change(
                loaded, session_id, command, idempotency, expected_versions, limit_check
            )
            return self._changes.answer(session_id, idempotency, outcome, made)

    def admit(
        self, session_id: str, bearer: Bearer | None, *, limit_check: RateLimitCheck | None = None
    ) -> int:
        """Have a request counted, and its token looked at, for a session that need not be there.

        Returns the store's time.
        """
        now_ms = self._store.admit(session_id, bearer, limit_check)
        if limit_check is not None:
            limit_check.enforce()
        return now_ms

    def revoke_token(
        self,
        session_id: str,
        token_id: str,
        bearer: Bearer,
        *,
        limit_check: RateLimitCheck | None = None,
    ) -> None:
        """Have a token of the session not hold from now on, and send away whoever came with it."""
        self.admit(session_id, bearer, limit_check=limit_check)
        self._store.revoke(session_id, token_id, MAX_TOKEN_TTL_SECONDS * 1000)
        if self._announcer is not None:
            self._announcer.close_revoked(session_id)

    def delete_session(
        self,
        session_id: str,
        *,
        idempotency: IdempotentRequest | None = None,
        expected_versions: Collection[int] | None = None,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> None:
        """Make the session gone, whether there was one or not.

        Raises:
            PreconditionFailed: It is not at one of the ``expected_versions``.
            IdempotencyKeyReused: It was another request ``once`` before.
        """
        if idempotency is None and expected_versions is None:
            # Without a look at it: what can't be read can still be deleted.
            loaded = Loaded(None, self.admit(session_id, bearer, limit_check=limit_check))
        else:
            loaded = self._changes.load(session_id, limit_check, idempotency, bearer)
        while True:
            if idempotency is not None and loaded.record is not None:
                repeat(idempotency, loaded.record)
                return
            self._changes.expect(loaded, session_id, expected_versions)
            final_message = session_deleted(session_id, loaded.now_ms)
            result = self._store.delete(
                session_id,
                idempotency.command_id if idempotency else self._new_id(),
                final_message,
                base=loaded.session if expected_versions is not None else None,
                record=IdempotencyRecord(0, idempotency.fingerprint) if idempotency else None,
                keep_ms=idempotency.keep_ms if idempotency else REMEMBER_COMMANDS_MS,
            )
            if isinstance(result, Deleted):
                break
            loaded = result.current
        if idempotency is not None and result.before is not None:
            repeat(idempotency, result.before)
        if result.existed and self._announcer is not None:
            self._announcer.broadcast_and_close(session_id, final_message)
