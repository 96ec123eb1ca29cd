"""Rate limiting by address, on Redis; fails open.

Buckets of sessions and connections lie with their session and are counted by the
session's scripts. On a single server, counting an address shares the round trip of the
load. In a Cluster it goes to another node after the load, so a silent node blocks no
session on another. Switches cost no extra round trip.
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
from .script import Script, ScriptArguments

LOG = logging.getLogger("tickless")

SKIP_S = 5.0
"""How long to skip counting after a failure, so that requests don't wait for another one."""

UNCOUNTED = (StoreUnavailable, ResponseError)
"""Errors that let a request through uncounted, a bug in a script included."""


class RequestBuckets:
    """Counts requests by address; lets them through if counting fails."""

    def __init__(
        self, client: RedisClient, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._count = Script("rate_limit", "gcra")
        self._monotonic = monotonic
        self._skip_until_s = 0.0

    def count(self, limit_check: RateLimitCheck) -> None:
        if self._skip(limit_check):
            return
        try:
            counted = self._client.run(self._count, *_arguments(limit_check))
        except UNCOUNTED as error:
            counted = error
        self._record(limit_check, counted)

    def run_and_count(
        self, limit_check: RateLimitCheck, script: Script, arguments: ScriptArguments
    ) -> Any:
        """Run ``script`` and count the request, in one round trip on a single server."""
        if self._skip(limit_check):
            return self._client.run(script, *arguments)
        answer, counted = self._client.pipeline_with_optional(
            script, arguments, self._count, _arguments(limit_check)
        )
        self._record(limit_check, counted)
        return answer

    def _skip(self, limit_check: RateLimitCheck) -> bool:
        skip = self._monotonic() < self._skip_until_s
        if skip:
            limit_check.failed_open()
        return skip

    def _record(self, limit_check: RateLimitCheck, counted: Any) -> None:
        if isinstance(counted, UNCOUNTED):
            self._skip_until_s = self._monotonic() + SKIP_S
            LOG.warning("rate limits are off for %g s, counting failed: %s", SKIP_S, counted)
            limit_check.failed_open()
        else:
            limit_check.record(*counted)


def _arguments(limit_check: RateLimitCheck) -> ScriptArguments:
    return (1, requests(limit_check.subject), *limit_check.limit.script_arguments)
