"""Inline broadcast: the function that commits posts to every connection before returning.

The default on AWS: needs no infrastructure beyond the functions themselves.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import islice

from ..core.errors import StoreUnavailable
from ..ports import Connection, ConnectionRegistry
from ..schemas.messages import session_forbidden
from ..telemetry.metrics import SILENT, Telemetry
from .connections_api.ports import ConnectionsApi, Delete, Post, Request
from .recipients import SESSIONS_PER_READ, Recipients, recipients_of, recipients_of_each

LOG = logging.getLogger("tickless")

WITHIN_SECONDS = 3.0
"""Upper bound of a fan-out. A client that misses a message catches up with its heartbeat."""

THROTTLED_SECONDS = 0.25
"""How long to wait while only throttled connections (429: the client doesn't read) are left."""


class InlineBroadcaster:
    """A Broadcaster that posts directly. ``api`` is called when there is something to post."""

    def __init__(
        self,
        registry: ConnectionRegistry,
        api: Callable[[], ConnectionsApi],
        monotonic: Callable[[], float] = time.monotonic,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._registry = registry
        self._open_api = api
        self._telemetry = telemetry
        self._monotonic = monotonic

    @cached_property
    def _api(self) -> ConnectionsApi:
        return self._open_api()

    def broadcast(self, session_id: str, message: bytes) -> None:
        self._broadcast(session_id, message, close=False)

    def broadcast_and_close(self, session_id: str, final_message: bytes) -> None:
        self._broadcast(session_id, final_message, close=True)

    def close_revoked(self, session_id: str) -> None:
        # The next sweep closes connections that could not be reached.
        with _logged_failures(session_id):
            self._close_silent_and_revoked(recipients_of(self._registry, session_id))

    def sweep(self) -> None:
        """Close silent and revoked connections of sessions without broadcasts.

        Raises:
            StoreUnavailable: The next sweep tries again.
        """
        session_ids = self._registry.sessions_with_connections()
        while some := list(islice(session_ids, SESSIONS_PER_READ)):
            for recipients in recipients_of_each(self._registry, some):
                self._close_silent_and_revoked(recipients)

    def _broadcast(self, session_id: str, message: bytes, *, close: bool) -> None:
        with _logged_failures(session_id):
            recipients = recipients_of(self._registry, session_id)
            self.deregister_gone(session_id, self._post(recipients, message, close=close))

    def _close_silent_and_revoked(self, recipients: Recipients) -> None:
        if recipients.to_close:
            self.deregister_gone(
                recipients.session_id, self._post(replace(recipients, subscribers=()), b"")
            )

    def deregister_gone(self, session_id: str, gone: Sequence[Connection]) -> None:
        if gone:
            self._registry.remove(session_id, [one.connection_id for one in gone])

    def _post(
        self, recipients: Recipients, message: bytes, *, close: bool = False
    ) -> Sequence[Connection]:
        """Post, and close if ``close``; returns the connections to deregister."""
        began_s = self._monotonic()
        deadline_s = began_s + WITHIN_SECONDS
        posts: list[Request] = [
            Post(one.endpoint, one.connection_id, message, deadline_s)
            for one in recipients.subscribers
        ]
        reasons: list[Request] = []
        if recipients.revoked:
            reason = session_forbidden(recipients.now_ms)
            reasons = [
                Post(one.endpoint, one.connection_id, reason, deadline_s)
                for one in recipients.revoked
            ]
        to_close = [*recipients.to_close, *(recipients.subscribers if close else ())]
        deletes = [Delete(one.endpoint, one.connection_id, deadline_s) for one in to_close]
        if not posts and not deletes:
            return ()
        statuses = self._api.post_all(
            [*posts, *reasons, *deletes], WITHIN_SECONDS, THROTTLED_SECONDS
        )
        if posts:
            self._telemetry.record_fan_out(
                recipients.session_id,
                message,
                Counter(map(str, statuses[: len(posts)])),
                self._monotonic() - began_s,
            )
        if reasons:
            self._telemetry.record_posts(Counter(map(str, statuses[len(posts) :][: len(reasons)])))
        if close:
            return to_close
        return [*recipients.to_close, *recipients.gone(statuses)]


@contextmanager
def _logged_failures(session_id: str) -> Iterator[None]:
    """Log failures instead of raising: the commit stands and its caller gets their response."""
    try:
        yield
    except StoreUnavailable as error:
        LOG.warning("session %s: broadcast incomplete: %s", session_id, error)
    except Exception:
        LOG.exception("session %s: broadcast incomplete", session_id)
