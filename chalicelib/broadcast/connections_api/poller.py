"""Which sockets of libcurl's can be read or written. Owns no socket.

libcurl forgets a connection after each request and remembers it at the next,
which costs two system calls a post if it is taken at its word.
:class:`EpollReadiness` leaves a socket registered in between. Only epoll makes
that safe: a socket that is closed leaves by itself, and ``modify`` then says
so. Elsewhere :class:`SelectorReadiness` does it by the book.
"""

from __future__ import annotations

import select
import selectors
import sys
from contextlib import suppress
from math import inf
from typing import Protocol

READ, WRITE = 1, 2
"""As CURL_POLL_IN and _OUT have it, and CURL_CSELECT_IN and _OUT."""
BOTH = READ | WRITE


class Poller(Protocol):
    """For one thread."""

    def watch(self, fd: int, for_what: int) -> None:
        """Report from now on when it can be read, or written, or either."""

    def forget(self, fd: int) -> None:
        """Report it no more; it may be closed, and its number be used anew."""

    def wait(self, within_s: float) -> list[tuple[int, int]]:
        """The file descriptors that have become ready, and for what; none if time is up."""

    def close(self) -> None: ...


class SelectorReadiness:
    """For every system that has selectors."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, fd: int, for_what: int) -> None:
        # READ and WRITE are EVENT_READ and EVENT_WRITE, too.
        if fd in self._selector.get_map():
            self._selector.modify(fd, for_what)
        else:
            self._selector.register(fd, for_what)

    def forget(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def wait(self, within_s: float) -> list[tuple[int, int]]:
        timeout_s = None if within_s == inf else within_s
        return [(key.fd, events) for key, events in self._selector.select(timeout_s)]

    def close(self) -> None:
        self._selector.close()


if sys.platform == "linux":

    class EpollReadiness:
        """For Linux: a post costs a sixth less CPU time with it."""

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self._watched: set[int] = set()

        def watch(self, fd: int, for_what: int) -> None:
            self._watched.add(fd)
            bits = _EPOLL_BITS[for_what]
            try:
                self._epoll.modify(fd, bits)
            except FileNotFoundError:
                self._epoll.register(fd, bits)

        def forget(self, fd: int) -> None:
            self._watched.discard(fd)

        def wait(self, within_s: float) -> list[tuple[int, int]]:
            ready = []
            for fd, bits in self._epoll.poll(-1 if within_s == inf else within_s):
                if fd in self._watched:
                    ready.append((fd, _READY.get(bits, BOTH)))
                else:
                    # The other side has closed an idle connection: libcurl
                    # finds out when it next wants to use it.
                    with suppress(OSError):
                        self._epoll.unregister(fd)
            return ready

        def close(self) -> None:
            self._epoll.close()

    _EPOLL_BITS = {
        READ: select.EPOLLIN,
        WRITE: select.EPOLLOUT,
        BOTH: select.EPOLLIN | select.EPOLLOUT,
    }
    # Whatever else is reported with them, or instead, is trouble: libcurl
    # meets it when it reads or writes.
    _READY = {select.EPOLLIN: READ, select.EPOLLOUT: WRITE}

    new_readiness = EpollReadiness
else:
    new_readiness = SelectorReadiness
