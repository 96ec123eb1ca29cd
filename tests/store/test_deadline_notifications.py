"""Deadline notifications: a sleeping sweeper learns of an earlier deadline."""

from __future__ import annotations

from chalicelib.container import Container
from chalicelib.settings import Settings
from chalicelib.store.keys import SessionKeys
from chalicelib.store.subscription import deadline_notifications
from tests.servers import RedisProcess

from .sessions import a_setup


def test_overdue_session_suppresses_no_deadline_notification(own_valkey: RedisProcess) -> None:
    # What a sweeper can't read it puts off, and its entry stays where it was.
    container = Container(Settings(redis_url=own_valkey.url, shards=1, broadcast="relay"))
    setup = a_setup()
    with own_valkey.admin() as admin:
        admin.zadd(SessionKeys.of(setup.session_id, 1).deadlines, {"damaged": 17})

    with deadline_notifications(container.settings) as notifications:
        container.engine.create_session(setup)
        container.engine.start_session(setup.session_id)
        assert notifications.next(5.0) == 0
    container.close(1)
