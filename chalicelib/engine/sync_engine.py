"""The SyncEngine: what can be done to sessions, each by one atomic commit.

Decides nothing about clocks (see ``core``), knows the store only by its port, and leaves retries
to the commit loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from ..auth.policy import Bearer
from ..core.commands import Command, Complete, Pause, Resume, Start, Switch, apply
from ..core.errors import SessionNotFound
from ..core.setup import Setup
from ..ports import (
    REMEMBER_COMMANDS_MS,
    Commit,
    Deleted,
    IdempotencyRecord,
    Loaded,
    LoggedEvent,
    RateLimitCheck,
    Stale,
)
from ..schemas.pushes import session_deleted
from ..settings import MAX_TOKEN_TTL_SECONDS
from .commit_loop import CommandResult, CommitLoop
from .idempotency import IdempotentRequest

LOCK_WAIT_SECONDS = 0.5
"""How long to wait for a session's lock: hundreds of commits, and short if the store is down."""


class SyncEngine:
    """Sessions, and the commands on them.

    Every method raises StoreUnavailable when the store can't be reached; Conflict when other
    writers won for two seconds; RateLimited when its ``limit_check`` is exceeded; Unauthenticated
    when the token of its ``bearer`` has expired or was revoked.
    """

    def __init__(self, commit_loop: CommitLoop) -> None:
        self._loop = commit_loop
        self._locks = _SessionLocks()

    def create_session(
        self,
        setup: Setup,
        *,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> CommandResult:
        """Create a session; the same setup again returns the session as it is now.

        Raises:
            SessionExists: A session of this id was set up differently.
        """
        loaded = self._loop.load(setup.session_id, limit_check, bearer=bearer)
        result, _ = self._loop.create(loaded, setup, None)
        return result

    def create_session_idempotent(
        self,
        setup: Setup,
        idempotency: IdempotentRequest,
        *,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> bytes:
        """As :meth:`create_session`; the response, now or the first time.

        Raises:
            IdempotencyKeyReused: The key belongs to another request.
        """
        loaded = self._loop.load(setup.session_id, limit_check, idempotency, bearer)
        if loaded.record is not None:
            return idempotency.replay(loaded.record)
        result, stored = self._loop.create(loaded, setup, idempotency)
        return self._loop.response(setup.session_id, idempotency, result, stored)

    def get_current_state(
        self,
        session_id: str,
        *,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> CommandResult:
        """The session as of now; timeouts that are due are committed first.

        Raises:
            SessionNotFound: There is no session of this id.
        """
        loaded = self._loop.load(session_id, limit_check, bearer=bearer)
        return self._loop.settle(loaded, session_id)

    def settle_many(self, session_ids: Sequence[str]) -> Sequence[CommandResult | None]:
        """Each session with its due timeouts committed, in two round trips; None if missing.

        The ids must differ. What is raised for one is raised for all, and some may be settled
        then.
        """
        loaded = self._loop.store.load_many(session_ids)
        results: list[CommandResult | None] = []
        commits: list[tuple[int, Commit]] = []
        for index, one in enumerate(loaded):
            if one.session is None:
                results.append(None)
                continue
            decision = apply(one.session, None, one.now_ms)
            result = CommandResult.of(decision, one.now_ms)
            results.append(result)
            if decision.session is not one.session:
                commit = self._loop.commit_of(one.session, result, None, renew=False)
                commits.append((index, commit))
        committed = self._loop.store.commit_many([commit for _, commit in commits])
        for (index, commit), outcome in zip(commits, committed, strict=True):
            self._loop.publish(commit, outcome)
            if isinstance(outcome, Stale):
                # Another writer won: go on from what it left.
                try:
                    results[index] = self._loop.settle(outcome.current, session_ids[index])
                except SessionNotFound:
                    results[index] = None
        return results

    def get_events(
        self,
        session_id: str,
        after: str | None,
        limit: int,
        *,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Sequence[LoggedEvent]:
        """At most ``limit`` events after the one whose id is ``after``; see SessionStore.

        Raises:
            SessionNotFound: There is neither a session of this id nor a log of one.
        """
        missing = None
        try:
            # A timeout that is due has happened, too.
            self.get_current_state(session_id, limit_check=limit_check, bearer=bearer)
        except SessionNotFound as error:
            missing = error
        events = self._loop.store.read_events(session_id, after, limit)
        if events is None and missing is not None:
            raise missing
        return events or ()

    def start_session(self, session_id: str) -> CommandResult:
        return self.execute(session_id, Start())

    def switch_cycle(
        self,
        session_id: str,
        next_participant_id: str | None = None,
        current_participant_id: str | None = None,
    ) -> CommandResult:
        return self.execute(session_id, Switch(next_participant_id, current_participant_id))

    def pause_session(
        self, session_id: str, current_participant_id: str | None = None
    ) -> CommandResult:
        return self.execute(session_id, Pause(current_participant_id))

    def resume_session(self, session_id: str) -> CommandResult:
        return self.execute(session_id, Resume())

    def complete_session(self, session_id: str) -> CommandResult:
        return self.execute(session_id, Complete())

    def execute(
        self,
        session_id: str,
        command: Command,
        *,
        expected_versions: Collection[int] | None = None,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> CommandResult:
        """Apply a command to the session as it is then.

        With ``expected_versions`` only a session at one of them is changed.

        Raises:
            SessionNotFound: There is no session of this id.
            PreconditionFailed: It is at another version.
            RuleError: The rules refuse the command; due timeouts are committed all the same.
            Conflict: It was valid when first read, and not after another writer won.
        """
        with self._locks.hold(session_id):
            loaded = self._loop.load(session_id, limit_check, bearer=bearer)
            result, _ = self._loop.change(
                loaded, session_id, command, None, expected_versions, limit_check
            )
        return result

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
        """As :meth:`execute`; the response, now or the first time.

        A repetition is not held against ``expected_versions``.

        Raises:
            IdempotencyKeyReused: The key belongs to another request.
        """
        with self._locks.hold(session_id):
            loaded = self._loop.load(session_id, limit_check, idempotency, bearer)
            if loaded.record is not None:
                return idempotency.replay(loaded.record)
            result, stored = self._loop.change(
                loaded, session_id, command, idempotency, expected_versions, limit_check
            )
            return self._loop.response(session_id, idempotency, result, stored)

    def revoke_token(
        self,
        session_id: str,
        token_id: str,
        bearer: Bearer,
        *,
        limit_check: RateLimitCheck | None = None,
    ) -> None:
        """Revoke a token of the session, and close the connections that were opened with it."""
        self._loop.store.authorize(session_id, bearer, limit_check)
        self._loop.store.revoke(session_id, token_id, MAX_TOKEN_TTL_SECONDS * 1000)
        if self._loop.broadcaster is not None:
            self._loop.broadcaster.close_revoked(session_id)

    def delete_session(
        self,
        session_id: str,
        *,
        idempotency: IdempotentRequest | None = None,
        expected_versions: Collection[int] | None = None,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> None:
        """Delete the session. Idempotent.

        Raises:
            PreconditionFailed: It is at none of the ``expected_versions``.
            IdempotencyKeyReused: The key belongs to another request.
        """
        if idempotency is None and expected_versions is None:
            # Without reading it: a session that can't be decoded can still be deleted.
            loaded = Loaded(None, self._loop.store.authorize(session_id, bearer, limit_check))
        else:
            loaded = self._loop.load(session_id, limit_check, idempotency, bearer)
        while True:
            if idempotency is not None and loaded.record is not None:
                idempotency.replay(loaded.record)
                return
            self._loop.check_preconditions(loaded, session_id, expected_versions)
            final_message = session_deleted(session_id, loaded.now_ms)
            outcome = self._loop.store.delete(
                session_id,
                idempotency.key if idempotency else self._loop.new_id(),
                final_message,
                base=loaded.session if expected_versions is not None else None,
                record=IdempotencyRecord(0, idempotency.fingerprint) if idempotency else None,
                keep_ms=idempotency.keep_ms if idempotency else REMEMBER_COMMANDS_MS,
            )
            if isinstance(outcome, Deleted):
                break
            loaded = outcome.current
        if idempotency is not None and outcome.before is not None:
            idempotency.replay(outcome.before)
        if outcome.existed and self._loop.broadcaster is not None:
            self._loop.broadcaster.broadcast_and_close(session_id, final_message)


class _SessionLocks:
    """Locks by session, to avoid races among the threads of one process.

    The store decides races; but each loser among our own threads costs a round trip. Sessions
    share locks, and a lock is waited for only briefly: after that the thread goes on without.
    """

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(256))

    @contextmanager
    def hold(self, session_id: str) -> Iterator[None]:
        lock = self._locks[hash(session_id) % len(self._locks)]
        taken = lock.acquire(timeout=LOCK_WAIT_SECONDS)
        try:
            yield
        finally:
            if taken:
                lock.release()
