"""Ends: of a gateway with its clients, and of many clients at once."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from local.gateway.lambdas import Event
from local.gateway.websocket_limits import Limits
from tests.local.serving import LoopFactory

from .serving import WITHIN_S, Backend, RawClient, Served, serving


def test_stopping_says_goodbye_to_everybody(loop_factory: LoopFactory) -> None:
    backend = Backend()
    with serving(backend.routes, loop_factory=loop_factory) as served:
        with served.connect() as one, served.connect() as other:
            begin = time.monotonic()
            served.run(served.gateway.stop(WITHIN_S))
            took_s = time.monotonic() - begin

            for client in (one, other):
                with pytest.raises(ConnectionClosed) as raised:
                    client.recv(WITHIN_S)
                assert raised.value.rcvd is not None
                assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1001, "Going away")
        assert [backend.disconnected() for _ in range(2)] == [(1001, "Going away")] * 2
        assert served.known() == 0
    # All took part, so nothing had to be waited out.
    assert took_s < WITHIN_S / 2


def test_stopping_is_bounded_in_time(loop_factory: LoopFactory) -> None:
    go_on = threading.Event()
    backend = Backend(
        connect=lambda event: slow_if_asked(event, go_on),
        disconnect=lambda _: go_on.wait(WITHIN_S),
    )
    with serving(backend.routes, loop_factory=loop_factory) as served:
        with RawClient(served.port) as deaf, RawClient(served.port) as undecided:
            deaf.shake_hands()
            undecided.ask(first_line="GET /dev?slow=1 HTTP/1.1")
            for _ in range(2):
                backend.connected()
            begin = time.monotonic()
            served.run(served.gateway.stop(0.3))

            assert time.monotonic() - begin < 2
            assert deaf.is_cut()
            assert undecided.is_cut()
        go_on.set()


def slow_if_asked(event: Event, go_on: threading.Event) -> Any:
    if "queryStringParameters" in event:
        go_on.wait(WITHIN_S)
    return {"statusCode": 200}


def test_who_comes_while_it_stops_is_turned_away_and_posts_still_arrive() -> None:
    from .test_connections_api import management  # noqa: PLC0415

    told: list[str] = []
    served_now: list[Served] = []
    request_shutdown = threading.Event()

    def disconnect(_event: Event) -> None:
        api = management(served_now[0])
        try:
            api.get_connection(ConnectionId="PJqB0fHsqRcCHlw=")
        except api.exceptions.GoneException:
            told.append("410")
        request_shutdown.wait(WITHIN_S)

    backend = Backend(disconnect=disconnect)
    with serving(backend.routes) as served:
        served_now.append(served)
        with RawClient(served.port) as client, RawClient(served.port) as late:
            client.shake_hands()
            stopping = asyncio.run_coroutine_threadsafe(served.gateway.stop(WITHIN_S), served.loop)
            assert backend.disconnected() == (1001, "Going away")
            assert late.shake_hands()[0] == 503
            request_shutdown.set()
            client.send(Opcode.CLOSE, b"\x03\xe9")
            client.socket.close()
            stopping.result(WITHIN_S)
    assert told == ["410"]


def test_a_message_that_has_come_is_answered_before_the_goodbye(loop_factory: LoopFactory) -> None:
    from .test_connections_api import management  # noqa: PLC0415

    served_now: list[Served] = []
    go_on = threading.Event()

    def answer(event: Event) -> None:
        go_on.wait(WITHIN_S)
        context = event["requestContext"]
        management(served_now[0]).post_to_connection(
            ConnectionId=context["connectionId"], Data=event["body"].encode()
        )

    backend = Backend(message=answer)
    with serving(backend.routes, loop_factory=loop_factory) as served:
        served_now.append(served)
        with RawClient(served.port) as client:
            client.shake_hands()
            client.send(Opcode.TEXT, b"one")
            backend.message()
            stopping = asyncio.run_coroutine_threadsafe(served.gateway.stop(WITHIN_S), served.loop)
            served.call(lambda: None)  # it has begun
            client.send(Opcode.TEXT, b"too late")
            go_on.set()
            assert client.receive().data == b"one"
            assert client.close_code() == (1001, "Going away")
            client.send(Opcode.CLOSE, b"\x03\xe9")
            client.socket.close()
            stopping.result(WITHIN_S)
        assert backend.messages.empty()


def test_a_gateway_stops_that_never_met_anybody() -> None:
    with serving({}) as served:
        served.run(served.gateway.stop(WITHIN_S))


async def storm(url: str, clients: int) -> None:
    """All come at once; a third leaves politely, a third rudely, a third mid-message."""

    async def one(number: int) -> None:
        async with connect(url, compression=None, open_timeout=WITHIN_S) as client:
            await client.send("hello")
            if number % 3 == 1:
                client.transport.abort()
            elif number % 3 == 2:
                await client.send("x" * 30_000)
                client.transport.close()

    await asyncio.gather(*(one(number) for number in range(clients)))


def test_a_storm_leaves_nothing_behind(loop_factory: LoopFactory) -> None:
    backend = Backend()
    with serving(backend.routes, loop_factory=loop_factory) as served:
        asyncio.run(storm(served.url, 20))
        served.is_quiet()
        tasks, files = count_tasks(served), len(os.listdir("/proc/self/fd"))  # noqa: PTH208

        begin = time.monotonic()
        asyncio.run(storm(served.url, 300))
        took_s = time.monotonic() - begin
        served.is_quiet()
        gc.collect()

        assert served.known() == 0
        assert count_tasks(served) <= tasks
        assert len(os.listdir("/proc/self/fd")) <= files  # noqa: PTH208
        assert backend.connects.qsize() == backend.disconnects.qsize() == 320
        assert served.call(lambda: len(served.gateway._server.connections)) == 0
        # Clients included, which are the larger part.
        assert took_s < WITHIN_S


def count_tasks(served: Served) -> int:
    found: int = served.call(lambda: len(asyncio.all_tasks(served.loop)))
    return found


def test_a_handshake_costs_no_more_than_a_connection_that_waits(
    loop_factory: LoopFactory,
) -> None:
    """The rate limit is the only thing between a flood and the functions."""
    backend = Backend()
    limits = Limits(connects_per_second=50)
    with serving(backend.routes, limits=limits, loop_factory=loop_factory) as served:
        statuses = asyncio.run(flood(served.url, 200))

        assert 50 <= statuses.count(101) < 200
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
