"""Handlers in threads."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from local.gateway.ids import connection_id, extended_request_id, trace_id, uuid
from local.gateway.lambdas import (
    CallerTimeout,
    ExecutionEnvironments,
    FunctionError,
    FunctionTimeout,
    LambdaFunction,
)


def function(handler: Any, **settings: Any) -> LambdaFunction:
    return LambdaFunction("tickers-dev", handler, **settings)


async def invoked(handler: Any, *events: Any, limit: int = 8, **settings: Any) -> list[Any]:
    environments = ExecutionEnvironments(limit)
    try:
        return await asyncio.gather(
            *(environments.invoke(function(handler, **settings), event) for event in events),
            return_exceptions=True,
        )
    finally:
        assert await environments.stop(5)


def test_a_handler_gets_the_event_and_its_result_comes_back() -> None:
    event = {"a": 1}
    assert asyncio.run(invoked(lambda event, _: event, event)) == [event]


def test_the_context_is_lambda_s() -> None:
    def describe(_event: Any, context: Any) -> Any:
        return {name: getattr(context, name) for name in dir(context) if name[0] != "_"} | {
            "remaining": context.get_remaining_time_in_millis()
        }

    [context] = asyncio.run(invoked(describe, {}, memory_mb=256, timeout_seconds=3))
    assert context.pop("get_remaining_time_in_millis")
    assert 2000 < context.pop("remaining") <= 3000
    assert len(context.pop("aws_request_id")) == 36
    assert context == {
        "function_name": "tickers-dev",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:tickers-dev",
        "memory_limit_in_mb": "256",
        "log_group_name": "/aws/lambda/tickers-dev",
        "log_stream_name": "local/[$LATEST]",
        "identity": None,
        "client_context": None,
    }


@pytest.mark.parametrize("error", [ValueError("why"), SystemExit(3), StopIteration()])
def test_whatever_a_handler_raises_is_a_function_error(error: BaseException) -> None:
    def fail(_event: Any, _context: Any) -> Any:
        raise error

    [outcome] = asyncio.run(invoked(fail, {}))
    assert isinstance(outcome, FunctionError)
    assert outcome.__cause__ is error


def test_handlers_run_side_by_side() -> None:
    meeting = threading.Barrier(3, timeout=5)
    outcomes = asyncio.run(invoked(lambda _event, _: meeting.wait() >= 0, {}, {}, {}))
    assert outcomes == [True, True, True]


def test_no_more_run_at_once_than_there_may_be_environments() -> None:
    running = 0
    most = 0
    lock = threading.Lock()
    first = threading.Event()

    def count(_event: Any, _context: Any) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        first.wait(0.01)
        with lock:
            running -= 1

    asyncio.run(invoked(count, *range(20), limit=2))
    assert most == 2


def test_an_environment_is_used_again() -> None:
    async def one_after_the_other() -> set[int]:
        environments = ExecutionEnvironments()
        reports = [
            await environments.invoke(function(lambda _event, _: threading.get_ident()), {})
            for _ in range(5)
        ]
        await environments.stop(5)
        return set(reports)

    assert len(asyncio.run(one_after_the_other())) == 1


def test_who_invoked_a_handler_waits_only_so_long_and_it_goes_on() -> None:
    release = threading.Event()

    async def scenario() -> None:
        environments = ExecutionEnvironments()
        slow = function(lambda _event, _: release.wait(5))
        with pytest.raises(CallerTimeout):
            await environments.invoke(slow, {}, timeout_seconds=0.05)
        assert not await environments.stop(0.05)  # it goes on, unheard
        release.set()
        assert await environments.stop(5)

    asyncio.run(scenario())


def test_a_function_whose_time_is_up_has_failed_and_another_has_its_environment() -> None:
    release = threading.Event()

    async def scenario() -> None:
        environments = ExecutionEnvironments(limit=1)
        slow = function(lambda _event, _: release.wait(5), timeout_seconds=0.05)
        with pytest.raises(FunctionError, match=r"Task timed out after 0\.05 seconds") as raised:
            await environments.invoke(slow, {}, timeout_seconds=5)
        assert isinstance(raised.value, FunctionTimeout)
        # Where its environment would be waited for this would take five seconds.
        assert await environments.invoke(function(lambda _event, _: "next"), {}) == "next"
        assert await environments.stop(5)
        assert not release.is_set()
        release.set()

    asyncio.run(scenario())


def test_a_handler_that_ends_too_late_is_heard_no_more() -> None:
    release, ended = threading.Event(), threading.Event()

    def slow(_event: Any, _context: Any) -> str:
        release.wait(5)
        ended.set()
        return "too late"

    async def scenario() -> None:
        environments = ExecutionEnvironments(limit=1)
        with pytest.raises(FunctionTimeout):
            await environments.invoke(function(slow, timeout_seconds=0.05), {})
        release.set()
        assert await asyncio.to_thread(ended.wait, 5)
        # There is one environment still, and not the old one beside the new.
        names = {
            await environments.invoke(
                function(lambda _event, _: threading.current_thread().name), {}
            )
            for _ in range(5)
        }
        assert names == {"environment-1"}
        assert await environments.stop(5)

    asyncio.run(scenario())


def test_the_time_of_a_function_begins_when_it_does() -> None:
    async def scenario() -> None:
        environments = ExecutionEnvironments(limit=1)
        release = threading.Event()
        first = asyncio.create_task(
            environments.invoke(function(lambda _event, _: release.wait(5)), {})
        )
        short = function(
            lambda _event, context: context.get_remaining_time_in_millis(), timeout_seconds=0.2
        )
        second = asyncio.create_task(environments.invoke(short, {}))
        # Longer than it may take, and than its supervisor waits.
        done, _ = await asyncio.wait([second], timeout=0.5)
        assert not done
        release.set()
        assert await first
        assert 100 < await second <= 200
        assert await environments.stop(5)

    asyncio.run(scenario())


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    begun: list[int] = []

    async def scenario() -> None:
        environments = ExecutionEnvironments(limit=1)
        release = threading.Event()
        first = asyncio.create_task(
            environments.invoke(function(lambda _event, _: release.wait(5)), {})
        )
        await asyncio.sleep(0)
        noting = function(lambda event, _: begun.append(event["number"]))
        impatient = environments.invoke(noting, {"number": 1}, timeout_seconds=0.02)
        cancelled = asyncio.create_task(environments.invoke(noting, {"number": 2}))
        with pytest.raises(CallerTimeout):
            await impatient
        cancelled.cancel()
        patient = asyncio.create_task(environments.invoke(noting, {"number": 3}, timeout_seconds=5))
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, patient)
        assert await environments.stop(5)

    asyncio.run(scenario())
    assert begun == [3]


def test_a_result_after_the_loop_has_closed_is_dropped() -> None:
    release, ended = threading.Event(), threading.Event()

    def slow(_event: Any, _context: Any) -> None:
        release.wait(5)
        ended.set()

    async def scenario() -> ExecutionEnvironments:
        environments = ExecutionEnvironments()
        with pytest.raises(CallerTimeout):
            await environments.invoke(function(slow), {}, timeout_seconds=0.01)
        return environments

    environments = asyncio.run(scenario())
    release.set()
    assert ended.wait(5)
    assert asyncio.run(environments.stop(5))


def test_ids_have_the_shapes_aws_gives_them() -> None:
    from uuid import UUID  # noqa: PLC0415

    ids = {uuid() for _ in range(100)}
    assert len(ids) == 100
    assert {(UUID(text).version, UUID(text).variant, str(UUID(text)) == text) for text in ids} == {
        (4, "specified in RFC 4122", True)
    }
    for make in (extended_request_id, connection_id):
        assert all(len(make()) == 16 and make().endswith("=") for _ in range(100))
    assert not any(set("+/") & set(connection_id()) for _ in range(200))
    assert len(trace_id()) == len("Root=1-65a6825f-0123456789abcdef01234567")
