"""Worker runner: runs a relay or sweeper as a process, from start to signal.

Owns arguments, signals, readiness and the metrics port; not what the worker does.
"""

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
POLL_SECONDS = 0.02
FLUSH_EVERY_SECONDS = 30.0
POSTS_WITHIN_SECONDS = 1.0


class Worker(Protocol):
    """A part of the service that runs in its own threads."""

    def start(self, within_seconds: float) -> bool:
        """Start; returns whether the store answered within this time."""

    def is_ready(self) -> bool:
        """Whether it is running and the store answers."""

    def stop(self) -> None: ...


def run(
    name: str, new_worker: Callable[[Container], Worker], arguments: Sequence[str] | None
) -> int:
    """Run a worker until a signal or, with ``--while-parent``, the end of standard input.

    Prints one line on standard output once it runs. A second signal exits immediately.
    Returns the exit code; ``new_worker`` may raise InvalidSetting.
    """
    parser = argparse.ArgumentParser(prog=f"python -m chalicelib.workers.{name}")
    parser.add_argument(
        "--while-parent", action="store_true", help="stop when standard input is closed"
    )
    parser.add_argument("--metrics-port", type=int, help="port of /metrics and /ready")
    options = parser.parse_args(arguments)
    stop_requested, signalled = Event(), Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        if signalled.is_set():
            # A worker holds no state, so nothing is lost.
            os._exit(128 + number)
        signalled.set()
        stop_requested.set()

    # First: as PID 1 of a container, the process ignores signals without a handler.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    if options.while_parent:
        Thread(target=_stop_at_end_of_input, args=(stop_requested,), daemon=True).start()
    try:
        container = Container.from_environment()
        worker = new_worker(container)
        if options.metrics_port is not None:
            _serve_metrics(container, worker, options.metrics_port)
    except InvalidSetting as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    worker.start(within_seconds=0)
    ready = _wait_until_ready(worker, stop_requested)
    if not stop_requested.is_set():
        sys.stdout.write("listening\n" if ready else "waiting for the store\n")
        sys.stdout.flush()
    while not stop_requested.wait(FLUSH_EVERY_SECONDS):
        # Without invocations, metrics must be flushed periodically.
        container.telemetry.flush()
    worker.stop()
    container.close(POSTS_WITHIN_SECONDS)
    return 0


def _wait_until_ready(worker: Worker, stop_requested: Event) -> bool:
    """Wait until the worker is ready, a moment has passed, or ``stop_requested`` is set."""
    give_up_at_s = time.monotonic() + READY_WITHIN_SECONDS
    while not (ready := worker.is_ready()) and time.monotonic() < give_up_at_s:
        if stop_requested.wait(POLL_SECONDS):
            break
    return ready


def _serve_metrics(container: Container, worker: Worker, port: int) -> None:
    from ..telemetry.metrics_server import start_metrics_server  # noqa: PLC0415
    from ..telemetry.prometheus import PrometheusSink  # noqa: PLC0415

    if not isinstance(container.sink, PrometheusSink):
        raise InvalidSetting("--metrics-port requires METRICS=prometheus")
    try:
        start_metrics_server(container.sink, port, worker.is_ready)
    except OSError as error:
        raise InvalidSetting(f"--metrics-port {port}: {error.strerror}") from error


def _stop_at_end_of_input(stop_requested: Event) -> None:
    # Not sys.stdin: Python aborts if it exits while a thread holds the lock of sys.stdin.
    with open(0, "rb", buffering=0, closefd=False) as standard_input:
        while standard_input.read(1):
            pass
    stop_requested.set()
