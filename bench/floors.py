"""The least a switch could cost the store: its very bytes, without the application.

A switch is two scripts. They are recorded as the store sends them, and sent
again over the same connections with nothing else around them: once to scripts
that do nothing and answer with as many bytes, once to the very scripts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.session_store import RedisStore
from chalicelib.telemetry.tracing import NoTracing

from .sessions import aged

Word = bytes | str | int

# Where the words of a commit have what changes from one to the next: see the
# head of commit.lua. The number of keys is the first word.
_COMMAND, _BASE_VERSION, _VERSION, _BASE_UPDATED_AT = 4, 9, 10, 14


@dataclass(frozen=True, slots=True)
class Exchange:
    """One script: its digest, the words after it, and what came back."""

    digest: str
    words: tuple[Word, ...]
    reply: Any


@dataclass(frozen=True, slots=True)
class Switch:
    """The exchanges of one switch, as the store made them."""

    load: Exchange
    commit: Exchange

    @property
    def exchanged_bytes(self) -> int:
        """Of words and replies, without what the protocol puts around them."""
        return sum(
            _size_bytes(part)
            for exchange in (self.load, self.commit)
            for part in (exchange.words, exchange.reply)
        )


class _Recorder(RedisClient):
    """A client with a memory."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, NoTracing())
        self.exchanges: list[Exchange] = []

    def execute(self, *command: Word) -> Any:
        reply = super().execute(*command)
        if command[0] == "EVALSHA":
            self.exchanges.append(Exchange(str(command[1]), command[2:], reply))
        return reply


def record_switch(redis_url: str, creation: bytes) -> Switch:
    """What a switch of this session, aged, sends and receives; no other client may switch it."""
    session_id = aged(redis_url, creation)
    settings = Settings(redis_url=redis_url)
    recorder = _Recorder(settings)
    engine = SyncEngine(
        CommitLoop(
            RedisStore(recorder, settings.shards),
            session_ttl_ms=settings.session_ttl_seconds * 1000,
        )
    )
    engine.switch_cycle(session_id)
    recorder.close()
    load, commit = recorder.exchanges
    return Switch(load, commit)


def bare_server(redis_url: str) -> RedisClient:
    """The store's way to Redis, as the application sets it up."""
    return RedisClient(Settings(redis_url=redis_url))


@contextmanager
def bare_server_on(redis_url: str) -> Iterator[RedisClient]:
    server = bare_server(redis_url)
    try:
        yield server
    finally:
        server.close()


def emptied(server: RedisClient, exchange: Exchange) -> Exchange:
    """The same bytes both ways, through a script that does nothing."""
    source = f"return {_literal(exchange.reply)}"
    digest = server.execute("SCRIPT", "LOAD", source)
    return Exchange(digest.decode(), exchange.words, exchange.reply)


def _size_bytes(part: Any) -> int:
    if part is None:
        return 0
    if isinstance(part, list | tuple):
        return sum(map(_size_bytes, part))
    return len(part if isinstance(part, bytes) else str(part).encode())


def _literal(reply: Any) -> str:
    if isinstance(reply, list):
        return "{" + ",".join(map(_literal, reply)) + "}"
    if isinstance(reply, bytes):
        return f"'{'x' * len(reply)}'"
    return "false" if reply is None else str(int(reply))


def run(server: RedisClient, exchange: Exchange) -> Any:
    return server.execute("EVALSHA", exchange.digest, *exchange.words)


class Replay:
    """The very scripts of a switch, again and again, and nothing around them."""

    def __init__(self, server: RedisClient, switch: Switch) -> None:
        self._server = server
        self._load = switch.load
        self._commit = switch.commit
        self._versions = count(int(switch.commit.words[_VERSION]))

    def __call__(self) -> None:
        run(self._server, self._load)
        version = next(self._versions)
        words = list(self._commit.words)
        words[_COMMAND] = f"{words[_COMMAND]!s}-{version}"
        words[_BASE_VERSION], words[_VERSION] = version, version + 1
        words[_BASE_UPDATED_AT] = ""
        answer = self._server.execute("EVALSHA", self._commit.digest, *words)
        if answer[0] != b"committed":
            raise AssertionError(f"A replayed commit was answered {answer}")


def to_json(exchanges: list[Exchange]) -> str:
    """For the floor's process."""
    return json.dumps(
        [
            [
                "EVALSHA",
                exchange.digest,
                *(word.decode() if isinstance(word, bytes) else word for word in exchange.words),
            ]
            for exchange in exchanges
        ]
    )
