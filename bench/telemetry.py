"""What metrics and rate limits cost: a switch on a stack with both, compared with one without.

And what a scrape costs that has a thousand series to read.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress

from .http_client import Connection, UnexpectedAnswer, asking, request
from .lab import UNLIMITED, Lab, Stack
from .measure import Contender, Progress, Samples, latency_ratio, more_ms, one_by_one, take_turns
from .plan import Plan
from .report import Check, Result, Row
from .sessions import aged, creation

TELLING, SILENT = "switch, told and limited", "switch, neither"
SCRAPE, HEALTH = "scrape", "floor: /health"

# RateLimiter that are counted against, and never reached.
FAR_OFF = dict.fromkeys(UNLIMITED, "1000000")
EVERYTHING = {"METRICS": "prometheus", "LOG_FORMAT": "json", "LOG_LEVEL": "info", **FAR_OFF}
NOTHING = {"METRICS": "off", "LOG_LEVEL": "error"}

SERIES = 1_000
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
COMMANDS = ("start", "switch", "pause", "resume", "complete", "cancel", "adjust", "undo")
PATHS = (
    *("/health", "/ready", "/v1/time", "/v1/sessions", "/v1/sessions/none"),
    *(f"/v1/sessions/none/{rest}" for rest in (*COMMANDS, "events")),
)


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    with ExitStack() as parts:
        stacks = {
            TELLING: parts.enter_context(lab.another_app("telling", EVERYTHING)),
            SILENT: parts.enter_context(lab.another_app("silent", NOTHING)),
        }
        samples = take_turns(
            {
                name: Contender(
                    one_by_one(_switching(lab, stack, parts)), {"server": stack.cpu_seconds}
                )
                for name, stack in stacks.items()
            },
            rounds=plan.overhead_rounds,
            count=plan.overhead_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
        series = _make_series(stacks[TELLING])
        asks = {SCRAPE: "/metrics", HEALTH: "/health"}
        samples |= take_turns(
            {
                name: Contender(
                    one_by_one(_getting(stacks[TELLING], path, parts)),
                    {"server": stacks[TELLING].cpu_seconds},
                )
                for name, path in asks.items()
            },
            rounds=5,
            count=max(1, plan.scrapes // 5),
            budget_seconds=plan.budget_seconds / 4,
            progress=progress,
        )
    recorded_ms = more_ms(samples[TELLING], samples[SILENT])
    scrape = samples[SCRAPE]
    checks = [
        Check(
            "what metrics, logs and limits add to a switch, p50",
            f"{recorded_ms:+.3f} ms",
            "<= 0.3 ms",
            recorded_ms <= 0.3,
        ),
        Check(
            f"a scrape of {series:,} series, p95",
            f"{scrape.p95_ms:.1f} ms",
            "< 50 ms",
            scrape.p95_ms < 50,
        ),
    ]
    return Result(
        "telemetry",
        "Metrics and logs",
        "Two local stacks side by side, one of which counts everything and writes a line of JSON"
        " for each request, one call at a time. The stacks' relays and sweepers do the same."
        f" Then a scrape of the first, with {series:,} series of three processes.",
        [
            _row(TELLING, samples, SILENT),
            _row(SILENT, samples, None),
            _row(SCRAPE, samples, HEALTH),
            _row(HEALTH, samples, None),
        ],
        checks,
        sound=series >= SERIES,
    )


def _switching(lab: Lab, stack: Stack, parts: ExitStack) -> Callable[[], bytes]:
    session_id = aged(lab.valkey.url, creation(2))
    return asking(
        _connection(stack, parts), request("POST", f"/v1/sessions/{session_id}/switch", b"{}")
    )


def _getting(stack: Stack, path: str, parts: ExitStack) -> Callable[[], bytes]:
    return asking(_connection(stack, parts), request("GET", path))


def _connection(stack: Stack, parts: ExitStack) -> Connection:
    connection = Connection(stack.port)
    parts.callback(connection.close)
    return connection


def _make_series(stack: Stack) -> int:
    """Ask every path by every method, which are as many routes; returns the series there are."""
    for path in PATHS:
        for method in METHODS:
            connection = Connection(stack.port)
            with suppress(UnexpectedAnswer):
                connection.exchange(request(method, path))
            connection.close()
    connection = Connection(stack.port)
    text = connection.exchange(request("GET", "/metrics"))
    connection.close()
    return sum(line[:1] not in (b"", b"#") for line in text.split(b"\n"))


def _row(name: str, samples: dict[str, Samples], floor: str | None) -> Row:
    found = samples[name]
    return {
        "what": name,
        "count": found.count,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
        "cpu_ms": found.cpu_ms("server"),
        "floor": floor,
        "ratio": latency_ratio(found, samples[floor]) if floor else None,
    }
