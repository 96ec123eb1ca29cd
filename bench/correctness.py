"""What no speed may cost: every switch once, every cycle to the millisecond.

Two processes, each with an engine of its own and many threads, switch one
session at the same instant, in each round another session. Then single cycles
are run over REST, and their booked time is compared with the timestamps of the
answers, and those with Redis's own clock.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from threading import Barrier

from chalicelib.core.errors import Conflict, StoreUnavailable
from chalicelib.core.session import Rotation
from chalicelib.engine.sync_engine import SyncEngine

from .floors import bare_server_on
from .http_client import Connection, request
from .lab import Lab
from .measure import Progress
from .plan import Plan
from .report import Check, Result, Row
from .sessions import creation, engine_on, session_id_of, started

PROCESSES = 2
PARTICIPANTS = 3
ROUND_SECONDS = 30.0
LONGEST_CYCLE_SECONDS = 0.01


class WorkerSilent(Exception):
    """A process that switches did not report in time."""


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    switches = _switch_together(lab.valkey.url, plan, progress)
    cycles = _run_cycles(lab, plan, progress)
    counters: dict[str, int] = {
        "rounds of concurrent switches": switches["rounds"],
        "switches at the same instant, in each round": plan.contenders,
        "switches answered OK": switches["ok"],
        "switches refused after a lost race": switches["refused"],
        "lost: answered OK, and not in the session": switches["lost"],
        "doubled: in the session, and not answered, or answered twice": switches["doubled"],
        "rounds in which cycles, versions and answers disagree": switches["disagreeing"],
        "cycles timed over REST": cycles.count,
        "cycles whose booked time is not the difference of the timestamps": cycles.wrong,
        "largest such difference, ms": cycles.largest_error_ms,
        "error of the sum of all cycles, ms": cycles.error_of_sum_ms,
        "timestamps outside of Redis's TIME before and after": cycles.outside,
    }
    rows: list[Row] = [{"what": what, "value": value} for what, value in counters.items()]
    checks = [
        _none("switches lost", switches["lost"]),
        _none("switches doubled", switches["doubled"]),
        _none("rounds that disagree", switches["disagreeing"]),
        _none("error of a booked cycle, ms", cycles.largest_error_ms),
        _none("timestamps that are not Redis's", cycles.outside),
    ]
    return Result(
        "correctness",
        "Lost, doubled, mistimed",
        f"{PROCESSES} processes with an engine each, in threads, on one session at a time; then"
        " cycles over REST.",
        rows,
        checks,
        sound=all(check.must_holds for check in checks),
    )


def _none(what: str, count: int) -> Check:
    return Check(what, str(count), "0", count == 0)


# Concurrent switches


def _switch_together(redis_url: str, plan: Plan, progress: Progress) -> Counter[str]:
    """Counts over all rounds; in each, a response of OK says which version it made."""
    totals: Counter[str] = Counter()
    threads = plan.contenders // PROCESSES
    give_up_at = time.monotonic() + plan.budget_seconds
    with ExitStack() as parts:
        engine = parts.enter_context(engine_on(redis_url))
        workers = [parts.enter_context(worker(_work, redis_url, threads)) for _ in range(PROCESSES)]
        for number in range(1, plan.contended_rounds + 1):
            if number % 50 == 0:
                progress(f"round {number} of {plan.contended_rounds}")
            totals += _round(engine, workers)
            if time.monotonic() > give_up_at:
                break
    return totals


def _round(engine: SyncEngine, workers: list[Pipe]) -> Counter[str]:
    session_id = started(engine, creation(PARTICIPANTS))
    for pipe in workers:
        pipe.send(session_id)
    answers: list[int | None] = []
    for pipe in workers:
        if not pipe.poll(ROUND_SECONDS):
            raise WorkerSilent
        answers += pipe.recv()
    made = [version for version in answers if version is not None]
    session = engine.get_current_state(session_id).session
    if not isinstance(session, Rotation):
        raise TypeError(type(session))
    # Creation made version 1, the start version 2.
    applied = session.version - 2
    expected = set(range(3, session.version + 1))
    counts = {
        "rounds": 1,
        "ok": len(made),
        "refused": len(answers) - len(made),
        "lost": len(set(made) - expected),
        "doubled": len(expected - set(made)) + len(made) - len(set(made)),
        "disagreeing": int(
            not sum(tally.cycle_count for tally in session.tallies) == applied == len(made)
        ),
    }
    return Counter(counts)


@contextmanager
def worker(work: Callable[..., None], *arguments: object) -> Iterator[Pipe]:
    """A process that works for its end of a pipe, its last argument, until that sends ``None``."""
    # Spawned, not forked: a process of its own in every respect.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process: BaseProcess = context.Process(target=work, args=(*arguments, theirs))
    process.start()
    try:
        yield ours
    finally:
        ours.send(None)
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


def _work(redis_url: str, threads: int, pipe: Pipe) -> None:
    """A process that switches: for each session id it is sent, once in each thread."""
    together = Barrier(threads)

    with engine_on(redis_url) as engine, ThreadPoolExecutor(threads) as pool:

        def switch(session_id: str) -> int | None:
            together.wait(ROUND_SECONDS)
            try:
                return engine.switch_cycle(session_id).session.version
            except (Conflict, StoreUnavailable):
                return None

        while (session_id := pipe.recv()) is not None:
            pipe.send(list(pool.map(switch, [session_id] * threads)))


# Cycles and the clock


@dataclass(frozen=True, slots=True)
class _Cycles:
    count: int
    wrong: int
    largest_error_ms: int
    error_of_sum_ms: int
    outside: int


def _run_cycles(lab: Lab, plan: Plan, progress: Progress) -> _Cycles:
    progress(f"{plan.cycles} cycles")
    chance = random.Random(1)
    errors_ms, outside, booked_ms = [], 0, 0
    connection = Connection(lab.app.port)
    with ExitStack() as parts:
        parts.callback(connection.close)
        server = parts.enter_context(bare_server_on(lab.valkey.url))

        def redis_time_ms() -> int:
            seconds, microseconds = server.execute("TIME")
            return int(seconds) * 1000 + int(microseconds) // 1000

        session_id = _start_over_rest(connection, creation(2))
        switch = request("POST", f"/v1/sessions/{session_id}/switch", b"{}")
        first = json.loads(connection.exchange(switch))["timestamp"]
        latest = first
        for _ in range(plan.cycles):
            time.sleep(chance.uniform(0, LONGEST_CYCLE_SECONDS))
            before_ms = redis_time_ms()
            answer = json.loads(connection.exchange(switch))
            after_ms = redis_time_ms()
            now_ms = answer["timestamp"]
            outside += not before_ms <= now_ms <= after_ms
            (event,) = answer["events"]
            errors_ms.append(abs(event["time_used_ms"] - (now_ms - latest)))
            booked_ms += event["time_used_ms"]
            latest = now_ms
    return _Cycles(
        count=len(errors_ms),
        wrong=sum(error_ms != 0 for error_ms in errors_ms),
        largest_error_ms=max(errors_ms),
        error_of_sum_ms=abs(booked_ms - (latest - first)),
        outside=outside,
    )


def _start_over_rest(connection: Connection, body: bytes) -> str:
    """Create and start a session; its id."""
    session_id = session_id_of(body)
    connection.exchange(request("POST", "/v1/sessions", body))
    connection.exchange(request("POST", f"/v1/sessions/{session_id}/start", b"{}"))
    return session_id
