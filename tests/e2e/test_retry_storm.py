"""A hundred equal requests at once, over two processes: one effect, a hundred equal answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from tests.servers import RedisProcess
from tests.waiting import HUNG_AFTER_S

from .instances import Instance, instances
from .sessions import a_session

STORM = 100


async def exchange(
    url: str, method: str, path: str, headers: Mapping[str, str], body: object = None
) -> tuple[int, dict[str, str], bytes]:
    """One request over a connection of its own: status, headers, body."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    payload = b"" if body is None else json.dumps(body).encode()
    lines = {
        "Host": host,
        "Content-Type": "application/json",
        "Content-Length": str(len(payload)),
        "Connection": "close",
        **headers,
    }
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + payload)
    raw = await asyncio.wait_for(reader.read(), HUNG_AFTER_S)
    writer.close()
    first, _, content = raw.partition(b"\r\n\r\n")
    status, *named = first.decode("latin-1").split("\r\n")
    found = dict(line.lower().split(": ", 1) for line in named)
    return int(status.split()[1]), found, content


def storm(
    pair: list[Instance], method: str, path: str, headers: Mapping[str, str], body: object = None
) -> set[tuple[int, str | None, bytes]]:
    """The different answers that equal requests get."""

    async def all_at_once() -> set[tuple[int, str | None, bytes]]:
        calls = (
            exchange(pair[number % len(pair)].rest_url, method, path, headers, body)
            for number in range(STORM)
        )
        answers = await asyncio.gather(*calls)
        return {(status, found.get("etag"), content) for status, found, content in answers}

    return asyncio.run(all_at_once())


def test_storm_of_equal_requests_has_one_effect_and_equal_answers(pair: list[Instance]) -> None:
    session = a_session(2)
    path = f"/v1/sessions/{session['session_id']}"

    for version, (method, where, body) in enumerate(
        [
            ("POST", "/v1/sessions", session),
            ("POST", f"{path}/start", None),
            ("POST", f"{path}/switch", {}),
            ("POST", f"{path}/adjust", {**_whom(session), "delta_ms": 5_000}),
            ("POST", f"{path}/pause", None),
        ],
        1,
    ):
        answers = storm(pair, method, where, {"Idempotency-Key": f"{uuid4()}"}, body)

        ((status, tag, content),) = answers
        assert (status, tag) == (201 if version == 1 else 200, f'"{version}"'), content
    _, found, content = asyncio.run(exchange(pair[0].rest_url, "GET", path, {}))
    assert found["etag"] == '"5"'
    used = [one["cycle_count"] for one in json.loads(content)["data"]["participants"]]
    assert sum(used) == 1


def test_one_of_many_requests_for_the_same_version_is_applied(pair: list[Instance]) -> None:
    session = a_session(2)
    path = f"/v1/sessions/{session['session_id']}"
    asyncio.run(exchange(pair[0].rest_url, "POST", "/v1/sessions", {}, session))
    asyncio.run(exchange(pair[0].rest_url, "POST", f"{path}/start", {}))

    async def all_at_once() -> list[int]:
        calls = (
            exchange(pair[n % 2].rest_url, "POST", f"{path}/switch", {"If-Match": '"2"'})
            for n in range(STORM)
        )
        return [status for status, _, _ in await asyncio.gather(*calls)]

    statuses = asyncio.run(all_at_once())

    assert sorted(statuses) == [200] + [412] * (STORM - 1)


def test_storm_of_equal_switches_counts_once_against_the_limit(
    own_valkey: RedisProcess, tmp_path: Path
) -> None:
    limits = {"RATE_LIMIT_GENERAL": "110", "RATE_LIMIT_SWITCH": "1"}
    session = a_session(2)
    path = f"/v1/sessions/{session['session_id']}"
    with instances(2, own_valkey.url, tmp_path, environment=limits) as pair:
        for where, body in (("/v1/sessions", session), (f"{path}/start", {})):
            asyncio.run(exchange(pair[0].rest_url, "POST", where, {}, body))

        answers = storm(pair, "POST", f"{path}/switch", {"Idempotency-Key": f"{uuid4()}"}, {})

        _, left, _ = asyncio.run(exchange(pair[1].rest_url, "GET", path, {}))

    ((status, tag, content),) = answers
    assert (status, tag, left["etag"]) == (200, '"3"', '"3"'), content
    # A hundred and two calls: one was the switch. Less than two drain in a second.
    assert 110 - (STORM + 2) <= int(left["ratelimit-remaining"]) < 110 - STORM // 2


def test_limits_are_shared_by_all_instances(own_valkey: RedisProcess, tmp_path: Path) -> None:
    limits = {"RATE_LIMIT_GENERAL": "30", "RATE_LIMIT_SWITCH": "10"}
    with instances(2, own_valkey.url, tmp_path, environment=limits) as pair:
        path = f"/v1/sessions/{uuid4()}"

        async def all_at_once() -> list[tuple[int, dict[str, str], bytes]]:
            calls = (exchange(pair[n % 2].rest_url, "GET", path, {}) for n in range(60))
            return await asyncio.gather(*calls)

        began_s = time.monotonic()
        answers = asyncio.run(all_at_once())
        took_s = time.monotonic() - began_s

    # One is drained every two seconds.
    passed = [found for status, found, _ in answers if status == 404]
    assert 30 <= len(passed) <= 30 + took_s / 2
    assert {status for status, _, _ in answers} == {404, 429}
    assert min(int(found["ratelimit-remaining"]) for found in passed) == 0


def _whom(session: Mapping[str, object]) -> dict[str, object]:
    participants = session["participants"]
    assert isinstance(participants, list)
    return {"participant_id": participants[0]["participant_id"]}
