"""A server falls under a service that runs: what callers, watchers and sweepers notice of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from tests.e2e.client import Client, all_until
from tests.e2e.instances import Answer, Instance, Rest, awaited, instances
from tests.e2e.measurements import report
from tests.e2e.sessions import a_session, agrees
from tests.engine.sweeper.scenarios import expected, start_session, timeouts
from tests.failover import Failover
from tests.fixtures import OpenStore
from tests.servers import eventually
from tickless import CommandError

from .load import audit
from .test_failover import FALLS

pytestmark = pytest.mark.failover

HEARTBEAT_S = 3.0
"""Three of them must outlast a fall: no client is to be taken for silent meanwhile."""

ON_TOP_S = 1.0
"""For the doubt that a heartbeat raises, the answer to it, and two busy cores."""

SESSIONS = 12
"""So many that no event log grows beyond what is kept: sessions of other nodes go on meanwhile."""

WATCHERS = 3
MANY = 100
BACK_WITHIN_S = 5.0
HEARD_AGAIN_WITHIN_S = 7.0
"""Two seconds of quiet, two of silence, and what a busy machine adds."""

REFUSED = (503, "STORE_UNAVAILABLE")


@dataclass
class Answers:
    """What callers were answered: of each command that was carried out the version it made."""

    versions: dict[str, int] = field(default_factory=dict)
    refusals: int = 0
    surprises: list[Any] = field(default_factory=list)

    def take(self, command_id: str, status: int, code: str | None, version: int | None) -> None:
        if status == 200:
            assert version is not None
            self.versions[command_id] = version
        elif (status, code) == REFUSED:
            self.refusals += 1
        else:
            self.surprises.append((status, code))


class Callers:
    """For each session one over REST and one over a socket, at different instances."""

    def __init__(self) -> None:
        self.answers = Answers()
        self.phase = "first"
        self._enough = False
        self._ids = count()

    def stop(self) -> None:
        self._enough = True

    async def more(self, many: int) -> None:
        answers = self.answers
        enough = len(answers.versions) + many
        await awaited(lambda: len(answers.versions) >= enough or answers.surprises, 30)

    async def over_rest(self, url: str, session: dict[str, Any]) -> None:
        async with Rest(url) as rest:
            while not self._enough:
                command_id, args = self._an_adjustment(session)
                answer = await rest.command(session["session_id"], "adjust", **args)
                body = answer.body
                code = body.get("error", {}).get("code")
                version = body["data"]["version"] if answer.status == 200 else None
                self.answers.take(command_id, answer.status, code, version)

    async def over_a_socket(self, client: Client, session: dict[str, Any]) -> None:
        while not self._enough:
            command_id, args = self._an_adjustment(session)
            try:
                version = await client.command("adjust", args)
            except CommandError as error:
                status = 503 if error.outcome == "refused" else 0
                self.answers.take(command_id, status, error.code, None)
            else:
                self.answers.take(command_id, 200, None, version)

    def _an_adjustment(self, session: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        command_id = f"{self.phase}-{next(self._ids)}"
        whose = session["participants"][0]["participant_id"]
        return command_id, {"participant_id": whose, "delta_ms": 1, "reason": command_id}


async def a_fall(
    store: Failover, pair: list[Instance], fall: Callable[[Any], None]
) -> tuple[list[str], Answers, set[str]]:
    """The sessions, what callers got, and what the replica was known to have."""
    sessions = [a_session(3) for _ in range(SESSIONS)]
    ids = [session["session_id"] for session in sessions]
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(Rest(pair[0].rest_url))
        for session in sessions:
            assert (await rest.create(session)).status == 201
            assert (await rest.command(session["session_id"], "start")).status == 200
        watchers = [
            await stack.enter_async_context(Client(pair[at % 2].where, session_id))
            for session_id in ids
            for at in range(WATCHERS)
        ]
        await all_until(watchers, lambda client: client.snapshot, why="welcome message")

        callers = Callers()
        answers = callers.answers
        async with asyncio.TaskGroup() as group:
            for at, session in enumerate(sessions):
                group.create_task(callers.over_rest(pair[at % 2].rest_url, session))
                group.create_task(callers.over_a_socket(watchers[at * WATCHERS], session))
            await callers.more(MANY)
            confirmed = set(answers.versions)
            assert await asyncio.to_thread(store.has_confirmed)
            fell_at = time.monotonic()
            fall(store.doomed)
            await awaited(lambda: answers.refusals or answers.surprises)
            await asyncio.to_thread(store.take_over)
            callers.phase = "second"
            took_over_at = time.monotonic()
            await callers.more(1)
            back_after_s = time.monotonic() - took_over_at
            await callers.more(MANY)
            callers.stop()

        converged_s = 0.0
        for at, session_id in enumerate(ids):
            theirs = watchers[at * WATCHERS : (at + 1) * WATCHERS]
            converged_s = max(converged_s, await until_converged(rest, session_id, theirs))
        assert {client.connections for client in watchers} == {1}, "they stay connected"
        await until_relays_forward(rest, ids[0], watchers[:WATCHERS], fell_at)
        forwarded_again_s = time.monotonic() - fell_at
        report(
            f"{len(answers.versions)} acknowledged, {answers.refusals} refused; took over after"
            f" {took_over_at - fell_at:.2f} s, back {back_after_s:.2f} s later, relays"
            f" {forwarded_again_s:.2f} s after the fall; converged within {converged_s:.2f} s"
        )
    return ids, answers, confirmed


async def answered(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer once there is one: calls that were waiting at the fall may still be refused."""
    async with asyncio.timeout(BACK_WITHIN_S):
        while (answer := await ask()).status == 503:
            await asyncio.sleep(0.05)
    return answer


async def until_converged(rest: Rest, session_id: str, watchers: list[Client]) -> float:
    """Wait until each client shows what GET does; how long that took, in seconds."""
    answer = await answered(lambda: rest.get(session_id))
    began = time.monotonic()

    def like_get(client: Client) -> bool:
        return agrees(client.snapshot, answer)

    await all_until(watchers, like_get, HEARTBEAT_S + ON_TOP_S, "what GET shows")
    return time.monotonic() - began


async def until_relays_forward(
    rest: Rest, session_id: str, watchers: list[Client], fell_at: float
) -> None:
    """Return once an update has reached each connection without being asked for."""
    while True:
        answer = await answered(lambda: rest.command(session_id, "switch"))
        version = answer.data["version"]

        def received(client: Client, version: int = version) -> bool:
            return any(one["version"] == version for one in client.received("STATE_UPDATE"))

        try:
            await all_until(watchers, received, 1.0)
        except* AssertionError:
            assert time.monotonic() < fell_at + HEARD_AGAIN_WITHIN_S
        else:
            return


@pytest.mark.parametrize("fall", FALLS)
def test_calls_fail_briefly_clients_converge_and_timeouts_happen(
    store: Failover, open_store: OpenStore, tmp_path: Path, fall: str
) -> None:
    environment = {
        "REDIS_CLUSTER": "true" if store.is_cluster else "false",
        "HEARTBEAT_INTERVAL_MS": f"{HEARTBEAT_S * 1000:.0f}",
    }
    engine = SyncEngine(
        CommitLoop(open_store(store.url, cluster=store.is_cluster), session_ttl_ms=600_000)
    )
    with instances(2, store.url, tmp_path, environment=environment) as pair:
        swept, started_ms = start_session(engine)
        ids, answers, confirmed = asyncio.run(a_fall(store, pair, FALLS[fall]))
        settled = len(timeouts(store, swept))
        eventually(lambda: len(timeouts(store, swept)) > settled + 1)
        instants = timeouts(store, swept)
        assert instants == expected(started_ms, len(instants))
        found = audit(engine, store, ids)
        for instance in pair:
            assert "Traceback" not in instance.log.read_text()
    assert answers.surprises == []
    assert confirmed <= found.keys()
    later = {one: version for one, version in answers.versions.items() if one.startswith("second")}
    assert later == {one: found[one] for one in later}
