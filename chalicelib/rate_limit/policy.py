"""Which limits are in force, and whom each request is counted for."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from ..settings import Settings
from .gcra import MINUTE_US, NULL_OBSERVER, SECOND_US, Limit, LimitObserver, RateLimitCheck, Scope


class RateLimiter:
    """Makes the charge for a request; ``None`` where no limit is set.

    Requests of an address are counted by the minute; switches of a session and
    messages of a connection by the second.
    """

    def __init__(self, settings: Settings, observer: LimitObserver = NULL_OBSERVER) -> None:
        self._general = _limit(settings.rate_limit_general, MINUTE_US)
        self._switch = _limit(settings.rate_limit_switch, SECOND_US)
        self._message = _limit(settings.rate_limit_message, SECOND_US)
        self._observer = observer

    def for_request(self, address: str) -> RateLimitCheck | None:
        return self._charge("general", _network(address), self._general)

    def for_switch(self, session_id: str) -> RateLimitCheck | None:
        return self._charge("switch", session_id, self._switch)

    def for_message(self, connection_id: str) -> RateLimitCheck | None:
        return self._charge("message", connection_id, self._message)

    def _charge(self, scope: Scope, subject: str, limit: Limit | None) -> RateLimitCheck | None:
        return None if limit is None else RateLimitCheck(scope, subject, limit, self._observer)


def _limit(count: int, period_us: int) -> Limit | None:
    return Limit(count, period_us) if count else None


def _network(address: str) -> str:
    """Whom an address stands for: whoever has one of IPv6 has the other 2^64 of its network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        # Such as test-invoke-source-ip, which the console's test button sends.
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
