"""One update for a thousand clients: through the whole local stack, and from its client alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from math import inf

import boto3
from botocore.config import Config

from chalicelib.broadcast.connections_api import ConnectionsApi, DeliveryStatus, Post

from .delivery import WELCOME_MESSAGES, Switching
from .http_client import Connection
from .lab import Lab
from .measure import (
    Block,
    Contender,
    Progress,
    Samples,
    latency_ratio,
    one_by_one,
    percentile,
    take_turns,
    throughput_ratio,
)
from .plan import Plan
from .poster import CREDENTIALS, REGION, open_poster, open_reference_poster
from .report import Check, Result, Row
from .sessions import aged, creation
from .stub_server import POST_BYTES, stub_server
from .watchers import Opened, watching

LAST, FIRST, MIDDLE = "to the last client", "to the first client", "to half of the clients"
FLOOR = "floor: the same posts, answered by a server that looks at nothing"

FAST, REFERENCE = "ours", "ours, without pycurl"
BOTO3_THREADS = 64
BOTO3 = f"boto3, {BOTO3_THREADS} threads"

WITHIN_SECONDS = 60.0


def posting(api: ConnectionsApi, endpoint: str, connection_ids: Sequence[str]) -> None:
    """Post to all of them, and wait until the server has taken every post.

    Raises:
        RuntimeError: It has not.
    """
    data = b"x" * POST_BYTES
    posts = [Post(endpoint, one, data, inf) for one in connection_ids]
    delivered = api.post_all(posts, WITHIN_SECONDS).count(DeliveryStatus.DELIVERED)
    if delivered != len(posts):
        raise RuntimeError(f"Only {delivered} of {len(posts)} were delivered")


def connection_ids(count: int) -> list[str]:
    return [f"PJqB0fHsqR{number:05}=" for number in range(count)]


# The whole local stack


def measure_stack(lab: Lab, plan: Plan, progress: Progress) -> Result:
    with ExitStack() as parts:
        watchers = parts.enter_context(watching())
        connection = Connection(lab.app.port)
        parts.callback(connection.close)
        session_id = aged(lab.valkey.url, creation(2))
        progress(f"{plan.fan_out_clients:,} clients")
        began = time.monotonic()
        opened = watchers.open(session_id, lab.app.watching(session_id), plan.fan_out_clients)
        watchers.replies(session_id, WELCOME_MESSAGES)
        welcomed_seconds = time.monotonic() - began
        all_clients = _FanOuts(Switching(connection, watchers, session_id))
        endpoint, api = parts.enter_context(stub_server()), open_poster()
        parts.callback(api.close, 1)
        ids = connection_ids(plan.fan_out_clients)
        clocks = {
            "server": lab.app.cpu_seconds,
            "relay": lab.app.relay_cpu_seconds,
            "valkey": lab.valkey_cpu_seconds,
        }
        own = {"relay": time.process_time}
        samples = take_turns(
            {
                LAST: Contender(all_clients.do, clocks),
                FLOOR: Contender(one_by_one(lambda: posting(api, endpoint, ids)), own),
            },
            rounds=plan.fan_out_rounds,
            count=plan.fan_out_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    last, floor = samples[LAST], samples[FLOOR]
    to_last = _row(LAST, last, plan.fan_out_clients)
    to_last["floor"], to_last["ratio"] = FLOOR, latency_ratio(last, floor)
    rows: list[Row] = [
        to_last,
        *all_clients.rows(),
        _row(FLOOR, floor, plan.fan_out_clients),
        _opening_row(opened),
    ]
    return Result(
        "fan_out",
        f"One switch, {plan.fan_out_clients:,} clients",
        "`python -m local`, signatures verified. The time is from sending the switch over REST to"
        " having read the update, by a process that holds all of the clients on one thread. Beside"
        " it, only the posts, to a server that takes everything. All had their welcome message"
        f" {welcomed_seconds:.1f} s after the first handshake.",
        rows,
        [
            Check(
                f"the last of {plan.fan_out_clients:,} clients, p50",
                f"{last.p50_ms:.0f} ms",
                "< 250 ms",
                last.p50_ms < 250,
                "< 120 ms",
                last.p50_ms < 120,
            ),
            _cpu_check("CPU of the relay for each post", last, "relay", plan.fan_out_clients),
        ],
    )


class _FanOuts:
    """Switches, and remembers when the first and the middle one of all had each."""

    def __init__(self, switching: Switching) -> None:
        self._switching = switching
        self._turns: list[list[list[float]]] = []

    def do(self, count: int) -> Block:
        began = time.monotonic()
        arrivals_ms = [self._switching.one()[1] for _ in range(count)]
        self._turns.append(arrivals_ms)
        return Block([one[-1] for one in arrivals_ms], time.monotonic() - began)

    def rows(self) -> list[Row]:
        """Of all but the warm-up, which came first."""
        arrivals_ms = [one for turn in self._turns[1:] for one in turn]
        every = (
            (FIRST, [one[0] for one in arrivals_ms]),
            (MIDDLE, [one[len(one) // 2] for one in arrivals_ms]),
        )
        return [
            {
                "what": name,
                "count": len(values),
                "p50_ms": percentile(values, 50),
                "p95_ms": percentile(values, 95),
            }
            for name, values in every
        ]


def _opening_row(opened: Opened) -> Row:
    return {
        "what": "a connection opened and registered, 32 at a time",
        "count": len(opened.latencies_ms),
        "p50_ms": percentile(opened.latencies_ms, 50),
        "p95_ms": percentile(opened.latencies_ms, 95),
        "per_second": len(opened.latencies_ms) / opened.seconds,
    }


def _row(name: str, found: Samples, posts: int) -> Row:
    server_us = us_per_post(found, "server", posts)
    return {
        "what": name,
        "count": found.count,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
        "per_second": found.per_second * posts,
        "us_per_post": us_per_post(found, "relay", posts),
        "server_us_per_post": server_us,
    }


def us_per_post(found: Samples, process: str, posts: int) -> float | None:
    cpu_ms = found.cpu_ms(process)
    return None if cpu_ms is None else cpu_ms * 1000 / posts


def _cpu_check(what: str, found: Samples, process: str, posts: int) -> Check:
    each_us = us_per_post(found, process, posts)
    if each_us is None:
        return Check(what, "not known on this system")
    return Check(what, f"{each_us:.1f} us", "<= 60 us", each_us <= 60, "<= 35 us", each_us <= 35)


# The client alone


def measure_clients(lab: Lab, plan: Plan, progress: Progress) -> Result:
    del lab
    posts = plan.broadcaster_posts
    ids = connection_ids(posts)
    with ExitStack() as parts:
        endpoint = parts.enter_context(stub_server())
        fast, reference = open_poster(), open_reference_poster()
        parts.callback(fast.close, 1)
        parts.callback(reference.close, 1)
        threads = parts.enter_context(ThreadPoolExecutor(BOTO3_THREADS))
        operations: dict[str, tuple[Callable[[], None], int]] = {
            # A turn of a few milliseconds says little.
            FAST: (lambda: posting(fast, endpoint, ids), plan.broadcaster_count),
            REFERENCE: (lambda: posting(reference, endpoint, ids), 1),
            BOTO3: (_boto3_alone(endpoint, threads, ids), 1),
        }
        samples = take_turns(
            {
                name: Contender(_repeated(operation, times), {"relay": time.process_time})
                for name, (operation, times) in operations.items()
            },
            rounds=plan.broadcaster_rounds,
            count=1,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    times_boto3 = throughput_ratio(samples[FAST], samples[BOTO3])
    rows = [_row(name, found, posts) for name, found in samples.items()]
    for row, found in zip(rows[:-1], samples.values(), strict=False):
        row["floor"], row["ratio"] = BOTO3, throughput_ratio(found, samples[BOTO3])
    return Result(
        "broadcaster",
        "The client of @connections",
        f"{posts:,} signed posts of {POST_BYTES} bytes, from one process to a server in another"
        " that looks at nothing and answers 200. CPU is of the client's process, all threads"
        " included; the ratio is of posts in a second.",
        rows,
        [
            Check(
                f"posts in a second, compared with {BOTO3}",
                f"{times_boto3:.1f} x",
                ">= 10 x",
                times_boto3 >= 10,
                ">= 20 x",
                times_boto3 >= 20,
            ),
            _cpu_check("CPU for each post", samples[FAST], "relay", posts),
        ],
    )


def _repeated(operation: Callable[[], None], times: int) -> Callable[[int], Block]:
    turn = one_by_one(operation)
    return lambda count: turn(count * times)


def _boto3_alone(
    endpoint: str, threads: ThreadPoolExecutor, connection_ids: Sequence[str]
) -> Callable[[], None]:
    """What one would write without us."""
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS.access_key_id,
        aws_secret_access_key=CREDENTIALS.secret_access_key,
        config=Config(max_pool_connections=BOTO3_THREADS),
    )
    data = b"x" * POST_BYTES

    def post(connection_id: str) -> bool:
        answer = client.post_to_connection(ConnectionId=connection_id, Data=data)
        return bool(answer["ResponseMetadata"]["HTTPStatusCode"] == 200)

    def post_to_all() -> None:
        if not all(threads.map(post, connection_ids)):
            raise RuntimeError("Not all were delivered")

    return post_to_all
