"""The metrics port of a worker, or the reason why it has none."""

from __future__ import annotations

import os
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.servers import HOST, RedisProcess, eventually, free_port
from tests.waiting import HUNG_AFTER_S

ROOT = Path(__file__).parents[2]


def sweeper(url: str, port: int, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "chalicelib.workers.sweeper", "--while-parent"),
            *("--metrics-port", str(port)),
        ],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": url, "BROADCAST": "relay", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_worker_serves_its_metrics_on_its_own_port(valkey: RedisProcess) -> None:
    port = free_port()
    with sweeper(valkey.url, port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        connection = HTTPConnection(HOST, port, timeout=HUNG_AFTER_S)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        process.terminate()
        process.communicate()

    families = {family.name for family in text_string_to_metric_families(text)}
    assert "tickless_sweeper_lag_seconds" in families
    assert "process_cpu_seconds" in families
    assert process.returncode == 0


def ready(port: int) -> int:
    connection = HTTPConnection(HOST, port, timeout=HUNG_AFTER_S)
    connection.request("GET", "/ready")
    status = connection.getresponse().status
    connection.close()
    return status


def test_worker_is_ready_while_the_store_is_available(own_valkey: RedisProcess) -> None:
    port = free_port()
    with sweeper(own_valkey.url, port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        assert ready(port) == 200

        own_valkey.kill()
        eventually(lambda: ready(port) == 503)

        own_valkey.start()
        eventually(lambda: ready(port) == 200)
        process.terminate()
        process.communicate()


def test_metrics_port_that_is_taken_or_without_prometheus_is_refused(valkey: RedisProcess) -> None:
    with sweeper(valkey.url, free_port(), METRICS="emf") as process:
        _, said = process.communicate()
        assert (process.returncode, said) == (
            1,
            "sweeper: --metrics-port requires METRICS=prometheus\n",
        )
    with sweeper(valkey.url, valkey.port) as process:
        _, said = process.communicate()
        assert process.returncode == 1
        assert said.startswith(f"sweeper: --metrics-port {valkey.port}: ")
