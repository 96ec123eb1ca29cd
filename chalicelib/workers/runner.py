"""A part of the service as a process of its own, from when it starts until it is told to stop."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from types import FrameType
from typing import Protocol

from ..container import Container
from ..settings import InvalidSetting

READY_WITHIN_SECONDS = 5.0
LOOK_SECONDS = 0.02
FIGURES_EVERY_SECONDS = 30.0
POSTS_WITHIN_SECONDS = 1.0


class Worker(Protocol):
    """What runs in threads of its own."""

    def start(self, within_seconds: float) -> bool:
        """Begin; whether the store has answered in this time."""

    def is_ready(self) -> bool:
        """Whether it is at work, and the store answers it."""

    def stop(self) -> None: ...


def run(name: str, part_of: Callable[[Container], Worker], arguments: Sequence[str] | None) -> int:
    """Run a part until a signal or, with ``--while-parent``, the end of standard input.

    One line on standard output says that it runs. A second signal ends it at
    once. Returns the exit code; ``part_of`` may raise InvalidSetting.
    """
    parser = argparse.ArgumentParser(prog=f"python -m chalicelib.workers.{name}")
    parser.add_argument(
        "--while-parent", action="store_true", help="stop when standard input is closed"
    )
    parser.add_argument("--metrics-port", type=int, help="answer Prometheus, and /ready, here")
    options = parser.parse_args(arguments)
    told_to_stop, signalled = Event(), Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        if signalled.is_set():
            # It holds nothing, so nothing is lost by leaving at once.
            os._exit(128 + number)
        signalled.set()
        told_to_stop.set()

    # First of all: a container's first process is not ended by a signal that it doesn't handle.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    if options.while_parent:
        Thread(target=_when_input_ends, args=(told_to_stop,), daemon=True).start()
    try:
        container = Container.from_environment()
        part = part_of(container)
        if options.metrics_port is not None:
            _answer_scrapes(container, part, options.metrics_port)
    except InvalidSetting as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    part.start(within_seconds=0)
    ready = _gets_ready(part, told_to_stop)
    if not told_to_stop.is_set():
        sys.stdout.write("listening\n" if ready else "waiting for the store\n")
        sys.stdout.flush()
    while not told_to_stop.wait(FIGURES_EVERY_SECONDS):
        # There is no invocation whose end would have them written.
        container.telemetry.flush()
    part.stop()
    container.close(POSTS_WITHIN_SECONDS)
    return 0


def _gets_ready(part: Worker, told_to_stop: Event) -> bool:
    """Whether it is at work before long; who is told to stop meanwhile waits no longer."""
    give_up_at_s = time.monotonic() + READY_WITHIN_SECONDS
    while not (ready := part.is_ready()) and time.monotonic() < give_up_at_s:
        if told_to_stop.wait(LOOK_SECONDS):
            break
    return ready


def _answer_scrapes(container: Container, part: Worker, port: int) -> None:
    from ..telemetry.metrics_server import answer_scrapes  # noqa: PLC0415
    from ..telemetry.prometheus import PrometheusSink  # noqa: PLC0415

    if not isinstance(container.sink, PrometheusSink):
        raise InvalidSetting("--metrics-port wants METRICS=prometheus")
    try:
        answer_scrapes(container.sink, port, part.is_ready)
    except OSError as error:
        raise InvalidSetting(f"--metrics-port {port}: {error.strerror}") from error


def _when_input_ends(told_to_stop: Event) -> None:
    # Not sys.stdin: Python aborts when it ends while a thread holds that one's lock.
    with open(0, "rb", buffering=0, closefd=False) as standard_input:
        while standard_input.read(1):
            pass
    told_to_stop.set()
