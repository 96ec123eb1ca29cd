"""``python -m bench.http_front``: the gateway's HTTP server beside aiohttp's and uvicorn.

Each in a process of its own, on uvloop, with a handler that answers a POST with its body.
aiohttp and uvicorn are no requirements: install them first.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any

import uvloop

from chalice_gateway.http_messages import Request, Response
from chalice_gateway.http_server import HttpServer

from .http_client import HOST, Connection, asking, request
from .lab import free_port
from .machine import cpu_seconds
from .measure import Contender, Samples, latency_ratio, one_by_one, take_turns

OURS, AIOHTTP, UVICORN = "chalice-gateway", "aiohttp", "uvicorn"
ROUNDS, COUNT, BUDGET_SECONDS = 30, 200, 20.0
BODY_BYTES = 630
MIXED_CASE = "X-MiXeD-Case"
# Long enough to see API Gateway's limits: 10,240 bytes of headers, 29 seconds.
SLOW_SECONDS = 35.0
HEAD_BYTES = tuple(1024 * 2**power for power in range(3, 12))
START_SECONDS = 20.0


async def _serve_ours(port: int) -> None:
    async def handle(request: Request) -> Response:
        names = ",".join(name for name, _ in request.headers)
        return Response(200, (("X-Names", names),), request.body)

    await HttpServer(handle).start(HOST, port)
    await asyncio.Event().wait()


async def _serve_aiohttp(port: int) -> None:
    web = import_module("aiohttp.web")

    async def handle(request: Any) -> Any:
        names = ",".join(name.decode() for name, _ in request.raw_headers)
        return web.Response(body=await request.read(), headers={"X-Names": names})

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    await asyncio.Event().wait()


async def _serve_uvicorn(port: int) -> None:
    uvicorn = import_module("uvicorn")

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        names = b",".join(name for name, _ in scope["headers"])
        headers = [(b"x-names", names), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        handle, host=HOST, port=port, http="httptools", lifespan="off", log_level="critical"
    )
    await uvicorn.Server(config).serve()


SERVERS: dict[str, Callable[[int], Awaitable[None]]] = {
    OURS: _serve_ours,
    AIOHTTP: _serve_aiohttp,
    UVICORN: _serve_uvicorn,
}


@contextmanager
def served(name: str) -> Iterator[tuple[int, int]]:
    """The port and the process id of a server."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "bench.http_front", name, str(port)]) as process:
        try:
            give_up_at = time.monotonic() + START_SECONDS
            while True:
                with suppress(OSError), socket.create_connection((HOST, port)):
                    break
                if process.poll() is not None or time.monotonic() > give_up_at:
                    raise RuntimeError(f"{name} did not start; is it installed?")
                time.sleep(0.05)
            yield port, process.pid
        finally:
            process.kill()


def answer_to(port: int, data: bytes) -> bytes:
    """What a server sends for ``data`` before it closes, or before it has nothing to add."""
    with socket.create_connection((HOST, port), 1.0) as sock:
        received = b""
        with suppress(OSError):
            sock.sendall(data)
            while arrived := sock.recv(65536):
                received += arrived
        return received


def keeps_header_case(port: int) -> str:
    answer = answer_to(port, request("POST", "/", b"", {MIXED_CASE: "1"}))
    return "as sent" if MIXED_CASE.encode() in answer else "in lower case"


def accepted_head_kilobytes(port: int) -> str:
    """The largest size of all headers, of those tried, that is accepted."""
    accepted = 0
    for size in HEAD_BYTES:
        headers = {f"X-{number}": "x" * 1000 for number in range(size // 1024)}
        if not answer_to(port, request("POST", "/", b"", headers)).startswith(b"HTTP/1.1 200"):
            break
        accepted = size // 1024
    return f"{accepted} KB"


def pipelines(port: int) -> str:
    bodies = [b"first", b"second", b"third"]
    answer = answer_to(port, b"".join(request("POST", "/", body) for body in bodies))
    places = [answer.find(body) for body in bodies]
    return "in order" if -1 not in places and places == sorted(places) else "not all"


def slow_head_is_cut_after(port: int) -> str:
    """How long a client may take for its headers."""
    with socket.create_connection((HOST, port), SLOW_SECONDS) as sock:
        began = time.monotonic()
        sock.sendall(b"POST / HTTP/1.1\r\nHost: t\r\n")
        try:
            while sock.recv(65536):
                pass
        except TimeoutError:
            return f"not within {SLOW_SECONDS:.0f} s"
        return f"after {time.monotonic() - began:.0f} s"


def measure(ports: dict[str, tuple[int, int]], parts: ExitStack) -> dict[str, Samples]:
    data = request("POST", "/", b"x" * BODY_BYTES)

    def contender(port: int, pid: int) -> Contender:
        connection = Connection(port)
        parts.callback(connection.close)
        return Contender(
            one_by_one(asking(connection, data)), {"server": partial(cpu_seconds, pid)}
        )

    return take_turns(
        {name: contender(port, pid) for name, (port, pid) in ports.items()},
        rounds=ROUNDS,
        count=COUNT,
        budget_seconds=BUDGET_SECONDS,
        progress=lambda _: None,
    )


def main() -> None:
    with ExitStack() as parts:
        ports = {name: parts.enter_context(served(name)) for name in SERVERS}
        with ThreadPoolExecutor(len(ports)) as clients:
            slow = clients.map(slow_head_is_cut_after, (port for port, _ in ports.values()))
        samples = measure(ports, parts)
        for (name, (port, _)), cut in zip(ports.items(), slow, strict=True):
            found = samples[name]
            cpu_ms = found.cpu_ms("server")
            print(
                f"{name:16} p50 {found.p50_ms * 1000:4.0f} us,"
                f" {latency_ratio(found, samples[OURS]):.2f} x {OURS};"
                f" CPU {'?' if cpu_ms is None else f'{cpu_ms * 1000:.0f}'} us;"
                f" header names {keeps_header_case(port)}; headers up to"
                f" {accepted_head_kilobytes(port)}; slow headers cut {cut};"
                f" pipelined requests answered {pipelines(port)}"
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(SERVERS[sys.argv[1]](int(sys.argv[2])))  # type: ignore[arg-type]
    else:
        main()
