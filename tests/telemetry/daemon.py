"""A fake X-Ray daemon that keeps what it is sent."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

QUIET_S = 0.2


class Daemon:
    """Where subsegments arrive, one in each datagram."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        host, port = listening.getsockname()
        self.address = f"{host}:{port}"

    def subsegments(self) -> list[dict[str, Any]]:
        """What has come since it was last asked, until nothing more comes."""
        found: list[dict[str, Any]] = []
        while True:
            try:
                # Behind a line that names the format.
                _, _, document = self._listening.recv(65536).partition(b"\n")
            except TimeoutError:
                return found
            found.append(json.loads(document))


@contextmanager
def daemon() -> Iterator[Daemon]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(QUIET_S)
        yield Daemon(listening)
