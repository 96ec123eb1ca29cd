"""Clients of a WebSocket API: many connections in a process of their own, on one thread.

It shares two cores with what it measures, so it must cost next to nothing: raw
sockets, and of a message only the version is read. Its times are those of
CLOCK_MONOTONIC, which all processes of a machine have in common, so what one
process has sent and another has received can be subtracted.

A group that follows its session answers an update that fits no client as clients do:
with a RECONNECT, for the pages of the whole state (docs/protocol.md).

Owns connections and the times at which something arrived. Must never judge.
"""

from __future__ import annotations

import multiprocessing
import re
import selectors
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .http_client import HOST, PATIENCE_SECONDS

AT_ONCE = 32
"""So many handshakes are under way at the same time."""

AGAIN_AFTER_SECONDS = 0.02
_READ_BYTES = 64 * 1024
_TEXT, _CLOSE = 1, 8
_BEGINS = b'{"type":"STATE_UPDATE"'
_VERSION = re.compile(rb'"version":(\d+)')
_SYNC_BEGINS = b'{"type":"STATE_SYNC"'
_STATE = b'"state":'
_PAGES = re.compile(rb'"pages":(\d+)}$')
_BASE_VERSION = re.compile(rb'"partial":true,"baseVersion":(\d+)')
_TAIL_BYTES = 256
_RECONNECT = b'{"type":"RECONNECT"}'
_ASK_AGAIN_AFTER_NS = 2_000_000_000
"""Rule 7 of the protocol."""
_LOOK_AGAIN_SECONDS = 0.1
_TRY_LATER = (b"429", b"503")


class WatchersFailed(Exception):
    """They were refused, lost a connection, or waited in vain."""


class Opened(NamedTuple):
    """How opening connections went."""

    seconds: float
    latencies_ms: list[float]
    """From the connection's beginning to its 101."""
    throttled: int
    """Handshakes that were answered "later", and repeated."""


def update(version: int, size_bytes: int) -> bytes:
    """A message of this size that is recognised by its version, as a STATE_UPDATE is."""
    head = b'%s,"version":%d,"state":"' % (_BEGINS, version)
    return head + b"x" * (size_bytes - len(head) - 2) + b'"}'


def version_of(message: bytes) -> int | None:
    """Of an update; ``None`` of any other message."""
    if not message.startswith(_BEGINS):
        return None
    found = _VERSION.search(message)
    return int(found[1]) if found else None


def _fits_no_client(update: bytes, version: int) -> bool:
    """Whether it is a difference to the version that it makes itself."""
    found = _BASE_VERSION.search(update, max(0, len(update) - _TAIL_BYTES))
    return found is not None and int(found[1]) == version


def frame(text: bytes) -> bytes:
    """A whole message from a client, under a mask of zeros, which changes nothing."""
    size = len(text)
    if size < 126:
        return bytes((0x81, 0x80 | size)) + b"\0\0\0\0" + text
    return b"\x81\xfe" + size.to_bytes(2, "big") + b"\0\0\0\0" + text


def messages(received: bytes) -> tuple[list[bytes], bytes]:
    """The texts of all whole frames, none of them fragmented, and what is left over.

    Raises:
        WatchersFailed: The server closes the connection.
    """
    texts = []
    at = 0
    while len(received) >= at + 2:
        size, begins = received[at + 1], at + 2
        if size >= 126:
            begins += 2 if size == 126 else 8
            size = int.from_bytes(received[at + 2 : begins], "big")
        if len(received) < begins + size:
            break
        kind = received[at] & 15
        if kind == _CLOSE:
            raise WatchersFailed(f"Closed: {received[begins : begins + size]!r}")
        if kind == _TEXT:
            texts.append(received[begins : begins + size])
        at = begins + size
    return texts, received[at:]


class Watchers:
    """The process, seen from the one that measures. Groups are connections opened together."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def open(self, group: str, url: str, count: int) -> Opened:
        opened: Opened = self._ask(_Process.open, group, url, count)
        return opened

    def close(self, group: str) -> None:
        self._ask(_Process.close, group)

    def send(self, group: str, text: bytes) -> None:
        """Each client of the group sends this."""
        self._ask(_Process.send, group, text)

    def replies(self, group: str, count: int) -> list[list[bytes]]:
        """What each has received since it last sent something, without updates and pages.

        Returns once each has received ``count`` messages.
        """
        replies: list[list[bytes]] = self._ask(_Process.replies, group, count)
        return replies

    def arrivals_ns(self, group: str, version: int) -> list[int]:
        """When, in CLOCK_MONOTONIC's nanoseconds, each had this update, earliest first."""
        arrivals_ns: list[int] = self._ask(_Process.arrivals_ns, group, version)
        return arrivals_ns

    def follow(self, group: str) -> None:
        """From now on, each client of the group asks for the pages where it needs them."""
        self._ask(_Process.follow, group)

    def shown_ns(self, group: str, version: int, within_seconds: float) -> list[int]:
        """When each had all of the session at this version, earliest first.

        That is with the update, or with the last page of the state that it makes a client ask for.
        Clients that do not have it in time are left out.
        """
        shown_ns: list[int] = self._ask(_Process.shown_ns, group, version, within_seconds)
        return shown_ns

    def echo(self, group: str, texts: Sequence[bytes]) -> list[float]:
        """The milliseconds from sending each to receiving it, by the first of the group."""
        latencies_ms: list[float] = self._ask(_Process.echo, group, texts)
        return latencies_ms

    def _ask(self, what: Any, *arguments: Any) -> Any:
        self._pipe.send((what.__name__, arguments))
        if not self._pipe.poll(6 * PATIENCE_SECONDS):
            raise WatchersFailed("No word from them")
        answer = self._pipe.recv()
        if isinstance(answer, WatchersFailed):
            raise answer
        return answer


@contextmanager
def watching() -> Iterator[Watchers]:
    """Watchers that end with the block, or with this process."""
    # Spawned, not forked: a process of its own in every respect.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process: BaseProcess = context.Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Watchers(ours)
    finally:
        ours.close()
        process.join(2)
        if process.is_alive():
            process.kill()
            process.join()


# In the process


@dataclass(slots=True, eq=False)
class _Client:
    group: str
    address: tuple[str, int]
    request: bytes
    socket: socket.socket
    began_ns: int
    received: bytes = b""
    is_open: bool = False
    replies: list[bytes] = field(default_factory=list)
    asked_ns: int | None = None
    """When it last asked for pages that it does not have yet."""
    pages: Counter[bytes] = field(default_factory=Counter)
    """How many of a response it has; by the beginning that they have in common."""

    def ask_for_pages(self, now_ns: int) -> None:
        self.asked_ns = now_ns
        self.socket.send(frame(_RECONNECT))


@dataclass(slots=True)
class _Process:
    pipe: Pipe
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    groups: dict[str, list[_Client]] = field(default_factory=lambda: defaultdict(list))
    arrivals: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    shown: dict[tuple[str, int], dict[_Client, int]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    following: set[str] = field(default_factory=set)
    opened_ms: list[float] = field(default_factory=list)
    throttled: int = 0

    def run(self) -> None:
        """Carry out what is asked for, until standard input ends."""
        self.selector.register(self.pipe, selectors.EVENT_READ)
        failure: Exception | None = None
        while True:
            try:
                self._turn()
            except (WatchersFailed, OSError) as error:
                # The next command reports it.
                failure = error
            while self.pipe.poll():
                try:
                    name, arguments = self.pipe.recv()
                except (EOFError, OSError):
                    return
                try:
                    if failure is not None:
                        raise failure
                    self.pipe.send(getattr(self, name)(*arguments))
                except (WatchersFailed, OSError) as error:
                    self.pipe.send(WatchersFailed(f"{name}: {error}"))

    def open(self, group: str, url: str, count: int) -> Opened:
        began = time.monotonic()
        self.opened_ms, self.throttled = [], 0
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = (
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
        address = (parts.hostname or HOST, parts.port or 80)
        started = 0

        def go_on() -> bool:
            nonlocal started
            while started < count and started - len(self.opened_ms) < AT_ONCE:
                self._connect(group, address, request)
                started += 1
            return len(self.opened_ms) >= count

        self._until(go_on)
        return Opened(time.monotonic() - began, self.opened_ms, self.throttled)

    def close(self, group: str) -> None:
        for client in self.groups.pop(group, ()):
            self._drop(client)

    def send(self, group: str, text: bytes) -> None:
        for client in self.groups[group]:
            client.replies.clear()
            client.socket.send(frame(text))

    def replies(self, group: str, count: int) -> list[list[bytes]]:
        clients = self.groups[group]
        self._until(lambda: all(len(client.replies) >= count for client in clients))
        return [client.replies for client in clients]

    def arrivals_ns(self, group: str, version: int) -> list[int]:
        expected = len(self.groups[group])
        arrived = self.arrivals[group, version]
        self._until(lambda: len(arrived) >= expected)
        return self.arrivals.pop((group, version))

    def follow(self, group: str) -> None:
        self.following.add(group)

    def shown_ns(self, group: str, version: int, within_seconds: float) -> list[int]:
        clients = self.groups[group]
        shown = self.shown[group, version]
        give_up_at_ns = time.monotonic_ns() + int(within_seconds * 1e9)
        while len(shown) < len(clients) and (now_ns := time.monotonic_ns()) < give_up_at_ns:
            for client in clients:
                if client.asked_ns is not None and now_ns - client.asked_ns > _ASK_AGAIN_AFTER_NS:
                    client.ask_for_pages(now_ns)
            self._turn(_LOOK_AGAIN_SECONDS)
        return sorted(self.shown.pop((group, version)).values())

    def echo(self, group: str, texts: Sequence[bytes]) -> list[float]:
        latencies_ms = []
        client = self.groups[group][0]
        for text in texts:
            said, version = frame(text), version_of(text)
            assert version is not None
            arrived = self.arrivals[group, version]
            sent_ns = time.monotonic_ns()
            client.socket.send(said)
            self._until(arrived.__len__)
            latencies_ms.append((arrived[0] - sent_ns) / 1e6)
            del self.arrivals[group, version]
        return latencies_ms

    # Sockets

    def _connect(self, group: str, address: tuple[str, int], request: bytes) -> None:
        began_ns = time.monotonic_ns()
        connection = socket.create_connection(address, PATIENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        client = _Client(group, address, request, connection, began_ns)
        self.groups[group].append(client)
        self.selector.register(connection, selectors.EVENT_READ, client)
        connection.send(request)

    def _until(self, done: Callable[[], object]) -> None:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not done():
            if time.monotonic() > give_up_at:
                raise WatchersFailed(f"Nothing more came within {PATIENCE_SECONDS} s")
            if self._turn(PATIENCE_SECONDS):
                give_up_at = time.monotonic() + PATIENCE_SECONDS

    def _turn(self, within_seconds: float | None = None) -> bool:
        ready = self.selector.select(within_seconds)
        for key, _ in ready:
            client = key.data
            if client is not None:
                self._read(client)
        return bool(ready)

    def _read(self, client: _Client) -> None:
        arrived = client.socket.recv(_READ_BYTES)
        now_ns = time.monotonic_ns()
        if not arrived:
            self._drop(client)
            raise WatchersFailed(f"The server hung up, after {client.received[:200]!r}")
        received = client.received + arrived if client.received else arrived
        if not client.is_open:
            head, blank, received = received.partition(b"\r\n\r\n")
            if not blank:
                client.received = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._refused(client, head)
                return
            client.is_open = True
            self.opened_ms.append((now_ns - client.began_ns) / 1e6)
        texts, client.received = messages(received)
        for text in texts:
            self._take(client, text, now_ns)

    def _take(self, client: _Client, text: bytes, now_ns: int) -> None:
        version = version_of(text)
        if version is not None:
            self.arrivals[client.group, version].append(now_ns)
            if _fits_no_client(text, version):
                if client.group in self.following:
                    client.ask_for_pages(now_ns)
            else:
                self.shown[client.group, version].setdefault(client, now_ns)
            return
        found = _PAGES.search(text, max(0, len(text) - _TAIL_BYTES))
        if found is None or not text.startswith(_SYNC_BEGINS):
            client.replies.append(text)
            return
        response = text[: text.index(_STATE)]
        client.pages[response] += 1
        if client.pages[response] == int(found[1]):
            client.asked_ns = None
            client.pages.clear()
            (shown,) = _VERSION.findall(response)
            self.shown[client.group, int(shown)].setdefault(client, now_ns)

    def _refused(self, client: _Client, head: bytes) -> None:
        self._drop(client)
        self.groups[client.group].remove(client)
        if head[9:12] not in _TRY_LATER:
            raise WatchersFailed(head.decode("latin-1"))
        # All wait, even those that would be refused.
        self.throttled += 1
        time.sleep(AGAIN_AFTER_SECONDS)
        self._connect(client.group, client.address, client.request)

    def _drop(self, client: _Client) -> None:
        if client.socket.fileno() >= 0:
            self.selector.unregister(client.socket)
            client.socket.close()


def _work(pipe: Pipe) -> None:
    _Process(pipe).run()
