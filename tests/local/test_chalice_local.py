"""`chalice local`, Chalice's own development server, serves REST with a Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.servers import RedisProcess, eventually, free_port
from tests.waiting import HUNG_AFTER_S

ROOT = Path(__file__).parents[2]
CHALICE = Path(sys.executable).with_name("chalice")


@pytest.fixture
def url(valkey: RedisProcess, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    log = (tmp_path / "log").open("wb")
    served = subprocess.Popen(
        [str(CHALICE), "local", "--port", str(port), "--no-autoreload"],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": valkey.url, "AWS_DEFAULT_REGION": "us-east-1"},
        stdout=log,
        stderr=log,
    )
    try:
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert served.poll() is None, (tmp_path / "log").read_text()
            try:
                return httpx.get(f"{url}/health").status_code == 200
            except httpx.TransportError:
                return False

        eventually(answers, every_s=0.1)
        yield url
    finally:
        served.terminate()
        served.wait(HUNG_AFTER_S)
        log.close()


def creation() -> dict[str, object]:
    people = [{"participant_id": str(uuid4()), "total_time_ms": 60_000} for _ in range(2)]
    return {
        "session_id": str(uuid4()),
        "sync_mode": "per_participant",
        "total_time_ms": 60_000,
        "participants": people,
    }


def test_session_is_created_started_and_switched(url: str) -> None:
    session = creation()
    path = f"{url}/v1/sessions/{session['session_id']}"
    created = httpx.post(f"{url}/v1/sessions", json=session)
    started = httpx.post(f"{path}/start")
    switched = httpx.post(f"{path}/switch")

    assert (created.status_code, started.status_code, switched.status_code) == (201, 200, 200)
    first = started.json()["data"]["active_participant_id"]
    assert switched.json()["data"]["active_participant_id"] not in (None, first)
    refused = httpx.post(f"{path}/resume")
    assert (refused.status_code, refused.json()["error"]["code"]) == (
        400,
        "INVALID_STATE_TRANSITION",
    )


def test_idempotency_keys_and_conditions_are_honoured(url: str) -> None:
    session = creation()
    path = f"{url}/v1/sessions/{session['session_id']}"
    httpx.post(f"{url}/v1/sessions", json=session)
    asked = {"Idempotency-Key": "a", "If-Match": '"1"'}
    first, again = (httpx.post(f"{path}/start", headers=asked) for _ in range(2))

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert httpx.get(path, headers={"If-None-Match": '"2"'}).status_code == 304
    assert httpx.post(f"{path}/switch", headers={"If-Match": '"1"'}).status_code == 412
