"""The loop between callers and a wire, on a wire that the test plays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from queue import Empty, SimpleQueue

import pytest

from chalicelib.broadcast.connections_api import (
    Closed,
    Outcome,
    Post,
    TransportLimits,
    WiredManagementApi,
)
from chalicelib.broadcast.connections_api.queue import Queued

POST = Post("http://a.example/dev", "a=", b"1", inf)


@dataclass
class PlayedWire:
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


def opened(*wires: PlayedWire, now_s: Callable[[], float] | None = None) -> WiredManagementApi:
    left = iter(wires)
    clock = {"now_s": now_s} if now_s else {}
    return WiredManagementApi(lambda: next(left), TransportLimits(), jitter=lambda: 0.0, **clock)


def test_a_wire_is_opened_when_it_is_first_needed_and_closed_in_the_end() -> None:
    wire = PlayedWire()
    api = opened(wire)
    done: SimpleQueue[Outcome] = SimpleQueue()
    api.submit(POST, lambda _, how: done.put(how))
    wire.answers.put((wire.started.get(timeout=10), 410))

    assert done.get(timeout=10) == Outcome.GONE
    assert not wire.closed.is_set()
    api.close(10)
    assert wire.closed.is_set()


def test_nothing_to_do_opens_no_wire() -> None:
    api = opened()

    assert api.post_all([], 10) == []
    api.submit_all([], lambda *_: None)
    api.close(10)


@pytest.mark.usefixtures("quiet")
def test_a_request_that_cannot_be_made_fails_after_three_attempts() -> None:
    api = opened(PlayedWire(trouble={"start": OSError()}))

    assert api.post_all([POST], 10) == [Outcome.FAILED]
    api.close(10)


@pytest.mark.usefixtures("quiet")
def test_a_callback_that_raises_harms_nobody() -> None:
    wire = PlayedWire()
    api = opened(wire)

    def raising(_: Post, __: Outcome) -> None:
        raise RuntimeError

    done: SimpleQueue[Outcome] = SimpleQueue()
    api.submit(POST, raising)
    api.submit(POST, lambda _, how: done.put(how))
    for _ in range(2):
        wire.answers.put((wire.started.get(timeout=10), 200))

    assert done.get(timeout=10) == Outcome.DELIVERED
    api.close(10)


@pytest.mark.usefixtures("quiet")
def test_a_wire_that_breaks_is_replaced_and_nobody_waits_for_ever() -> None:
    broken, sound = PlayedWire(trouble={"wait": OSError()}), PlayedWire()
    api = opened(broken, sound)

    assert api.post_all([POST], 10) == [Outcome.DROPPED]
    assert broken.closed.wait(10)

    done: SimpleQueue[Outcome] = SimpleQueue()
    api.submit(POST, lambda _, how: done.put(how))
    sound.answers.put((sound.started.get(timeout=10), 200))
    assert done.get(timeout=10) == Outcome.DELIVERED
    api.close(10)


@pytest.mark.usefixtures("quiet")
def test_what_was_submitted_while_a_wire_broke_is_settled_too() -> None:
    done: SimpleQueue[Outcome] = SimpleQueue()

    class Breaking(PlayedWire):
        def wait(self, within_s: float) -> Iterable[tuple[Queued, int]]:
            # From the client's own thread, as a callback might.
            api.submit(POST, lambda _, how: done.put(how))
            raise OSError

    api = opened(Breaking())
    assert api.post_all([POST], 10) == [Outcome.DROPPED]

    assert done.get(timeout=10) == Outcome.DROPPED


def test_a_client_may_be_closed_in_a_callback() -> None:
    wire = PlayedWire()
    api = opened(wire)
    refused: SimpleQueue[bool] = SimpleQueue()

    def close_it(_: Post, __: Outcome) -> None:
        api.close(0)
        try:
            api.submit(POST, close_it)
        except Closed:
            refused.put(True)

    api.submit(POST, close_it)
    wire.answers.put((wire.started.get(timeout=10), 200))

    assert refused.get(timeout=10)
    assert wire.closed.wait(10)


def test_who_waits_does_not_wait_for_a_callback_that_blocks() -> None:
    wire = PlayedWire()
    api = opened(wire)
    release, blocking = threading.Event(), threading.Event()

    def block(_: Post, __: Outcome) -> None:
        blocking.set()
        release.wait(60)

    api.submit(POST, block)
    wire.answers.put((wire.started.get(timeout=10), 200))
    assert blocking.wait(10)

    assert api.post_all([POST], 0.05) == [Outcome.LATE]
    release.set()
    api.close(0)
    assert wire.closed.wait(10)


def test_backoff_follows_the_clock_it_was_given() -> None:
    now_s = 0.0
    wire = PlayedWire()
    api = WiredManagementApi(
        lambda: wire, TransportLimits(backoff_s=4, longest_backoff_s=4), lambda: now_s, lambda: 1.0
    )
    done: SimpleQueue[Outcome] = SimpleQueue()
    api.submit(POST, lambda _, how: done.put(how))
    wire.answers.put((wire.started.get(timeout=10), 429))
    now_s = 3.9
    wire.wake()
    with pytest.raises(Empty):
        wire.started.get(timeout=0.05)
    now_s = 8.0
    wire.wake()
    wire.answers.put((wire.started.get(timeout=10), 200))

    assert done.get(timeout=10) == Outcome.DELIVERED
    api.close(10)
