"""An idle sweep takes no more than docs/deploying.md charges for."""

from __future__ import annotations

import time

import pytest

from chalicelib.container import Container
from chalicelib.settings import Settings
from tests.servers import RedisProcess
from tests.waiting import Bound

from .costs import SWEEP_KB, SWEEP_LOG_KB, SWEEP_SECONDS, SWEEP_UNITS

SHARE_OF_CPU = 256 / 1769
"""Lambda gives a whole CPU to 1,769 MB."""

LAMBDA_LINES_KB = 0.3
TLS_KB = 3
"""A handshake with the subscription's connection, and what TLS adds to each request."""


def test_idle_sweep_takes_no_more_than_its_cost_assumes(
    own_valkey: RedisProcess, capsys: pytest.CaptureFixture[str], bound: Bound
) -> None:
    container = Container(
        Settings(redis_url=own_valkey.url, metrics="emf", service="tickless-prod")
    )
    # The first one loads the scripts, and imports.
    container.sweep(75_000)
    container.telemetry.flush()
    capsys.readouterr()
    with own_valkey.admin() as admin:
        before, began_s, cpu_s = admin.info("stats"), time.perf_counter(), time.process_time()
        container.sweep(75_000)
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        after = admin.info("stats")
    container.telemetry.flush()
    container.close(0)

    written_kb = len(capsys.readouterr().out) / 1000
    sent_kb = (after["total_net_input_bytes"] - before["total_net_input_bytes"]) / 1000
    commands = after["total_commands_processed"] - before["total_commands_processed"]
    assert max(took_s, cpu_s / SHARE_OF_CPU) < bound(float(SWEEP_SECONDS))
    assert 0 < sent_kb + TLS_KB < SWEEP_KB
    assert 32 < commands < SWEEP_UNITS
    assert 0 < written_kb + LAMBDA_LINES_KB == pytest.approx(float(SWEEP_LOG_KB), rel=0.1)
