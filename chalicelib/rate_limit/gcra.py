"""How much is too much, what is left of it, and who is refused. Pure: no I/O, no clock.

A limit of n in a period is a leaky bucket that holds n and drains evenly, n in
a period; a request that would make it overflow is refused and pours nothing.
All there is to store is the instant at which the bucket will have drained. In
telephony this is GCRA, the generic cell rate algorithm (ITU-T I.371).

Windows of fixed length let through twice the limit around their turn, and keep
a class behind one address waiting for the end of a minute once it is used up;
here the next request is welcome a moment later. A log of instants is as long
as the limit, for every address. A sliding counter stores two numbers and guesses
how the requests were spread. One instant is exact, expires by itself, and needs one
read and one write. What the bucket promises is that within any stretch of time no
more pass than n and what has drained meanwhile: n at once, and n in each period
from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ..core.errors import RateLimited

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in a period; at least one, and at most one in a microsecond."""

    count: int
    period_us: int

    @property
    def interval_us(self) -> int:
        """What one request pours: the time it takes to drain again."""
        return self.period_us // self.count

    @property
    def capacity_us(self) -> int:
        """What the bucket holds."""
        return self.count * self.interval_us


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit, as clients are told.

    ``reset_seconds`` is after how long all of it is; ``retry_after_seconds``,
    0 for a request that was let through, after how long one is.
    """

    limit: int
    remaining: int
    reset_seconds: int
    retry_after_seconds: int

    @property
    def exceeded(self) -> bool:
        return self.retry_after_seconds > 0


def quota(limit: Limit, drained_at_us: int, now_us: int, *, allowed: bool) -> Quota:
    """What is left once a request has been counted, or has not been let through."""
    level_us = max(0, drained_at_us - now_us)
    room_us = max(0, limit.capacity_us - level_us)
    return Quota(
        limit=limit.count,
        remaining=room_us // limit.interval_us,
        reset_seconds=_up(level_us),
        # Never 0, however soon it is: that would invite to try again at once.
        retry_after_seconds=0 if allowed else max(1, _up(limit.interval_us - room_us)),
    )


def _up(duration_us: int) -> int:
    """In seconds, and rather a moment too late than too early."""
    return -(-duration_us // SECOND_US)


Scope = Literal["general", "switch", "message"]
"""What is counted: requests of an address, switches of a session, messages of a connection."""


class LimitObserver(Protocol):
    """Hears what limits do."""

    def rate_limited(self, scope: Scope) -> None:
        """Somebody was refused."""

    def limiter_failed_open(self) -> None:
        """Somebody was let through because counting did not work."""


class _NullObserver:
    def rate_limited(self, scope: Scope) -> None:
        pass

    def limiter_failed_open(self) -> None:
        pass


NULL_OBSERVER: LimitObserver = _NullObserver()


class RateLimitCheck:
    """One request, to be counted once against a limit; the store notes down here what is left.

    ``quota`` stays None while it has not been counted, and where it is not to be or
    could not be; it is settled in either case.
    """

    def __init__(
        self,
        scope: Scope,
        subject: str,
        limit: Limit,
        observer: LimitObserver = NULL_OBSERVER,
    ) -> None:
        self.scope = scope
        self.subject = subject
        self.limit = limit
        self.quota: Quota | None = None
        self.is_resolved = False
        self._observer = observer

    def record(self, drained_at_us: int, now_us: int, allowed: int) -> None:
        self.is_resolved = True
        self.quota = quota(self.limit, drained_at_us, now_us, allowed=bool(allowed))

    def skipped(self) -> None:
        """It has been counted before: this is the same request once more."""
        self.is_resolved = True

    def failed_open(self) -> None:
        """It could not be counted, and is let through for that."""
        self.is_resolved = True
        self._observer.limiter_failed_open()

    def enforce(self) -> None:
        """Go on, unless it was one too many.

        Raises:
            RateLimited: It was.
        """
        if self.quota is not None and self.quota.exceeded:
            self._observer.rate_limited(self.scope)
            raise RateLimited(self.scope, self.quota.retry_after_seconds)
