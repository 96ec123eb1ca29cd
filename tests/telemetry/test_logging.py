"""Log lines: format, level and context."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO
from threading import Thread
from typing import Any

import pytest

from chalicelib.settings import Settings
from chalicelib.telemetry.log_context import append_keys, log_context, log_keys
from chalicelib.telemetry.logging import OWN_LOGGERS, start_logging

LOG = logging.getLogger("tickless")

Lines = Callable[[], list[str]]


@pytest.fixture
def written_as() -> Iterator[Callable[..., Lines]]:
    """``written_as(log_format=...)``: logging as an instance starts it, and what it writes."""
    root = logging.getLogger()
    handlers, levels = (
        root.handlers[:],
        {name: logging.getLogger(name).level for name in OWN_LOGGERS},
    )
    # Whatever is there would be closed.
    root.handlers[:] = []

    def start(**settings: Any) -> Lines:
        stream = StringIO()
        start_logging(Settings(**settings), stream)
        return lambda: stream.getvalue().splitlines()

    yield start
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def fail(log: Callable[[], None]) -> None:
    """Have something fail, and logged where that is met."""
    try:
        int("damaged")
    except ValueError:
        log()


def test_json_line_contains_the_log_context(written_as: Callable[..., Lines]) -> None:
    lines = written_as(log_format="json", log_level="info")

    with log_context(request_id="r1", status=0):
        append_keys(session_id="game", version=3)
        LOG.info("request", extra={"status": 200})
    LOG.warning("afterwards")

    request, afterwards = map(json.loads, lines())
    assert request.pop("timestamp").endswith("+00:00")
    # What the line says goes before what was noted.
    assert request == {
        "level": "INFO",
        "message": "request",
        "service": "tickless",
        "request_id": "r1",
        "session_id": "game",
        "version": 3,
        "status": 200,
    }
    assert afterwards.keys() == {"timestamp", "level", "message", "service"}


def test_stack_trace_is_part_of_its_line(written_as: Callable[..., Lines]) -> None:
    lines = written_as(log_format="json")

    fail(lambda: LOG.exception("session %s", "game"))

    (line,) = map(json.loads, lines())
    assert (line["message"], line["exception_name"]) == ("session game", "ValueError")
    assert "Traceback" in line["exception"]


def test_text_format_is_readable(written_as: Callable[..., Lines]) -> None:
    lines = written_as(log_format="text", log_level="info")

    with log_context(request_id="r1"):
        LOG.info("request", extra={"status": 200})
        fail(lambda: LOG.exception("oh"))

    first, second, *trace = lines()
    assert first.endswith(" INFO request status=200 request_id=r1")
    assert second.endswith(" ERROR oh request_id=r1")
    assert trace[-1] == "ValueError: invalid literal for int() with base 10: 'damaged'"


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_own_loggers_write_everything_and_libraries_only_warnings(
    written_as: Callable[..., Lines], log_format: str
) -> None:
    lines = written_as(log_format=log_format, log_level="debug")

    logging.getLogger("chalicelib.broadcast.connections_api").debug("ours")
    logging.getLogger("botocore.endpoint").debug("a body")
    logging.getLogger("botocore.endpoint").info("a body")
    logging.getLogger("redis").warning("theirs")

    assert len(lines()) == 2
    assert "ours" in lines()[0]
    assert "theirs" in lines()[1]


def test_lines_below_the_level_are_not_written(written_as: Callable[..., Lines]) -> None:
    lines = written_as(log_level="warning")

    LOG.info("request")

    assert lines() == []


def test_log_context_is_limited_to_its_thread_and_block() -> None:
    seen = []
    with log_context(request_id="outer"):
        thread = Thread(target=lambda: seen.append(dict(log_keys())))
        thread.start()
        thread.join()
        with log_context(request_id="inner"):
            append_keys(version=1)
            seen.append(dict(log_keys()))
        seen.append(dict(log_keys()))
    append_keys(version=2)

    assert seen == [{}, {"request_id": "inner", "version": 1}, {"request_id": "outer"}]
    assert dict(log_keys()) == {}
