"""Rate limit policy: the configured limits, and the subject each request counts against."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from ..settings import Settings
from .gcra import MINUTE_US, NULL_OBSERVER, SECOND_US, Limit, LimitObserver, RateLimitCheck, Scope


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
