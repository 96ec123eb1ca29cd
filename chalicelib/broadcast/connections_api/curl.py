"""libcurl transport: many kept-alive connections on one thread.

Importing this module requires pycurl. A request costs a signature and three options
on a reused handle; response headers and bodies never reach Python.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path

import pycurl
from pycurl import HTTPHEADER, POLL_NONE, POLL_REMOVE, POSTFIELDS, RESPONSE_CODE, URL

from .credentials import CurrentCredentials
from .poller import READ, Poller, new_poller
from .ports import Post, TransportLimits
from .queue import NO_ANSWER, Queued
from .sigv4 import SignedEndpoint

IDLE_CONNECTIONS_USED_FOR_S = 50
"""A connection idle for longer is replaced.

The peer may have dropped it silently, above all while a Lambda was frozen.
"""

ALWAYS = ["Accept:", "Expect:", "Content-Type:"]
"""Removes libcurl's default headers, which boto3 doesn't send either."""


NewEndpoint = Callable[[str, str, CurrentCredentials], SignedEndpoint]


class CurlTransport:
    """A :class:`~.client.Transport` on one CurlMulti.

    ``ca_bundle`` is a file of certificates to trust; the default is boto3's.
    """

    def __init__(
        self,
        region: str,
        credentials: CurrentCredentials,
        limits: TransportLimits,
        ca_bundle: Path | None = None,
        new_poller: Callable[[], Poller] = new_poller,
        new_endpoint: NewEndpoint = SignedEndpoint,
    ) -> None:
        self._region = region
        self._credentials = credentials
        self._limits = limits
        self._ca_bundle = ca_bundle or botocores_ca_bundle()
        self._new_endpoint = new_endpoint
        self._endpoints: dict[str, SignedEndpoint] = {}
        self._idle: list[pycurl.Curl] = []
        self._under_way: dict[pycurl.Curl, Queued] = {}
        self._poller = new_poller()
        self._wake_up, self._wake_up_call = socket.socketpair()
        self._wake_up.setblocking(False)
        self._wake_up_call.setblocking(False)
        self._poller.register(self._wake_up.fileno(), READ)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_MAXCONNECTS, limits.in_flight)

    def start(self, queued: Queued) -> None:
        request = queued.request
        endpoint = self._endpoints.get(request.endpoint)
        if endpoint is None:
            endpoint = self._endpoints[request.endpoint] = self._new_endpoint(
                request.endpoint, self._region, self._credentials
            )
        if isinstance(request, Post):
            method, data = "POST", request.data
        else:
            method, data = "DELETE", b""
        url, headers = endpoint.sign(method, request.connection_id, data)
        easy = self._idle.pop() if self._idle else self._new_easy()
        easy.setopt(URL, url)
        easy.setopt(HTTPHEADER, ALWAYS + headers)
        easy.setopt(POSTFIELDS, data)
        if method == "DELETE":
            easy.setopt(pycurl.CUSTOMREQUEST, method)
        if queued.failures:
            # If one idle connection was dead, the next may be too.
            easy.setopt(pycurl.FRESH_CONNECT, 1)
        self._multi.add_handle(easy)
        self._under_way[easy] = queued

    def wait(self, within_s: float) -> list[tuple[Queued, int]]:
        multi = self._multi
        answers: list[tuple[Queued, int]] = []
        # Also starts the handles added since the last call.
        multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._take_answers(answers)
        if answers:
            within_s = 0.0
        else:
            timeout_ms = multi.timeout()
            if 0 <= timeout_ms < within_s * 1000:
                within_s = timeout_ms / 1000
        wake_up = self._wake_up.fileno()
        for fd, ready in self._poller.wait(within_s):
            if fd == wake_up:
                with suppress(BlockingIOError):
                    self._wake_up.recv(4096)
            else:
                multi.socket_action(fd, ready)
        self._take_answers(answers)
        return answers

    def wake(self) -> None:
        # A full buffer already holds a pending wake-up.
        with suppress(BlockingIOError):
            self._wake_up_call.send(b"!")

    def close(self, within_s: float) -> None:
        for easy in self._under_way:
            self._multi.remove_handle(easy)
        self._multi.close()
        for easy in (*self._under_way, *self._idle):
            easy.close()
        self._under_way.clear()
        self._idle.clear()
        self._poller.close()
        self._wake_up.close()
        self._wake_up_call.close()

    def _take_answers(self, answers: list[tuple[Queued, int]]) -> None:
        more = 1
        while more:
            more, succeeded, failed = self._multi.info_read()
            answers.extend((self._finish(easy), easy.getinfo(RESPONSE_CODE)) for easy in succeeded)
            answers.extend((self._finish(easy), NO_ANSWER) for easy, _, _ in failed)

    def _finish(self, easy: pycurl.Curl) -> Queued:
        self._multi.remove_handle(easy)
        queued = self._under_way.pop(easy)
        if queued.failures:
            easy.setopt(pycurl.FRESH_CONNECT, 0)
        if queued.method == "DELETE":
            easy.unsetopt(pycurl.CUSTOMREQUEST)
        self._idle.append(easy)
        return queued

    def _on_socket(self, what: int, fd: int, multi: object, data: object) -> None:
        if what == POLL_REMOVE:
            self._poller.unregister(fd)
        elif what != POLL_NONE:
            self._poller.register(fd, what)

    def _new_easy(self) -> pycurl.Curl:
        easy = pycurl.Curl()
        easy.setopt(pycurl.POST, 1)
        easy.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        easy.setopt(pycurl.TCP_NODELAY, 1)
        easy.setopt(pycurl.NOSIGNAL, 1)
        easy.setopt(pycurl.USERAGENT, "tickless")
        easy.setopt(pycurl.CONNECTTIMEOUT_MS, round(self._limits.connect_within_s * 1000))
        easy.setopt(pycurl.TIMEOUT_MS, round(self._limits.answer_within_s * 1000))
        easy.setopt(pycurl.MAXAGE_CONN, IDLE_CONNECTIONS_USED_FOR_S)
        # Discards the body: libcurl expects the number of bytes consumed, and ``len``
        # returns it without running Python code.
        easy.setopt(pycurl.WRITEFUNCTION, len)
        if self._ca_bundle is not None:
            easy.setopt(pycurl.CAINFO, str(self._ca_bundle))
        return easy


def botocores_ca_bundle() -> Path | None:
    """Botocore's bundled certificates; None without botocore."""
    # Located without importing it: botocore is large.
    spec = PathFinder.find_spec("botocore")
    folders = spec.submodule_search_locations if spec else None
    bundle = Path(folders[0], "cacert.pem") if folders else None
    return bundle if bundle and bundle.is_file() else None
