"""The client's loop between callers and a transport, on a fake transport."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from queue import Empty, SimpleQueue

import pytest

from chalicelib.broadcast.connections_api import (
    Closed,
    ConnectionsApiClient,
    DeliveryStatus,
    Post,
    TransportLimits,
)
from chalicelib.broadcast.connections_api.queue import Queued
from tests.waiting import HUNG_AFTER_S

POST = Post("http://a.example/dev", "a=", b"1", inf)


@dataclass
class FakeTransport:
    """Answers when the test says so; ``trouble`` is raised by whichever method it is for."""

    started: SimpleQueue[Queued] = field(default_factory=SimpleQueue)
    answers: SimpleQueue[tuple[Queued, int] | None] = field(default_factory=SimpleQueue)
    trouble: dict[str, Exception] = field(default_factory=dict)
    closed: threading.Event = field(default_factory=threading.Event)

    def start(self, queued: Queued) -> None:
        if "start" in self.trouble:
            raise self.trouble["start"]
        self.started.put(queued)

    def wait(self, within_s: float) -> Iterable[tuple[Queued, int]]:
        if "wait" in self.trouble:
            raise self.trouble.pop("wait")
        try:
            answer = self.answers.get(timeout=min(within_s, 60))
        except Empty:
            return []
        return [answer] if answer else []

    def wake(self) -> None:
        self.answers.put(None)

    def close(self, within_s: float) -> None:
        self.closed.set()


def opened(*wires: FakeTransport, now_s: Callable[[], float] | None = None) -> ConnectionsApiClient:
    left = iter(wires)
    clock = {"now_s": now_s} if now_s else {}
    return ConnectionsApiClient(lambda: next(left), TransportLimits(), jitter=lambda: 0.0, **clock)


def test_transport_is_opened_on_first_use_and_closed_at_the_end() -> None:
    transport = FakeTransport()
    api = opened(transport)
    done: SimpleQueue[DeliveryStatus] = SimpleQueue()
    api.submit_all([POST], lambda _, how: done.put(how))
    transport.answers.put((transport.started.get(timeout=HUNG_AFTER_S), 410))

    assert done.get(timeout=HUNG_AFTER_S) == DeliveryStatus.GONE
    assert not transport.closed.is_set()
    api.close(10)
    assert transport.closed.is_set()


def test_unused_client_opens_no_transport() -> None:
    api = opened()

    assert api.post_all([], 10) == []
    api.submit_all([], lambda *_: None)
    api.close(10)


@pytest.mark.usefixtures("quiet")
def test_request_that_cannot_be_made_fails_after_three_attempts() -> None:
    api = opened(FakeTransport(trouble={"start": OSError()}))

    assert api.post_all([POST], 10) == [DeliveryStatus.FAILED]
    api.close(10)


@pytest.mark.usefixtures("quiet")
def test_callback_that_raises_affects_no_other_request() -> None:
    transport = FakeTransport()
    api = opened(transport)

    def raising(_: Post, __: DeliveryStatus) -> None:
        raise RuntimeError

    done: SimpleQueue[DeliveryStatus] = SimpleQueue()
    api.submit_all([POST], raising)
    api.submit_all([POST], lambda _, how: done.put(how))
    for _ in range(2):
        transport.answers.put((transport.started.get(timeout=HUNG_AFTER_S), 200))

    assert done.get(timeout=HUNG_AFTER_S) == DeliveryStatus.DELIVERED
    api.close(10)


@pytest.mark.usefixtures("quiet")
def test_broken_transport_is_replaced_and_its_requests_fail() -> None:
    broken, sound = FakeTransport(trouble={"wait": OSError()}), FakeTransport()
    api = opened(broken, sound)

    assert api.post_all([POST], 10) == [DeliveryStatus.DROPPED]
    assert broken.closed.wait(HUNG_AFTER_S)

    done: SimpleQueue[DeliveryStatus] = SimpleQueue()
    api.submit_all([POST], lambda _, how: done.put(how))
    sound.answers.put((sound.started.get(timeout=HUNG_AFTER_S), 200))
    assert done.get(timeout=HUNG_AFTER_S) == DeliveryStatus.DELIVERED
    api.close(10)


@pytest.mark.usefixtures("quiet")
def test_request_submitted_while_the_transport_breaks_is_settled() -> None:
    done: SimpleQueue[DeliveryStatus] = SimpleQueue()

    class Breaking(FakeTransport):
        def wait(self, within_s: float) -> Iterable[tuple[Queued, int]]:
            # From the client's own thread, as a callback might.
            api.submit_all([POST], lambda _, how: done.put(how))
            raise OSError

    api = opened(Breaking())
    assert api.post_all([POST], 10) == [DeliveryStatus.DROPPED]

    assert done.get(timeout=HUNG_AFTER_S) == DeliveryStatus.DROPPED


def test_client_can_be_closed_in_a_callback() -> None:
    transport = FakeTransport()
    api = opened(transport)
    refused: SimpleQueue[bool] = SimpleQueue()

    def close_it(_: Post, __: DeliveryStatus) -> None:
        api.close(0)
        try:
            api.submit_all([POST], close_it)
        except Closed:
            refused.put(True)

    api.submit_all([POST], close_it)
    transport.answers.put((transport.started.get(timeout=HUNG_AFTER_S), 200))

    assert refused.get(timeout=HUNG_AFTER_S)
    assert transport.closed.wait(HUNG_AFTER_S)


def test_post_all_does_not_wait_for_a_blocking_callback() -> None:
    transport = FakeTransport()
    api = opened(transport)
    release, blocking = threading.Event(), threading.Event()

    def block(_: Post, __: DeliveryStatus) -> None:
        blocking.set()
        release.wait(HUNG_AFTER_S)

    api.submit_all([POST], block)
    transport.answers.put((transport.started.get(timeout=HUNG_AFTER_S), 200))
    assert blocking.wait(HUNG_AFTER_S)

    assert api.post_all([POST], 0.05) == [DeliveryStatus.LATE]
    release.set()
    api.close(0)
    assert transport.closed.wait(HUNG_AFTER_S)


def test_backoff_follows_the_given_clock() -> None:
    now_s = 0.0
    transport = FakeTransport()
    api = ConnectionsApiClient(
        lambda: transport,
        TransportLimits(backoff_s=4, longest_backoff_s=4),
        lambda: now_s,
        lambda: 1.0,
    )
    done: SimpleQueue[DeliveryStatus] = SimpleQueue()
    api.submit_all([POST], lambda _, how: done.put(how))
    transport.answers.put((transport.started.get(timeout=HUNG_AFTER_S), 429))
    now_s = 3.9
    transport.wake()
    with pytest.raises(Empty):
        transport.started.get(timeout=0.05)
    now_s = 8.0
    transport.wake()
    transport.answers.put((transport.started.get(timeout=HUNG_AFTER_S), 200))

    assert done.get(timeout=HUNG_AFTER_S) == DeliveryStatus.DELIVERED
    api.close(10)
