"""A quiet subscription is checked without losing a message."""

from __future__ import annotations

import pytest

from chalicelib.settings import Settings
from chalicelib.store import client, subscription
from tests.servers import RedisProcess

SESSION = "00000000-0000-4000-8000-000000000000"


def test_quiet_subscription_is_checked_by_one_ping(
    own_server: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    # redis-py's own health check reads up to its PONG, and drops the messages before it.
    monkeypatch.setattr(client, "HEALTH_CHECK_INTERVAL_S", 0.001)
    monkeypatch.setattr(subscription, "QUIET_S", 0.0)
    with (
        own_server.admin() as admin,
        subscription.subscription(Settings(redis_url=own_server.url)) as updates,
    ):
        admin.config_resetstat()
        assert updates.next(0.01) is None
        admin.publish(f"updates:{{0}}:{SESSION}", b"update")

        assert (updates.next(5.0), updates.next(5.0)) == (None, (SESSION, b"update"))

        assert admin.info("commandstats")["cmdstat_ping"]["calls"] == 1
