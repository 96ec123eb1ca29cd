"""Logs and metrics of a stack: each commit can be traced to its posts, and no secret is logged."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.servers import RedisProcess, eventually, running, valkey_binary
from tests.waiting import HUNG_AFTER_S

from .client import Client, all_until
from .instances import Instance, Rest, instances
from .sessions import a_session

PASSWORD = "open-sesame-4711"
SECRETS = {
    "the store's password": PASSWORD,
    "a credential": "wJalrXUtnFEMI-4712",
    "metadata": "Zugzwang-4713",
    "data of an action": "Zwischenzug-4714",
    "a reason": "Luft-4715",
    "a refused field": "Patzer-4716",
    "a text that is no JSON": "Kiebitz-4717",
}
TELL_ALL = {
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "debug",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": SECRETS["a credential"],
}


async def busy(instance: Instance) -> str:
    """Everything that handles something secret; returns the id of the session."""
    soon = {"type": "notify", "data": SECRETS["data of an action"]}
    session = a_session(2, metadata={"name": SECRETS["metadata"]}, action_on_timeout=soon)
    session["participants"][1]["total_time_ms"] = 3_000
    session_id: str = session["session_id"]
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(Rest(instance.rest_url))
        client = await stack.enter_async_context(Client(instance.where, session_id))
        # A later client would be no part of the first fan-out.
        await client.until(lambda one: one.connection_id, why="connected")
        assert (await rest.create(session)).status == 201
        await rest.command(session_id, "start")
        await rest.command(
            session_id,
            "adjust",
            participant_id=session["participants"][0]["participant_id"],
            delta_ms=1_000,
            reason=SECRETS["a reason"],
        )
        # From here on the clock that runs out is running.
        await rest.command(session_id, "switch")
        wrong = {**session, "sync_mode": SECRETS["a refused field"]}
        assert (await rest.create(wrong)).status == 400
        await all_until([client], lambda one: one.version == 5, why="timed out")
        await client.command("switch")
        # A client that has left by then is posted nothing.
        await client.until(lambda one: one.version == 6, why="switched")
        await client.send(SECRETS["a text that is no JSON"])
        await client.until(lambda one: one.received("ERROR"), why="refused")
    return session_id


def lines_of(instance: Instance) -> list[dict[str, Any]]:
    return [json.loads(line) for line in instance.log.read_text().splitlines()]


def scrape(instance: Instance) -> str:
    host, _, port = instance.rest_url.removeprefix("http://").rpartition(":")
    connection = HTTPConnection(host, int(port), timeout=HUNG_AFTER_S)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert (answer.status, answer.getheader("Content-Type")) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    return text


def value(text: str, name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def of(lines: list[dict[str, Any]], message: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["message"] == message]


def test_logs_and_metrics_cover_every_request_and_contain_no_input(tmp_path: Path) -> None:
    with running(valkey_binary(), tmp_path / "valkey", "--requirepass", PASSWORD) as server:
        url = server.url.replace("redis://", f"redis://:{PASSWORD}@")
        with instances(1, url, tmp_path, environment=TELL_ALL) as (instance,):
            session_id = asyncio.run(busy(instance))
            eventually(lambda: len(of(lines_of(instance), "fan-out")) >= 6)
            text = scrape(instance)
            assert instance.stop() == 0
        lines = lines_of(instance)
    commits_can_be_followed(lines, session_id)
    one_scrape_holds_what_three_processes_counted(text)
    written = instance.log.read_text() + text
    assert {name for name, secret in SECRETS.items() if secret in written} == set()


def commits_can_be_followed(lines: list[dict[str, Any]], session_id: str) -> None:
    made = {
        (line["epoch"], line["version"]): line
        for line in lines
        if line["message"] != "fan-out" and line.get("session_id") == session_id
        if "version" in line
    }
    spread = {(line["epoch"], line["version"]): line for line in of(lines, "fan-out")}
    assert sorted(version for _, version in made) == [1, 2, 3, 4, 5, 6]
    assert made.keys() == spread.keys()
    assert all(line["posts"] == {"delivered": 1} for line in spread.values())
    by_version = {version: line for (_, version), line in made.items()}
    requests = [by_version[version] for version in (1, 2, 3, 4)]
    assert {line["message"] for line in requests} == {"request"}
    assert len({line["request_id"] for line in requests}) == 4
    assert by_version[4]["route"] == "/v1/sessions/{session_id}/switch"
    assert by_version[4]["status"] == 200
    assert by_version[4]["duration_ms"] > 0
    assert (by_version[5]["message"], by_version[5]["lag_ms"] >= 0) == ("timeout", True)
    assert (by_version[6]["message"], by_version[6]["command"]) == ("message", "switch")
    assert {"VALIDATION_ERROR", "INVALID_JSON"} <= {line.get("code") for line in lines}


def one_scrape_holds_what_three_processes_counted(text: str) -> None:
    switch = "/v1/sessions/{session_id}/switch"
    requests = "tickless_http_requests_total"
    assert value(text, requests, route=switch, method="POST", status="200") == 1
    assert value(text, "tickless_switch_duration_seconds_count", transport="rest") == 1
    assert value(text, "tickless_switch_duration_seconds_count", transport="websocket") == 1
    assert value(text, "tickless_socket_messages_total", type="COMMAND", code="OK") == 1
    # The relay's, and the sweeper's.
    assert value(text, "tickless_fan_out_duration_seconds_count") == 6
    assert value(text, "tickless_sweeper_lag_seconds_count") == 1
    assert value(text, "tickless_sessions", status="running") == 1
    assert value(text, "tickless_store_up") == 1


def test_instances_count_separately_and_agree_on_the_store(
    pair: list[Instance], valkey: RedisProcess
) -> None:
    async def create() -> None:
        async with Rest(pair[0].rest_url) as rest:
            assert (await rest.create(a_session())).status == 201

    before = [value(scrape(one), "tickless_http_requests_total") for one in pair]
    asyncio.run(create())
    scrapes = [scrape(one) for one in pair]
    after = [value(text, "tickless_http_requests_total") for text in scrapes]

    # Each also counts the scrape before.
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 1]
    pending = {value(text, "tickless_sessions", status="pending") for text in scrapes}
    assert len(pending) == 1
    assert pending.pop() >= 1
