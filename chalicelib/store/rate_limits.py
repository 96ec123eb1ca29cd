"""The buckets of addresses: counted beside a load where there is one, and failing open.

Those of sessions and connections lie with their session, and are counted by
scripts that it needs anyway; only what is counted for many sessions is here.
On a single server it travels in the same packet as the load it belongs to. In
a Cluster it goes to another node, after the load, so that a node that is silent
keeps nobody from a session on another. Switches that are carried out are not
counted here and cost no round trip anywhere.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from redis.exceptions import ResponseError

from ..ports import RateLimitCheck, StoreUnavailable
from .client import RedisClient
from .keys import requests
from .script import Script, Words

LOG = logging.getLogger("tickless")

LEAVE_ALONE_S = 5.0
"""Where counting has failed nobody else waits for it to fail again for so long."""

UNCOUNTED = (StoreUnavailable, ResponseError)
"""What keeps a request from being counted; a mistake of ours is no reason to refuse it, either."""


def limit_words(limit_check: RateLimitCheck) -> tuple[int, int]:
    """What the scripts want to know of a limit."""
    return limit_check.limit.interval_us, limit_check.limit.capacity_us


class RequestBuckets:
    """Counts requests of addresses, and lets them through where that fails."""

    def __init__(
        self, client: RedisClient, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._count = Script("rate_limit", "gcra")
        self._monotonic = monotonic
        self._leave_alone_until_s = 0.0

    def count(self, limit_check: RateLimitCheck) -> None:
        if self._left_alone(limit_check):
            return
        try:
            counted = self._count.run(self._client, *_words(limit_check))
        except UNCOUNTED as error:
            counted = error
        self._note(limit_check, counted)

    def count_beside(self, limit_check: RateLimitCheck, script: Script, words: Words) -> Any:
        """What ``script`` answers, and the charge counted meanwhile."""
        if self._left_alone(limit_check):
            return script.run(self._client, *words)
        answer, counted = script.run_with_optional(
            self._client, words, self._count, _words(limit_check)
        )
        self._note(limit_check, counted)
        return answer

    def _left_alone(self, limit_check: RateLimitCheck) -> bool:
        left_alone = self._monotonic() < self._leave_alone_until_s
        if left_alone:
            limit_check.failed_open()
        return left_alone

    def _note(self, limit_check: RateLimitCheck, counted: Any) -> None:
        if isinstance(counted, UNCOUNTED):
            self._leave_alone_until_s = self._monotonic() + LEAVE_ALONE_S
            LOG.warning(
                "limits are off for %g s, nothing can be counted: %s", LEAVE_ALONE_S, counted
            )
            limit_check.failed_open()
        else:
            limit_check.record(*counted)


def _words(limit_check: RateLimitCheck) -> Words:
    return (1, requests(limit_check.subject), *limit_words(limit_check))
