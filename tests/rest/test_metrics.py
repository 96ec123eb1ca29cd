"""/metrics, and the metrics and log lines of each request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import app as tickless
from chalicelib.core.session import Status
from chalicelib.telemetry import definitions as names
from chalicelib.telemetry.log_context import log_keys
from chalicelib.telemetry.metrics import Telemetry
from tests.fakes import FakeRegistry, FakeStats, FakeStore, RecordingSink

from .client import SESSION, RestClient, creation
from .conftest import FakeContainer

PATH = f"/v1/sessions/{SESSION}"
ROUTE = "/v1/sessions/{session_id}"


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def container(store: FakeStore) -> FakeContainer:
    container = FakeContainer(store)
    registry = FakeRegistry(store)
    container.__dict__.update(connections=registry, stats=FakeStats(store, registry))
    return container


@pytest.fixture
def sink(container: FakeContainer) -> RecordingSink:
    sink = RecordingSink()
    container.__dict__["sink"] = sink
    container.__dict__["telemetry"] = Telemetry(sink)
    return sink


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[dict[str, Any]]]:
    """What each line says, filled in as they are written."""
    said: list[dict[str, Any]] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append({**log_keys(), **vars(record), "message": record.getMessage()})

    handler = Listening()
    with caplog.at_level(logging.DEBUG, "tickless"):
        logging.getLogger("tickless").addHandler(handler)
        yield said
        logging.getLogger("tickless").removeHandler(handler)


def test_scrape_contains_request_and_store_metrics(
    container: FakeContainer, rest: RestClient
) -> None:
    rest.start_session()
    rest.command("switch")
    rest.command("switch")
    rest.get("/v1/sessions/none")

    answer = rest.get("/metrics")

    assert (answer.status, answer.headers["Content-Type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    found = samples(answer.text)
    requests = "tickless_http_requests_total"
    assert found[requests, ("POST", f"{ROUTE}/switch", "200")] == 2
    assert found[requests, ("GET", ROUTE, "400")] == 1
    assert found["tickless_switch_duration_seconds_count", ("rest",)] == 2
    assert found["tickless_store_up", ()] == 1
    assert {
        labels[0]: number for (name, labels), number in found.items() if name == "tickless_sessions"
    } == {str(status): status is Status.RUNNING for status in Status}
    assert SESSION not in answer.text


def test_scrape_succeeds_while_the_store_is_unavailable(
    container: FakeContainer, rest: RestClient, store: FakeStore
) -> None:
    store.away = True
    rest.get(PATH)

    found = samples(rest.get("/metrics").text)

    assert found["tickless_store_up", ()] == 0
    assert found["tickless_http_requests_total", ("GET", ROUTE, "503")] == 1
    assert not [name for name, _ in found if name in {"tickless_sessions", "tickless_connections"}]


def test_responses_of_chalice_are_counted(rest: RestClient, sink: RecordingSink) -> None:
    rest.call("PUT", PATH)
    rest.post("/v1/sessions", raw=b"{}", headers={"Content-Type": "text/plain"})

    assert dict(sink.counts) == {
        (names.REQUESTS.name, ("PUT", ROUTE, "405")): 1,
        (names.REQUESTS.name, ("POST", "/v1/sessions", "415")): 1,
    }
    assert sink.flushes == 2


def test_refused_switch_is_not_measured(rest: RestClient, sink: RecordingSink) -> None:
    rest.post("/v1/sessions", creation())
    rest.command("switch")

    assert (names.SWITCH_SECONDS.name, ("rest",)) not in sink.observed
    assert sink.observed.keys() >= {(names.REQUEST_SECONDS.name, ("POST", f"{ROUTE}/switch"))}


def test_repeated_switch_is_measured_once(rest: RestClient, sink: RecordingSink) -> None:
    rest.start_session()
    for _ in range(3):
        assert rest.command("switch", headers={"Idempotency-Key": "press"}).status == 200

    assert len(sink.observed[names.SWITCH_SECONDS.name, ("rest",)]) == 1


def test_repeated_and_stateless_responses_log_their_version(
    rest: RestClient, sink: RecordingSink, store: FakeStore, lines: list[dict[str, Any]]
) -> None:
    for _ in range(2):
        rest.post("/v1/sessions", creation(), headers={"Idempotency-Key": "create"})
    assert rest.get(PATH, headers={"If-None-Match": '"1"'}).status == 304
    rest.get(f"{PATH}/events")

    epoch = store.commits[0].session.epoch
    assert [
        (line["session_id"], line["version"], line.get("epoch"), line.get("repeated"))
        for line in lines
        if line["message"] == "request"
    ] == [
        (SESSION, 1, epoch, None),
        (SESSION, 1, epoch, True),
        (SESSION, 1, epoch, None),
        (SESSION, 1, epoch, None),
    ]


def test_each_request_is_one_log_line_with_its_version(
    rest: RestClient, sink: RecordingSink, store: FakeStore, lines: list[dict[str, Any]]
) -> None:
    rest.post("/v1/sessions", creation())
    rest.command("switch")
    rest.get("/health")

    created, refused, probe = lines
    epoch = store.commits[0].session.epoch
    assert (created["message"], created["status"], created["request_id"]) == (
        "request",
        201,
        "request-1",
    )
    assert (created["session_id"], created["epoch"], created["version"]) == (SESSION, epoch, 1)
    assert (refused["route"], refused["status"], refused["code"], refused["session_id"]) == (
        f"{ROUTE}/switch",
        400,
        "INVALID_STATE_TRANSITION",
        SESSION,
    )
    assert (probe["route"], probe["levelname"]) == ("/health", "DEBUG")
    assert created["duration_ms"] > 0


def test_request_refused_before_its_view_logs_its_code(
    rest: RestClient, sink: RecordingSink, lines: list[dict[str, Any]]
) -> None:
    rest.call("PUT", PATH)
    rest.command("start", {}, headers={"Content-Type": "text/plain"})
    rest.post("/v1/sessions", raw=b"{")

    assert [one["code"] for one in lines] == [
        "METHOD_NOT_ALLOWED",
        "UNSUPPORTED_MEDIA_TYPE",
        "MALFORMED_JSON",
    ]


def test_each_function_is_observed_by_its_kind() -> None:
    kinds = [kind for _, kind in tickless.app.middleware_handlers]

    assert kinds == ["http", "http", "websocket", "pure_lambda", "scheduled", "http"]
