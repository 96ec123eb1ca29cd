"""Rate limiter (GCRA), and which limit a request counts against. Pure: no I/O, no clock.

A limit of n per period is a leaky bucket that holds n and drains n per period, evenly. A request
that would overflow it is rejected and adds nothing. The only state is the time at which the bucket
will be empty. This is the generic cell rate algorithm (ITU-T I.371).

The guarantee: in any interval, at most n requests pass, plus what drains during it; that is n at
once, then n per period.

Why not the alternatives: a fixed window passes twice the limit around its boundary and, once used
up, blocks every client behind an address until it ends; a sliding log stores one timestamp per
request; a sliding counter estimates how requests were spread. One timestamp is exact, expires by
itself, and costs one read and one write.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address, ip_address
from typing import Literal, Protocol

from ..core.errors import RateLimited
from ..settings import Settings

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US


@dataclass(frozen=True)
class Limit:
    """``count`` requests per period: at least one, and at most one per microsecond."""

    count: int
    period_us: int

    @cached_property
    def interval_us(self) -> int:
        """What one request adds to the bucket: the time it takes to drain again."""
        return self.period_us // self.count

    @cached_property
    def capacity_us(self) -> int:
        """What a full bucket holds."""
        return self.count * self.interval_us

    @cached_property
    def script_arguments(self) -> tuple[int, int]:
        """The limit as gcra.lua takes it."""
        return self.interval_us, self.capacity_us


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit, as reported to clients.

    ``reset_seconds`` is the time until the full limit is available; ``retry_after_seconds``, the
    time until one request is, or 0 if this request was allowed.
    """

    limit: int
    remaining: int
    reset_seconds: int
    retry_after_seconds: int

    @property
    def exceeded(self) -> bool:
        return self.retry_after_seconds > 0


def quota(limit: Limit, drained_at_us: int, now_us: int, *, allowed: bool) -> Quota:
    """The quota after a request was counted or rejected."""
    level_us = max(0, drained_at_us - now_us)
    room_us = max(0, limit.capacity_us - level_us)
    return Quota(
        limit=limit.count,
        remaining=room_us // limit.interval_us,
        reset_seconds=_up(level_us),
        # Never 0: that would invite an immediate retry.
        retry_after_seconds=0 if allowed else max(1, _up(limit.interval_us - room_us)),
    )


def _up(duration_us: int) -> int:
    """In seconds, rounded up."""
    return -(-duration_us // SECOND_US)


Scope = Literal["general", "switch", "message"]
"""What is counted: requests per address, switches per session, messages per connection."""


class LimitObserver(Protocol):
    """Receives the limiter's events, for metrics."""

    def rate_limited(self, scope: Scope) -> None:
        """A request was rejected."""

    def limiter_failed_open(self) -> None:
        """A request was allowed because it could not be counted."""


class _NullObserver:
    def rate_limited(self, scope: Scope) -> None:
        pass

    def limiter_failed_open(self) -> None:
        pass


NULL_OBSERVER: LimitObserver = _NullObserver()


@dataclass(eq=False, slots=True)
class RateLimitCheck:
    """One request to count once against a limit.

    The store counts it, calls one of ``record``, ``skipped`` and ``failed_open``, and then
    ``enforce``: no other code decides whether a request is rejected. ``is_resolved`` once one of
    the three was called; only a counted request has a ``quota``.
    """

    scope: Scope
    subject: str
    limit: Limit
    observer: LimitObserver = NULL_OBSERVER
    quota: Quota | None = None
    counted_at_ms: int | None = None
    is_resolved: bool = False

    def record(self, drained_at_us: int, now_us: int, allowed: int) -> None:
        self.is_resolved = True
        self.counted_at_ms = now_us // 1000
        self.quota = quota(self.limit, drained_at_us, now_us, allowed=bool(allowed))

    def skipped(self) -> None:
        """Don't count it: it repeats a request that was counted before."""
        self.is_resolved = True

    def failed_open(self) -> None:
        """Allow it, because it could not be counted."""
        self.is_resolved = True
        self.observer.limiter_failed_open()

    def enforce(self) -> None:
        """Reject the request if it exceeded the limit.

        Raises:
            RateLimited: It did.
        """
        if self.quota is not None and self.quota.exceeded:
            self.observer.rate_limited(self.scope)
            raise RateLimited(self.scope, self.quota.retry_after_seconds)


class RateLimiter:
    """Creates the rate limit check for a request; ``None`` where no limit is set.

    Limits are per minute for requests of an address, and per second for switches of a session and
    messages of a connection.
    """

    def __init__(self, settings: Settings, observer: LimitObserver = NULL_OBSERVER) -> None:
        self._general = _limit(settings.rate_limit_general, MINUTE_US)
        self._switch = _limit(settings.rate_limit_switch, SECOND_US)
        self._message = _limit(settings.rate_limit_message, SECOND_US)
        self._observer = observer

    def for_request(self, address: str) -> RateLimitCheck | None:
        return self._check("general", _network(address), self._general)

    def for_switch(self, session_id: str) -> RateLimitCheck | None:
        return self._check("switch", session_id, self._switch)

    def for_message(self, connection_id: str) -> RateLimitCheck | None:
        return self._check("message", connection_id, self._message)

    def _check(self, scope: Scope, subject: str, limit: Limit | None) -> RateLimitCheck | None:
        return None if limit is None else RateLimitCheck(scope, subject, limit, self._observer)


def _limit(count: int, period_us: int) -> Limit | None:
    return Limit(count, period_us) if count else None


def _network(address: str) -> str:
    """The subject of an address: an IPv6 client owns its whole /64 network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        # Such as test-invoke-source-ip, which the AWS console's test button sends.
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
