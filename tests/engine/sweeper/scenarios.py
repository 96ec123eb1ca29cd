"""Sessions that run out within a test, sweepers, and checks of their event logs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from chalicelib.container import Container
from chalicelib.core.events import Event
from chalicelib.core.setup import Participant, SyncMode, TimeoutAction, create_setup
from chalicelib.engine.sweeper import Sweeper
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.settings import Settings
from chalicelib.store.codec import decode_event
from chalicelib.store.keys import SessionKeys
from chalicelib.telemetry.metrics import NoSink, Sink
from tests.servers import Place
from tests.waiting import HUNG_AFTER_S

ROOT = Path(__file__).parents[3]
SHARDS = Settings().shards
CYCLE_MS = 300
TTL_MS = 600_000


def start_session(
    engine: SyncEngine,
    mode: SyncMode = SyncMode.PER_CYCLE,
    action: TimeoutAction = TimeoutAction.SKIP_CYCLE,
    *,
    cycle_ms: int = CYCLE_MS,
    total_ms: int = CYCLE_MS,
) -> tuple[str, int]:
    """A session that times out cycle after cycle, and when it was started."""
    session_id = str(uuid4())
    engine.create_session(
        create_setup(
            session_id=session_id,
            sync_mode=mode,
            participants=[Participant(name, at, cycle_ms) for at, name in enumerate("ab")],
            total_time_ms=total_ms,
            time_per_cycle_ms=cycle_ms,
            action_on_timeout=action,
        )
    )
    return session_id, engine.start_session(session_id).now_ms


def log_of(server: Place, session_id: str) -> list[Event]:
    with server.admin() as admin:
        log: Any = admin.xrange(SessionKeys.of(session_id, SHARDS).events)
    return [decode_event(entry[b"event"]) for _, entry in log]


def timeouts(server: Place, session_id: str) -> list[int]:
    """The instants of all timeouts in a session's log."""
    return [
        event.at_ms for event in log_of(server, session_id) if event.type == "participant_expired"
    ]


def expected(started_ms: int, how_many: int) -> list[int]:
    return [started_ms + CYCLE_MS * number for number in range(1, how_many + 1)]


@contextmanager
def sweeping(
    url: str,
    *,
    cluster: bool = False,
    sink: Sink = NoSink(),  # noqa: B008
) -> Iterator[Sweeper]:
    container = Container(Settings(redis_url=url, redis_cluster=cluster, broadcast="relay"))
    # A cached property gives way to what stands under its name.
    container.__dict__["sink"] = sink
    sweeper = container.sweeper()
    assert sweeper.start()
    try:
        yield sweeper
    finally:
        sweeper.stop()
        container.close(1)


@contextmanager
def sweeper_process(url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "chalicelib.workers.sweeper", "--while-parent"],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": url, "BROADCAST": "relay"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield process
    finally:
        process.kill()
        process.wait(HUNG_AFTER_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
