"""Stopping a gateway, and many clients connecting and disconnecting."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from chalice_gateway.lambdas import Event
from chalice_gateway.websocket_limits import Limits
from chalice_gateway.websocket_server import wall_clock_ms

from .http_serving import LoopFactory
from .websocket_serving import WITHIN_S, Backend, RawClient, Served, serving


def test_stop_closes_every_client_with_1001(loop_factory: LoopFactory) -> None:
    backend = Backend()
    with serving(backend.routes, loop_factory=loop_factory) as served:
        with served.connect() as one, served.connect() as other:
            # All clients close, so it needs none of its time.
            served.run(served.gateway.stop(60 * WITHIN_S))

            for client in (one, other):
                with pytest.raises(ConnectionClosed) as raised:
                    client.recv(WITHIN_S)
                assert raised.value.rcvd is not None
                assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1001, "Going away")
        assert [backend.disconnected() for _ in range(2)] == [(1001, "Going away")] * 2
        assert served.connection_count() == 0


def test_stop_is_bounded_in_time(loop_factory: LoopFactory) -> None:
    release = threading.Event()
    backend = Backend(
        connect=lambda event: slow_if_asked(event, release),
        disconnect=lambda _: release.wait(2 * WITHIN_S),
    )
    with serving(backend.routes, loop_factory=loop_factory) as served:
        with RawClient(served.port) as unresponsive, RawClient(served.port) as connecting:
            unresponsive.handshake()
            connecting.send_handshake(first_line="GET /dev?slow=1 HTTP/1.1")
            for _ in range(2):
                backend.connected()

            # Neither client nor function has ended yet.
            served.run(served.gateway.stop(0.3))

            assert unresponsive.is_cut()
            assert connecting.is_cut()
        release.set()


def slow_if_asked(event: Event, release: threading.Event) -> Any:
    if "queryStringParameters" in event:
        release.wait(2 * WITHIN_S)
    return {"statusCode": 200}


def test_stop_refuses_clients_and_still_answers_connections_calls() -> None:
    from .test_connections_api import management  # noqa: PLC0415

    seen: list[str] = []
    served_now: list[Served] = []
    release = threading.Event()

    def disconnect(_event: Event) -> None:
        api = management(served_now[0])
        try:
            api.get_connection(ConnectionId="PJqB0fHsqRcCHlw=")
        except api.exceptions.GoneException:
            seen.append("410")
        release.wait(WITHIN_S)

    backend = Backend(disconnect=disconnect)
    with serving(backend.routes) as served:
        served_now.append(served)
        with RawClient(served.port) as client, RawClient(served.port) as late:
            client.handshake()
            stopping = asyncio.run_coroutine_threadsafe(served.gateway.stop(WITHIN_S), served.loop)
            assert backend.disconnected() == (1001, "Going away")
            assert late.handshake()[0] == 503
            release.set()
            client.send(Opcode.CLOSE, b"\x03\xe9")
            client.socket.close()
            stopping.result(WITHIN_S)
    assert seen == ["410"]


def test_message_in_progress_is_answered_before_the_close(loop_factory: LoopFactory) -> None:
    from .test_connections_api import management  # noqa: PLC0415

    served_now: list[Served] = []
    release = threading.Event()

    def answer(event: Event) -> None:
        release.wait(WITHIN_S)
        context = event["requestContext"]
        management(served_now[0]).post_to_connection(
            ConnectionId=context["connectionId"], Data=event["body"].encode()
        )

    backend = Backend(message=answer)
    with serving(backend.routes, loop_factory=loop_factory) as served:
        served_now.append(served)
        with RawClient(served.port) as client:
            client.handshake()
            client.send(Opcode.TEXT, b"one")
            backend.message()
            stopping = asyncio.run_coroutine_threadsafe(served.gateway.stop(WITHIN_S), served.loop)
            served.call(lambda: None)  # the stop has started
            client.send(Opcode.TEXT, b"too late")
            release.set()
            assert client.receive().data == b"one"
            assert client.close_code() == (1001, "Going away")
            client.send(Opcode.CLOSE, b"\x03\xe9")
            client.socket.close()
            stopping.result(WITHIN_S)
        assert backend.messages.empty()


def test_gateway_without_clients_stops() -> None:
    with serving({}) as served:
        served.run(served.gateway.stop(WITHIN_S))


async def storm(url: str, clients: int) -> None:
    """Connect all at once; a third closes, a third aborts, a third closes mid-message."""

    async def one(number: int) -> None:
        async with connect(url, compression=None, open_timeout=WITHIN_S) as client:
            await client.send("hello")
            if number % 3 == 1:
                client.transport.abort()
            elif number % 3 == 2:
                await client.send("x" * 30_000)
                client.transport.close()

    await asyncio.gather(*(one(number) for number in range(clients)))


def test_many_connections_leave_nothing_behind(loop_factory: LoopFactory) -> None:
    backend = Backend()
    with serving(backend.routes, loop_factory=loop_factory) as served:
        asyncio.run(storm(served.url, 20))
        served.wait_until_quiet()
        tasks, files = count_tasks(served), len(os.listdir("/proc/self/fd"))  # noqa: PTH208

        asyncio.run(storm(served.url, 300))
        served.wait_until_quiet()
        gc.collect()

        assert served.connection_count() == 0
        assert count_tasks(served) <= tasks
        assert len(os.listdir("/proc/self/fd")) <= files  # noqa: PTH208
        assert backend.connects.qsize() == backend.disconnects.qsize() == 320
        assert served.call(lambda: served.gateway.http_connection_count) == 0


def count_tasks(served: Served) -> int:
    found: int = served.call(lambda: len(asyncio.all_tasks(served.loop)))
    return found


def test_connect_rate_limits_the_functions_invoked(
    loop_factory: LoopFactory,
) -> None:
    """Only the connect rate limit protects the functions from a flood of handshakes."""
    backend = Backend()
    now_ms = wall_clock_ms()
    limits = Limits(connects_per_second=50)
    with serving(
        backend.routes, limits=limits, loop_factory=loop_factory, now_ms=lambda: now_ms
    ) as served:
        statuses = asyncio.run(flood(served.url, 200))

        assert statuses.count(101) == 50
        assert set(statuses) == {101, 429}
        assert backend.connects.qsize() == statuses.count(101)


async def flood(url: str, clients: int) -> list[int]:
    async def one() -> int:
        try:
            async with connect(url, compression=None, open_timeout=WITHIN_S):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    return await asyncio.gather(*(one() for _ in range(clients)))
