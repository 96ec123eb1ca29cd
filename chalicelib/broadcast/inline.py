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
from ..ports import ConnectionRegistry, Watcher
from ..schemas.messages import session_forbidden
from ..telemetry.ports import SILENT, Telemetry
from . import fan_out_metrics as fan_out
from .connections_api.ports import Delete, ManagementApi, Post, Request
from .recipients import LISTS_AT_ONCE, Audience, audience_of, audiences_of

LOG = logging.getLogger("tickless")

WITHIN_SECONDS = 3.0
"""Whom a fan-out misses, the heartbeat heals; the caller is not kept waiting longer."""

LIMITED_SECONDS = 0.25
"""Who doesn't read is answered 429 for as long as that lasts, and is waited for no longer."""


class InlineAnnouncer:
    """Announces by posting; see Announcer. ``api`` is called once there is anybody to tell."""

    def __init__(
        self,
        registry: ConnectionRegistry,
        api: Callable[[], ManagementApi],
        monotonic: Callable[[], float] = time.monotonic,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._registry = registry
        self._api = api
        self._telemetry = telemetry
        self._monotonic = monotonic

    def announce(self, session_id: str, message: bytes) -> None:
        self._tell(session_id, message, close=False)

    def dismiss(self, session_id: str, farewell: bytes) -> None:
        self._tell(session_id, farewell, close=True)

    def send_away(self, session_id: str) -> None:
        # Whoever could not be reached is told nothing either, and closed by the next sweep.
        with _whatever_becomes_of_it(session_id):
            self._part_with(audience_of(self._registry, session_id))

    def sweep(self) -> None:
        """Close whom nobody should watch any more, where nothing is announced that would find out.

        Raises:
            StoreUnavailable: It can't be reached; the next sweep will do.
        """
        session_ids = self._registry.watched_sessions()
        while some := list(islice(session_ids, LISTS_AT_ONCE)):
            for audience in audiences_of(self._registry, some):
                self._part_with(audience)

    def _tell(self, session_id: str, message: bytes, *, close: bool) -> None:
        with _whatever_becomes_of_it(session_id):
            audience = audience_of(self._registry, session_id)
            self._strike_off(session_id, self._post(audience, message, close=close))

    def _part_with(self, audience: Audience) -> None:
        if audience.leaving:
            self._strike_off(audience.session_id, self._post(replace(audience, present=()), b""))

    def _strike_off(self, session_id: str, gone: Sequence[Watcher]) -> None:
        if gone:
            self._registry.remove(session_id, [one.connection_id for one in gone])

    def _post(
        self, audience: Audience, message: bytes, *, close: bool = False
    ) -> Sequence[Watcher]:
        """Post, and close where that is asked for; returns whom to strike from the list."""
        began_s = self._monotonic()
        deadline_s = began_s + WITHIN_SECONDS
        posts: list[Request] = [
            Post(one.endpoint, one.connection_id, message, deadline_s) for one in audience.present
        ]
        reason = session_forbidden(audience.now_ms)
        reasons: list[Request] = [
            Post(one.endpoint, one.connection_id, reason, deadline_s) for one in audience.forbidden
        ]
        leaving = [*audience.leaving, *(audience.present if close else ())]
        deletes = [Delete(one.endpoint, one.connection_id, deadline_s) for one in leaving]
        if not posts and not deletes:
            return ()
        outcomes = self._api().post_all(
            [*posts, *reasons, *deletes], WITHIN_SECONDS, LIMITED_SECONDS
        )
        if posts:
            fan_out.report(
                self._telemetry,
                audience.session_id,
                message,
                Counter(outcomes[: len(posts)]),
                self._monotonic() - began_s,
            )
        if reasons:
            self._telemetry.posted(Counter(outcomes[len(posts) :][: len(reasons)]))
        if close:
            return leaving
        delivered = zip(audience.present, outcomes, strict=False)
        return [*audience.leaving, *(one for one, how in delivered if audience.is_gone(one, how))]


@contextmanager
def _whatever_becomes_of_it(session_id: str) -> Iterator[None]:
    """The commit stands, and whoever made it is answered."""
    try:
        yield
    except StoreUnavailable as error:
        LOG.warning("session %s: not everybody was told: %s", session_id, error)
    except Exception:
        LOG.exception("session %s: not everybody was told", session_id)
