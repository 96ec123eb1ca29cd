"""Inline broadcast: who commits posts to every watcher before returning.

The default on AWS: no infrastructure beyond the functions themselves.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from ..core.errors import StoreUnavailable
from ..ports import Connection, ConnectionRegistry
from ..schemas.messages import session_forbidden
from ..telemetry.ports import SILENT, Telemetry
from . import fan_out_metrics as fan_out
from .connections_api.ports import ConnectionsApi, Delete, Post, Request
from .recipients import LISTS_AT_ONCE, Recipients, recipients_of, recipients_of_each

LOG = logging.getLogger("tickless")

WITHIN_SECONDS = 3.0
"""Whom a fan-out misses, the heartbeat heals; the caller is not kept waiting longer."""

LIMITED_SECONDS = 0.25
"""Who doesn't read is answered 429 for as long as that lasts, and is waited for no longer."""


class InlineBroadcaster:
    """Announces by posting; see Broadcaster. ``api`` is called once there is anybody to tell."""

    def __init__(
        self,
        registry: ConnectionRegistry,
        api: Callable[[], ConnectionsApi],
        monotonic: Callable[[], float] = time.monotonic,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._registry = registry
        self._api = api
        self._telemetry = telemetry
        self._monotonic = monotonic

    def broadcast(self, session_id: str, message: bytes) -> None:
        self._tell(session_id, message, close=False)

    def broadcast_and_close(self, session_id: str, final_message: bytes) -> None:
        self._tell(session_id, final_message, close=True)

    def close_revoked(self, session_id: str) -> None:
        # Whoever could not be reached is told nothing either, and closed by the next sweep.
        with _whatever_becomes_of_it(session_id):
            self._part_with(recipients_of(self._registry, session_id))

    def sweep(self) -> None:
        """Close whom nobody should watch any more, where nothing is announced that would find out.

        Raises:
            StoreUnavailable: It can't be reached; the next sweep will do.
        """
        session_ids = self._registry.sessions_with_connections()
        while some := list(islice(session_ids, LISTS_AT_ONCE)):
            for recipients in recipients_of_each(self._registry, some):
                self._part_with(recipients)

    def _tell(self, session_id: str, message: bytes, *, close: bool) -> None:
        with _whatever_becomes_of_it(session_id):
            recipients = recipients_of(self._registry, session_id)
            self.deregister_gone(session_id, self._post(recipients, message, close=close))

    def _part_with(self, recipients: Recipients) -> None:
        if recipients.leaving:
            self.deregister_gone(
                recipients.session_id, self._post(replace(recipients, present=()), b"")
            )

    def deregister_gone(self, session_id: str, gone: Sequence[Connection]) -> None:
        if gone:
            self._registry.remove(session_id, [one.connection_id for one in gone])

    def _post(
        self, recipients: Recipients, message: bytes, *, close: bool = False
    ) -> Sequence[Connection]:
        """Post, and close where that is asked for; returns whom to strike from the list."""
        began_s = self._monotonic()
        deadline_s = began_s + WITHIN_SECONDS
        posts: list[Request] = [
            Post(one.endpoint, one.connection_id, message, deadline_s) for one in recipients.present
        ]
        reason = session_forbidden(recipients.now_ms)
        reasons: list[Request] = [
            Post(one.endpoint, one.connection_id, reason, deadline_s)
            for one in recipients.forbidden
        ]
        leaving = [*recipients.leaving, *(recipients.present if close else ())]
        deletes = [Delete(one.endpoint, one.connection_id, deadline_s) for one in leaving]
        if not posts and not deletes:
            return ()
        outcomes = self._api().post_all(
            [*posts, *reasons, *deletes], WITHIN_SECONDS, LIMITED_SECONDS
        )
        if posts:
            fan_out.report(
                self._telemetry,
                recipients.session_id,
                message,
                Counter(outcomes[: len(posts)]),
                self._monotonic() - began_s,
            )
        if reasons:
            self._telemetry.posted(Counter(outcomes[len(posts) :][: len(reasons)]))
        if close:
            return leaving
        delivered = zip(recipients.present, outcomes, strict=False)
        return [
            *recipients.leaving,
            *(one for one, how in delivered if recipients.is_gone(one, how)),
        ]


@contextmanager
def _whatever_becomes_of_it(session_id: str) -> Iterator[None]:
    """The commit stands, and whoever made it is answered."""
    try:
        yield
    except StoreUnavailable as error:
        LOG.warning("session %s: not everybody was told: %s", session_id, error)
    except Exception:
        LOG.exception("session %s: not everybody was told", session_id)
