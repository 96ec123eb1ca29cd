"""@connections as a server that responds as a test says, and checks every signature.

It answers 200 unless a test says otherwise for a connection. Signatures are
recomputed with botocore's own signer: a wrong one is answered 403, as AWS does.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Condition, Thread
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from chalicelib.broadcast.connections_api import Credentials
from tests.waiting import HUNG_AFTER_S

HOST = "127.0.0.1"
REGION = "eu-west-1"
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SIGNED_WITHIN_S = 300

HANG = "hang"
"""No answer, until the test lets go."""
CUT = "cut"
"""The connection is closed instead of an answer."""
CUT_SHORT = "cut short"
"""The same in the midst of an answer."""
LAST = "last"
"""200, after which the connection is closed without a word in the header."""

Answer = int | str


@dataclass(frozen=True)
class Received:
    """A request, as it came over the wire; ``socket`` counts the connections it came over."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    socket: int

    @property
    def connection_id(self) -> str:
        return unquote(self.path.rpartition("/")[2])


def signature_of(request: Received, scheme: str, credentials: Credentials, region: str) -> str:
    """The Authorization header that botocore's signer would have given this request.

    Which headers are signed, and when, is taken from the request.
    """
    headers = request.headers
    named = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    again = AWSRequest(
        method=request.method,
        url=f"{scheme}://{headers['host']}{request.path}",
        data=request.body,
        headers={name: headers[name] for name in named.split(";")},
    )
    again.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(BotocoreCredentials(*credentials), "execute-api", region)
    canonical_request = signer.canonical_request(again)
    signature = signer.signature(signer.string_to_sign(again, canonical_request), again)
    return (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(again)}, "
        f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(again))}, "
        f"Signature={signature}"
    )


def is_well_signed(request: Received, scheme: str, credentials: Credentials, region: str) -> bool:
    headers = request.headers
    must_be_signed = {"host", "x-amz-date"}
    if credentials.session_token:
        must_be_signed.add("x-amz-security-token")
        if headers.get("x-amz-security-token") != credentials.session_token:
            return False
    if not must_be_signed <= headers.keys() or "authorization" not in headers:
        return False
    named = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    signed_at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return (
        must_be_signed <= set(named.split(";"))
        and abs((datetime.now(UTC) - signed_at).total_seconds()) < SIGNED_WITHIN_S
        and signature_of(request, scheme, credentials, region) == headers["authorization"]
    )


class Stub:
    """Runs on a thread of its own between ``open`` and ``close``."""

    def __init__(self, credentials: Credentials, region: str = REGION) -> None:
        self.credentials = credentials
        self.region = region
        self.port = 0
        self._script: dict[str, deque[Answer]] = defaultdict(deque)
        self._received: list[Received] = []
        self._unheard: list[Received] = []
        self._changed = Condition()
        self._sockets = 0
        self._deaf_below = 0
        self._loop = asyncio.new_event_loop()
        self._let_go: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._stop = asyncio.Event()
        self._thread = Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}/dev"

    def open(self) -> None:
        with self._changed:
            self._thread.start()
            assert self._changed.wait_for(lambda: self.port, HUNG_AFTER_S)

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(HUNG_AFTER_S)
        self._loop.close()

    def respond(self, connection_id: str, *answers: Answer) -> None:
        """Have the next requests for a connection answered so, those after them 200."""
        self._script[connection_id].extend(answers)

    def let_go(self, connection_id: str) -> None:
        """Answer 200 to what hangs."""
        self._loop.call_soon_threadsafe(self._let_go[connection_id].set)

    def forget_sockets(self) -> None:
        """From now on, read nothing from the connections open so far, and don't close them."""
        with self._changed:
            self._deaf_below = self._sockets

    @property
    def received(self) -> list[Received]:
        with self._changed:
            return list(self._received)

    @property
    def unheard(self) -> list[Received]:
        """What came over connections that had been forgotten."""
        with self._changed:
            return list(self._unheard)

    def bodies(self, connection_id: str) -> list[bytes]:
        return [one.body for one in self.received if one.connection_id == connection_id]

    def wait_until(self, holds: Callable[[list[Received]], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self._received), HUNG_AFTER_S), (
                self._received
            )

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, HOST, 0, backlog=1024)
        with self._changed:
            self.port = server.sockets[0].getsockname()[1]
            self._changed.notify_all()
        await self._stop.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._changed:
            socket = self._sockets
            self._sockets += 1
        try:
            # Cancelled when the stub is closed.
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._one_request(reader, writer, socket):
                    pass
        finally:
            writer.transport.abort()

    async def _one_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: int
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:-2])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Received(method, path, headers, body, socket)
        if socket < self._deaf_below:
            with self._changed:
                self._unheard.append(request)
            await self._stop.wait()
        signed = is_well_signed(request, "http", self.credentials, self.region)
        script = self._script[request.connection_id]
        answer: Answer = HTTPStatus.OK
        if not signed:
            answer = HTTPStatus.FORBIDDEN
        elif script:
            answer = script.popleft()
        with self._changed:
            self._received.append(request)
            self._changed.notify_all()
        if answer == HANG:
            await self._let_go[request.connection_id].wait()
            answer = HTTPStatus.OK
        if answer == CUT:
            return False
        if answer == CUT_SHORT:
            writer.write(b"HTTP/1.1 ")
            await writer.drain()
            writer.close()
            return False
        status = HTTPStatus.OK if answer == LAST else HTTPStatus(int(answer))
        writer.write(_as_bytes(status))
        await writer.drain()
        if answer == LAST:
            writer.close()
        return answer != LAST


ERRORS = {
    403: "ForbiddenException",
    410: "GoneException",
    413: "PayloadTooLargeException",
    429: "LimitExceededException",
}


def _as_bytes(status: HTTPStatus) -> bytes:
    if status == HTTPStatus.NO_CONTENT:
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    body = b"" if status in (200, 410) else b'{"message":"%d"}' % status
    error = f"x-amzn-ErrorType: {ERRORS.get(status, 'Exception')}\r\n" if status >= 400 else ""
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\n{error}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
