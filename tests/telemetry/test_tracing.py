"""Tracing: nothing when off, and the segments that the X-Ray daemon receives when on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chalicelib.broadcast.connections_api.ports import DeliveryStatus, Post
from chalicelib.broadcast.connections_api.traced import TracedConnectionsApi
from chalicelib.telemetry.tracing import NoTracing, open_tracing
from tests.fakes import FakeConnectionsApi
from tests.servers import RedisProcess

from .daemon import daemon

ROOT = Path(__file__).parents[2]

INVOKED = """
import app
from tests.rest.client import SESSION, RestClient
assert RestClient(app.app).get(f"/v1/sessions/{SESSION}").status == 404
"""


def test_disabled_tracing_does_nothing() -> None:
    tracing = open_tracing(False, "tickless")

    assert isinstance(tracing, NoTracing)
    with tracing.span("anything"):
        pass


def test_missing_tracing_sdk_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.startswith("aws_xray_sdk")]:
        monkeypatch.delitem(sys.modules, name)
    # How Python marks what must not be imported.
    monkeypatch.setitem(sys.modules, "aws_xray_sdk", None)
    monkeypatch.setitem(sys.modules, "aws_xray_sdk.core", None)

    assert isinstance(open_tracing(True, "tickless"), NoTracing)
    assert "TRACING is on, but aws-xray-sdk is missing" in caplog.text


@dataclass
class Spans:
    """Tracing that takes down the names."""

    names: list[str] = field(default_factory=list)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        self.names.append(name)
        yield


def test_batches_of_posts_and_closes_are_spans() -> None:
    spans, api = Spans(), FakeConnectionsApi()
    traced = TracedConnectionsApi(api, spans)
    post, done = Post("https://x/dev", "c1", b"1", 0.0), []

    assert traced.post_all([post], 1.0) == [DeliveryStatus.DELIVERED]
    assert traced.delete("https://x/dev", "c2", 1.0) is DeliveryStatus.DELIVERED
    traced.submit_all([post, post], lambda _, outcome: done.append(outcome))
    traced.close(1.0)

    assert spans.names == ["posts", "close"]
    assert (api.sent, api.closed) == ({"c1": [b"1", b"1", b"1"]}, ["c2"])
    assert done == [DeliveryStatus.DELIVERED, DeliveryStatus.DELIVERED]


def test_lambda_invocations_and_store_calls_are_spans(own_valkey: RedisProcess) -> None:
    with daemon() as listening:
        subprocess.run(
            [sys.executable, "-c", INVOKED],
            cwd=ROOT,
            env={
                "PATH": "",
                "REDIS_URL": own_valkey.url,
                "TRACING": "on",
                "AUTH": "off",
                "AWS_LAMBDA_FUNCTION_NAME": "tickless-dev",
                "LAMBDA_TASK_ROOT": str(ROOT),
                "AWS_XRAY_DAEMON_ADDRESS": listening.address,
                "_X_AMZN_TRACE_ID": (
                    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
                ),
            },
            check=True,
        )
        spans = {span["name"]: span for span in listening.subsegments()}

    # X-Ray takes no braces and no hashes in a name.
    (route,) = [name for name in spans if "sessions" in name]
    (redis,) = [name for name in spans if "redis" in name]
    assert spans[redis]["parent_id"] == spans[route]["id"]
    assert spans[route]["annotations"]["code"] == "SESSION_NOT_FOUND"
    assert spans[route]["annotations"]["request_id"] == "request-1"
