"""The metrics port of a worker: readiness and metrics."""

from __future__ import annotations

from http.client import HTTPConnection

from chalicelib.telemetry import definitions as names
from chalicelib.telemetry.metrics_server import start_metrics_server
from chalicelib.telemetry.prometheus import PrometheusSink
from tests.servers import HOST, free_port
from tests.waiting import HUNG_AFTER_S


def asked(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection(HOST, port, timeout=HUNG_AFTER_S)
    connection.request("GET", path)
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def test_readiness_is_checked_for_each_request() -> None:
    port, ready = free_port(), [False, True]
    start_metrics_server(PrometheusSink(), port, lambda: ready.pop(0))

    assert asked(port, "/ready") == (503, '{"status":"not_ready"}')
    assert asked(port, "/ready?again") == (200, '{"status":"ready"}')


def test_metrics_server_serves_metrics_and_nothing_else() -> None:
    port, sink = free_port(), PrometheusSink()
    sink.count(names.LOST_RACES, (), 3)
    start_metrics_server(sink, port, lambda: True)

    for path in ("/metrics", f"/metrics?name[]={names.LOST_RACES.name}"):
        status, text = asked(port, path)
        assert (status, f"{names.LOST_RACES.name} 3.0" in text) == (200, True)
    assert asked(port, "/v1/sessions")[0] == 404
