"""``python -m bench.fan_out``: one update for a thousand connections.

Our fast client beside boto3 with 64 threads, posting what the same server
takes, in turns, so that a busy neighbour disturbs both. The server is a
process of its own and looks at nothing; the CPU is that of the client's
process alone, all threads included.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf

import boto3
from botocore.config import Config

from chalicelib.realtime.management_api import (
    Credentials,
    ManagementApi,
    Outcome,
    Post,
    open_management_api,
    open_reference,
)

POSTS = 1_000
UPDATE = b"x" * 630
REGION = "eu-west-1"
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token" * 60)
BOTO3_THREADS = 64
WITHIN_SECONDS = 60.0

MUST_CPU_US, AIM_CPU_US = 60.0, 35.0
MUST_TIMES, AIM_TIMES = 10.0, 20.0

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Contender:
    """Something that posts to a thousand connections, and what it took each time."""

    name: str
    post_to: Callable[[Sequence[str]], int]
    """Posts to these connections; how many were delivered."""
    at_a_time: int
    """How many fan-outs make a turn: a turn of a few milliseconds says little."""
    posts_per_second: list[float] = field(default_factory=list)
    cpu_us_per_post: list[float] = field(default_factory=list)

    def take_turn(self, connection_ids: Sequence[str]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(self.at_a_time):
            delivered = self.post_to(connection_ids)
            if delivered != len(connection_ids):
                raise RuntimeError(f"{self.name} delivered {delivered} of {len(connection_ids)}")
        posts = self.at_a_time * len(connection_ids)
        self.posts_per_second.append(posts / (time.perf_counter() - wall))
        self.cpu_us_per_post.append((time.process_time() - cpu) / posts * 1e6)


def ours(name: str, api: ManagementApi, endpoint: str, at_a_time: int) -> Contender:
    def post_to(connection_ids: Sequence[str]) -> int:
        posts = [Post(endpoint, one, UPDATE, inf) for one in connection_ids]
        return api.post_all(posts, WITHIN_SECONDS).count(Outcome.DELIVERED)

    return Contender(name, post_to, at_a_time)


def boto3_alone(endpoint: str, threads: ThreadPoolExecutor) -> Contender:
    """What one would write without us."""
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS.access_key_id,
        aws_secret_access_key=CREDENTIALS.secret_access_key,
        aws_session_token=CREDENTIALS.session_token,
        config=Config(max_pool_connections=BOTO3_THREADS),
    )

    def post(connection_id: str) -> bool:
        answer = client.post_to_connection(ConnectionId=connection_id, Data=UPDATE)
        return bool(answer["ResponseMetadata"]["HTTPStatusCode"] == 200)

    return Contender(
        f"boto3, {BOTO3_THREADS} threads", lambda ids: sum(threads.map(post, ids)), at_a_time=1
    )


def serve() -> None:
    """Answer 200 to whatever has arrived whole, until nobody holds our standard input."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    unfinished: dict[int, bytes] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listener:
                accepted, _ = listener.accept()
                accepted.setblocking(False)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(accepted, selectors.EVENT_READ)
                continue
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            try:
                arrived = connection.recv(65536)
            except ConnectionError:
                arrived = b""
            if not arrived:
                selector.unregister(connection)
                unfinished.pop(key.fd, None)
                connection.close()
                continue
            arrived = unfinished.pop(key.fd, b"") + arrived
            if arrived.endswith(UPDATE):
                connection.send(OK)
            else:
                unfinished[key.fd] = arrived


@contextmanager
def server() -> Iterator[str]:
    """The endpoint of a server that ends with us."""
    command = [sys.executable, "-m", "bench.fan_out", "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/dev"
        process.stdin.close()


def run(rounds: int) -> list[Contender]:
    """Every contender ``rounds`` times, in turns; the first is ours, the last boto3 alone."""
    connection_ids = [f"PJqB0fHsqR{number:05}=" for number in range(POSTS)]
    with server() as endpoint, ThreadPoolExecutor(BOTO3_THREADS) as threads:
        fast = open_management_api(REGION, CREDENTIALS)
        reference = open_reference(REGION, CREDENTIALS)
        contenders = [
            ours("tickless, fast", fast, endpoint, at_a_time=20),
            ours("tickless, reference", reference, endpoint, at_a_time=1),
            boto3_alone(endpoint, threads),
        ]
        try:
            for contender in contenders:
                contender.post_to(connection_ids)
            for _ in range(rounds):
                for contender in contenders:
                    contender.take_turn(connection_ids)
        finally:
            fast.close(1)
            reference.close(1)
    return contenders


def report(contenders: Sequence[Contender]) -> bool:
    """Print what was found; whether it is good enough."""
    rates = [statistics.median(one.posts_per_second) for one in contenders]
    print(f"{POSTS:,} posts of {len(UPDATE)} bytes; medians, and the worst and best turn")
    print(f"{'':22}{'posts/s':>10}{'':22}{'CPU per post':>14}")
    for one, rate in zip(contenders, rates, strict=True):
        spread = f"({min(one.posts_per_second):,.0f} to {max(one.posts_per_second):,.0f})"
        cpu = f"({max(one.cpu_us_per_post):,.1f} to {min(one.cpu_us_per_post):,.1f})"
        median_cpu_us = statistics.median(one.cpu_us_per_post)
        print(f"{one.name:22}{rate:>10,.0f}  {spread:20}{median_cpu_us:>11,.1f} us  {cpu}")
    cpu_us = statistics.median(contenders[0].cpu_us_per_post)
    times = rates[0] / rates[-1]
    print(f"CPU per post: {cpu_us:.1f} us (must be <= {MUST_CPU_US:.0f}, aim {AIM_CPU_US:.0f})")
    print(f"times boto3:  {times:.1f} (must be >= {MUST_TIMES:.0f}, aim {AIM_TIMES:.0f})")
    return cpu_us <= MUST_CPU_US and times >= MUST_TIMES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fan_out", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    return 0 if report(run(options.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
