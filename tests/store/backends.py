"""The stores that the contract suite runs on, with access to what they contain."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis

from chalicelib.ports import DeadlineIndex, SessionStore
from chalicelib.store.codec import encode_event
from chalicelib.store.keys import SessionKeys
from tests.fakes import FakeDeadlines, FakeStore
from tests.servers import eventually


class Place(Protocol):
    """What a test may see that the application doesn't."""

    @property
    def store(self) -> SessionStore: ...

    @property
    def deadlines(self) -> DeadlineIndex: ...

    def lose(self, session_id: str) -> None:
        """Forget a session, but not its entry in the index, as an eviction does."""

    def misplace(self, session_id: str, deadline_ms: int) -> None:
        """Have the index, and it alone, say this of a session."""

    def deadline_ms(self, session_id: str) -> int | None: ...

    def expires_at_ms(self, session_id: str) -> int | None: ...

    def log(self, session_id: str) -> list[tuple[int, dict[str, Any]]]: ...

    def published(self, session_id: str) -> list[bytes]:
        """The messages published for this session so far."""

    def wait_until(self, now_ms: int) -> None: ...


@dataclass
class Memory:
    store: FakeStore = field(default_factory=FakeStore)

    @property
    def deadlines(self) -> DeadlineIndex:
        return FakeDeadlines(self.store)

    def lose(self, session_id: str) -> None:
        self.store.lose(session_id)

    def misplace(self, session_id: str, deadline_ms: int) -> None:
        self.store.deadlines[session_id] = deadline_ms

    def deadline_ms(self, session_id: str) -> int | None:
        return self.store.deadlines.get(session_id)

    def expires_at_ms(self, session_id: str) -> int | None:
        return self.store.expires_at_ms(session_id)

    def log(self, session_id: str) -> list[tuple[int, dict[str, Any]]]:
        return [
            (version, json.loads(encode_event(event)))
            for version, event in self.store.events(session_id)
        ]

    def published(self, session_id: str) -> list[bytes]:
        return [
            message for published_id, message in self.store.published if published_id == session_id
        ]

    def wait_until(self, now_ms: int) -> None:
        self.store.advance(max(0, now_ms - self.store.clock_ms))


class RealRedis:
    """A server seen through a second client, which listens from the beginning."""

    def __init__(
        self,
        store: SessionStore,
        deadlines: DeadlineIndex,
        client: Any,
        listener: redis.Redis,
    ) -> None:
        self.store = store
        self.deadlines = deadlines
        self._client = client
        self._messages: list[tuple[str, bytes]] = []
        self._listening = listener.pubsub()  # type: ignore[no-untyped-call]
        self._listening.psubscribe("updates:*")
        self._listening.get_message(timeout=1)

    def close(self) -> None:
        self._listening.close()

    def deadline_ms(self, session_id: str) -> int | None:
        score = self._client.zscore(_keys(session_id).deadlines, session_id)
        return None if score is None else int(score)

    def lose(self, session_id: str) -> None:
        self._client.unlink(_keys(session_id).session)

    def misplace(self, session_id: str, deadline_ms: int) -> None:
        self._client.zadd(_keys(session_id).deadlines, {session_id: deadline_ms})

    def expires_at_ms(self, session_id: str) -> int | None:
        session = self._client.pexpiretime(_keys(session_id).session)
        events = self._client.pexpiretime(_keys(session_id).events)
        # A session without events has no stream; otherwise both go together.
        assert events in (-2, session)
        return session if session > 0 else None

    def log(self, session_id: str) -> list[tuple[int, dict[str, Any]]]:
        return [
            (int(entry[b"version"]), json.loads(entry[b"event"]))
            for _, entry in self._client.xrange(_keys(session_id).events)
        ]

    def published(self, session_id: str) -> list[bytes]:
        channel = _keys(session_id).updates
        # Messages keep their order, so whatever came before this has arrived with it.
        self._client.publish(channel, b"that was all")
        eventually(lambda: self._receive() == (channel, b"that was all"))
        self._messages.remove((channel, b"that was all"))
        return [message for published_on, message in self._messages if published_on == channel]

    def wait_until(self, now_ms: int) -> None:
        eventually(lambda: self.store.now_ms() >= now_ms)

    def _receive(self) -> tuple[str, bytes] | None:
        message = self._listening.get_message(timeout=1)
        if message is None or message["type"] != "pmessage":
            return None
        self._messages.append((message["channel"].decode(), message["data"]))
        return self._messages[-1]


def _keys(session_id: str) -> SessionKeys:
    return SessionKeys.of(session_id, shards=16)
