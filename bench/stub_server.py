"""``python -m bench.stub_server``: takes posts and looks at nothing; the least a gateway can do.

A process of its own, so that its CPU time is not that of the client.
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .http_client import HOST

POST_BYTES = 630
"""All posts are of this size, as an update of a session of two."""

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_END_OF_HEAD = b"\r\n\r\n"


@contextmanager
def stub_server() -> Iterator[str]:
    """The endpoint of a server that ends with the block, or with this process."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.stub_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield f"http://{HOST}:{process.stdout.readline().strip()}/dev"
        finally:
            process.stdin.close()


def serve() -> None:
    """Answer 200 to whatever has arrived whole, until standard input is closed."""
    listener = socket.create_server((HOST, 0), backlog=1024)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    unfinished: dict[int, bytes] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listener:
                accepted, _ = listener.accept()
                accepted.setblocking(False)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(accepted, selectors.EVENT_READ)
                continue
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            try:
                arrived = connection.recv(65536)
            except ConnectionError:
                arrived = b""
            if not arrived:
                selector.unregister(connection)
                unfinished.pop(key.fd, None)
                connection.close()
                continue
            arrived = unfinished.pop(key.fd, b"") + arrived
            if len(arrived) == arrived.find(_END_OF_HEAD) + len(_END_OF_HEAD) + POST_BYTES:
                connection.send(_OK)
            else:
                unfinished[key.fd] = arrived


if __name__ == "__main__":
    serve()
