"""The relay: what the store publishes goes to the connections of one endpoint.

A thread of a long-running process. It holds no state but its subscription: who
watches what is read anew for every message. A subscription that is lost is not
mended but replaced, and since nobody knows what was missed meanwhile, everybody
on the endpoint is then sent a fresh snapshot.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Protocol

from ..core.errors import SessionNotFound, StoreUnavailable
from ..engine import SyncEngine
from ..ports import ConnectionRegistry
from ..schemas.pushes import is_farewell, session_deleted
from ..schemas.socket import session_forbidden, state_sync
from ..telemetry.ports import SILENT, Telemetry
from . import fan_out
from .audience import Audience, audience_of
from .management_api.ports import Delete, ManagementApi, Outcome, Post

LOG = logging.getLogger("tickless")

POST_WITHIN_SECONDS = 10.0
LISTEN_SECONDS = 0.25
AGAIN_AFTER_SECONDS = 0.1
COMPLAIN_EVERY = 100
"""Of attempts in a row that failed, so few are worth a line in the log."""


class Subscription(Protocol):
    """Hears what is published for every session."""

    def next(self, within_seconds: float) -> tuple[str, bytes] | None:
        """The next message and the id of its session; None if there is none in time.

        Raises:
            StoreUnavailable: The subscription is lost.
        """


class Relay:
    """Carries updates to the connections of ``endpoint``, from ``start`` to ``stop``."""

    def __init__(
        self,
        subscribe: Callable[[], AbstractContextManager[Subscription]],
        registry: ConnectionRegistry,
        engine: SyncEngine,
        api: ManagementApi,
        endpoint: str,
        *,
        sweep_every_seconds: float = 30.0,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._subscribe = subscribe
        self._registry = registry
        self._engine = engine
        self._api = api
        self._endpoint = endpoint
        self._sweep_every_seconds = sweep_every_seconds
        self._telemetry = telemetry
        self._gone: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self._stopping = Event()
        self._listening = Event()
        self._thread = Thread(target=self._run, name="relay", daemon=True)

    def start(self, within_seconds: float = 5.0) -> bool:
        """Begin; whether it listens already, which a store that is away delays."""
        self._thread.start()
        return self._listening.wait(within_seconds)

    def stop(self, within_seconds: float = 2.0) -> None:
        self._stopping.set()
        self._thread.join(within_seconds)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                with self._subscribe() as subscription:
                    # Also at first: it may stand in for one that was killed.
                    self._refresh(tell_of_loss=failures > 0)
                    if failures:
                        LOG.warning("relay: listening again; everybody has a snapshot")
                    failures = 0
                    self._listening.set()
                    self._listen(subscription)
            except StoreUnavailable as error:
                if failures % COMPLAIN_EVERY == 0:
                    LOG.warning("relay: %s", error)
            except Exception:
                # Whatever is wrong, a relay that is gone would be worse.
                if failures % COMPLAIN_EVERY == 0:
                    LOG.exception("relay: starting over")
            failures += 1
            self._listening.clear()
            self._stopping.wait(AGAIN_AFTER_SECONDS)

    def _listen(self, subscription: Subscription) -> None:
        sweep_at = time.monotonic() + self._sweep_every_seconds
        while not self._stopping.is_set():
            heard = subscription.next(LISTEN_SECONDS)
            if heard is not None:
                self._spread(*heard)
            self._strike_off()
            if time.monotonic() >= sweep_at:
                self._sweep()
                sweep_at = time.monotonic() + self._sweep_every_seconds

    def _spread(self, session_id: str, message: bytes) -> None:
        heard_s = time.monotonic()
        audience = audience_of(self._registry, session_id, self._endpoint)
        # An empty message has nobody told anything, and only those leave who have to.
        if message:
            self._send(audience, [message], heard_s)
        self._send_away(audience)
        if is_farewell(message):
            self._dismiss(session_id, (one.connection_id for one in audience.present))

    def _refresh(self, *, tell_of_loss: bool) -> None:
        """Send a snapshot to everybody here; the truth may be older than what they hold.

        Who waits for a session that has never been need not be told of its loss.
        """
        for session_id in self._registry.watched_sessions():
            audience = audience_of(self._registry, session_id, self._endpoint)
            if not audience.present:
                continue
            try:
                outcome = self._engine.get_current_state(session_id)
                self._send(audience, state_sync(outcome.session, outcome.now_ms))
            except SessionNotFound:
                if tell_of_loss:
                    self._send(audience, [session_deleted(session_id, audience.now_ms)])

    def _sweep(self) -> None:
        """Close the connections here that have been silent for too long.

        Those of an endpoint that is no more have nobody else to take them off
        the lists, which live on as long as anybody watches.
        """
        for session_id in self._registry.watched_sessions():
            audience = audience_of(self._registry, session_id)
            ours = [one for one in audience.silent if one.endpoint == self._endpoint]
            self._dismiss(session_id, (one.connection_id for one in ours))
            self._send_away(audience)
            abandoned = audience.abandoned(self._endpoint)
            if abandoned:
                self._registry.remove(session_id, abandoned)

    def _send(
        self, audience: Audience, messages: Iterable[bytes], since_s: float | None = None
    ) -> None:
        began_s = time.monotonic()
        deadline_s = began_s + POST_WITHIN_SECONDS
        for message in messages:
            delivery = _Delivery(audience, message, self._gone, self._telemetry, since_s or began_s)
            self._api.submit_all(
                [
                    Post(watcher.endpoint, watcher.connection_id, message, deadline_s)
                    for watcher in audience.present
                ],
                delivery.done,
            )

    def _send_away(self, audience: Audience) -> None:
        """Tell whose tokens hold no more, and close their connections here."""
        ours = [one for one in audience.forbidden if one.endpoint == self._endpoint]
        told = replace(audience, present=ours)
        if ours:
            self._send(told, [session_forbidden(audience.now_ms)])
            self._dismiss(audience.session_id, (one.connection_id for one in ours))

    def _dismiss(self, session_id: str, connection_ids: Iterable[str]) -> None:
        deadline_s = time.monotonic() + POST_WITHIN_SECONDS
        for connection_id in connection_ids:
            # Carried out after what was posted to the same connection before.
            delete = Delete(self._endpoint, connection_id, deadline_s)
            self._api.submit(delete, _Dismissal(session_id, self._gone).done)

    def _strike_off(self) -> None:
        """Take off the lists whom posts have shown to be gone."""
        while True:
            try:
                session_id, connection_id = self._gone.get_nowait()
            except Empty:
                return
            self._registry.remove(session_id, [connection_id])


class _Delivery:
    """What becomes of a message; called on the client's thread, so it only takes notes."""

    def __init__(
        self,
        audience: Audience,
        message: bytes,
        gone: SimpleQueue[tuple[str, str]],
        telemetry: Telemetry,
        since_s: float,
    ) -> None:
        self._audience = audience
        self._message = message
        self._gone = gone
        self._telemetry = telemetry
        self._since_s = since_s
        self._outcomes: Counter[Outcome] = Counter()
        self._left = len(audience.present)

    def done(self, post: Post, outcome: Outcome) -> None:
        self._outcomes[outcome] += 1
        self._left -= 1
        if outcome is Outcome.GONE:
            self._note_gone(post)
        elif outcome is not Outcome.DELIVERED:
            LOG.warning(
                "relay: post to %s: %s",
                post.connection_id,
                outcome,
                extra={"session_id": self._audience.session_id},
            )
        if not self._left:
            fan_out.report(
                self._telemetry,
                self._audience.session_id,
                self._message,
                self._outcomes,
                time.monotonic() - self._since_s,
            )

    def _note_gone(self, post: Post) -> None:
        outcome = Outcome.GONE
        for watcher in self._audience.present:
            if watcher.connection_id == post.connection_id and self._audience.is_gone(
                watcher, outcome
            ):
                self._gone.put((self._audience.session_id, watcher.connection_id))


class _Dismissal:
    """Who has been sent away is off the list, however that went."""

    def __init__(self, session_id: str, gone: SimpleQueue[tuple[str, str]]) -> None:
        self._session_id = session_id
        self._gone = gone

    def done(self, delete: Delete, _: Outcome) -> None:
        self._gone.put((self._session_id, delete.connection_id))
