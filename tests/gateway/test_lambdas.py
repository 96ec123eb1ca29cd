"""Lambda functions in threads, and AWS's identifiers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from chalice_gateway.ids import connection_id, extended_request_id, trace_id, uuid
from chalice_gateway.lambdas import (
    CallerTimeout,
    ExecutionEnvironments,
    FunctionError,
    FunctionTimeout,
    LambdaFunction,
)
from tests.waiting import HUNG_AFTER_S


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
        assert await environments.stop(HUNG_AFTER_S)


def test_invoke_passes_the_event_and_returns_the_result() -> None:
    event = {"a": 1}
    assert asyncio.run(invoked(lambda event, _: event, event)) == [event]


def test_context_is_that_of_lambda() -> None:
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
def test_any_exception_of_a_handler_is_a_function_error(error: BaseException) -> None:
    def fail(_event: Any, _context: Any) -> Any:
        raise error

    [outcome] = asyncio.run(invoked(fail, {}))
    assert isinstance(outcome, FunctionError)
    assert outcome.__cause__ is error


def test_handlers_run_concurrently() -> None:
    meeting = threading.Barrier(3, timeout=HUNG_AFTER_S)
    outcomes = asyncio.run(invoked(lambda _event, _: meeting.wait() >= 0, {}, {}, {}))
    assert outcomes == [True, True, True]


def test_environments_limit_concurrency() -> None:
    running = 0
    maximum = 0
    lock = threading.Lock()
    meeting = threading.Barrier(2, timeout=HUNG_AFTER_S)

    def count(_event: Any, _context: Any) -> None:
        nonlocal running, maximum
        with lock:
            running += 1
            maximum = max(maximum, running)
        meeting.wait()
        with lock:
            running -= 1

    asyncio.run(invoked(count, *range(20), limit=2))
    assert maximum == 2


def test_environment_is_reused() -> None:
    async def one_after_the_other() -> set[int]:
        environments = ExecutionEnvironments()
        reports = [
            await environments.invoke(function(lambda _event, _: threading.get_ident()), {})
            for _ in range(5)
        ]
        await environments.stop(HUNG_AFTER_S)
        return set(reports)

    assert len(asyncio.run(one_after_the_other())) == 1


def test_handler_continues_after_its_caller_has_timed_out() -> None:
    release = threading.Event()

    async def scenario() -> None:
        environments = ExecutionEnvironments()
        slow = function(lambda _event, _: release.wait(2 * HUNG_AFTER_S))
        with pytest.raises(CallerTimeout):
            await environments.invoke(slow, {}, timeout_seconds=0.05)
        assert not await environments.stop(0.05)  # the handler still runs
        release.set()
        assert await environments.stop(HUNG_AFTER_S)

    asyncio.run(scenario())


def test_function_timeout_is_an_error_and_frees_its_environment() -> None:
    release = threading.Event()

    async def scenario() -> None:
        environments = ExecutionEnvironments(limit=1)
        slow = function(lambda _event, _: release.wait(2 * HUNG_AFTER_S), timeout_seconds=0.05)
        with pytest.raises(FunctionError, match=r"Task timed out after 0\.05 seconds") as raised:
            await environments.invoke(slow, {}, timeout_seconds=HUNG_AFTER_S)
        assert isinstance(raised.value, FunctionTimeout)
        # Not once the environment is free, but before.
        following = environments.invoke(function(lambda _event, _: "next"), {})
        assert await asyncio.wait_for(following, HUNG_AFTER_S) == "next"
        assert await environments.stop(HUNG_AFTER_S)
        release.set()

    asyncio.run(scenario())


def test_late_result_is_ignored() -> None:
    release, ended = threading.Event(), threading.Event()

    def slow(_event: Any, _context: Any) -> str:
        release.wait(2 * HUNG_AFTER_S)
        ended.set()
        return "too late"

    async def scenario() -> None:
        environments = ExecutionEnvironments(limit=1)
        with pytest.raises(FunctionTimeout):
            await environments.invoke(function(slow, timeout_seconds=0.05), {})
        release.set()
        assert await asyncio.to_thread(ended.wait, HUNG_AFTER_S)
        # There is still only one environment: the new one.
        names = {
            await environments.invoke(
                function(lambda _event, _: threading.current_thread().name), {}
            )
            for _ in range(5)
        }
        assert names == {"environment-1"}
        assert await environments.stop(HUNG_AFTER_S)

    asyncio.run(scenario())


def test_function_timeout_starts_with_the_function() -> None:
    async def scenario() -> None:
        environments = ExecutionEnvironments(limit=1)
        release = threading.Event()
        first = asyncio.create_task(
            environments.invoke(function(lambda _event, _: release.wait(2 * HUNG_AFTER_S)), {})
        )
        short = function(
            lambda _event, context: context.get_remaining_time_in_millis(), timeout_seconds=1
        )
        second = asyncio.create_task(environments.invoke(short, {}))
        # Longer than the function's timeout.
        done, _ = await asyncio.wait([second], timeout=1.2)
        assert not done
        release.set()
        assert await first
        assert 0 < await second <= 1_000
        assert await environments.stop(HUNG_AFTER_S)

    asyncio.run(scenario())


def test_abandoned_invocation_is_not_started() -> None:
    started: list[int] = []

    async def scenario() -> None:
        environments = ExecutionEnvironments(limit=1)
        release = threading.Event()
        first = asyncio.create_task(
            environments.invoke(function(lambda _event, _: release.wait(2 * HUNG_AFTER_S)), {})
        )
        await asyncio.sleep(0)
        recording = function(lambda event, _: started.append(event["number"]))
        timing_out = environments.invoke(recording, {"number": 1}, timeout_seconds=0.02)
        cancelled = asyncio.create_task(environments.invoke(recording, {"number": 2}))
        with pytest.raises(CallerTimeout):
            await timing_out
        cancelled.cancel()
        waiting = asyncio.create_task(
            environments.invoke(recording, {"number": 3}, timeout_seconds=HUNG_AFTER_S)
        )
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, waiting)
        assert await environments.stop(HUNG_AFTER_S)

    asyncio.run(scenario())
    assert started == [3]


def test_result_after_the_loop_has_closed_is_dropped() -> None:
    release, ended = threading.Event(), threading.Event()

    def slow(_event: Any, _context: Any) -> None:
        release.wait(2 * HUNG_AFTER_S)
        ended.set()

    async def scenario() -> ExecutionEnvironments:
        environments = ExecutionEnvironments()
        with pytest.raises(CallerTimeout):
            await environments.invoke(function(slow), {}, timeout_seconds=0.01)
        return environments

    environments = asyncio.run(scenario())
    release.set()
    assert ended.wait(HUNG_AFTER_S)
    assert asyncio.run(environments.stop(HUNG_AFTER_S))


def test_ids_have_the_formats_of_aws() -> None:
    from uuid import UUID  # noqa: PLC0415

    ids = {uuid() for _ in range(100)}
    assert len(ids) == 100
    assert {(UUID(text).version, UUID(text).variant, str(UUID(text)) == text) for text in ids} == {
        (4, "specified in RFC 4122", True)
    }
    for make in (extended_request_id, connection_id):
        assert all(len(make()) == 16 and make().endswith("=") for _ in range(100))
        assert not any(set("+/") & set(make()) for _ in range(200))
    assert len(trace_id()) == len("Root=1-65a6825f-0123456789abcdef01234567")
