"""Readiness polling for libcurl's sockets. Owns no socket.

libcurl unregisters a connection after each request and registers it for the next,
which would cost two system calls per post. :class:`EpollPoller` leaves the socket
registered in between. That is safe with epoll only: a closed socket is removed
automatically, and ``modify`` then fails. Other systems use :class:`SelectorPoller`.
"""

from __future__ import annotations

import select
import selectors
import sys
from contextlib import suppress
from math import inf
from typing import Protocol

READ, WRITE = 1, 2
"""The values of CURL_POLL_IN and _OUT, and of CURL_CSELECT_IN and _OUT."""
BOTH = READ | WRITE


class Poller(Protocol):
    """Waits for file descriptors to become ready. For one thread."""

    def register(self, fd: int, events: int) -> None:
        """Report ``fd`` when it is ready for ``events``; replaces an earlier registration."""

    def unregister(self, fd: int) -> None:
        """Stop reporting ``fd``. It may then be closed and its number reused."""

    def wait(self, within_s: float) -> list[tuple[int, int]]:
        """Ready file descriptors with their events; empty after ``within_s``."""

    def close(self) -> None: ...


class SelectorPoller:
    """Polls with the standard library's selectors; works on every system."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, events: int) -> None:
        # READ and WRITE equal EVENT_READ and EVENT_WRITE.
        if fd in self._selector.get_map():
            self._selector.modify(fd, events)
        else:
            self._selector.register(fd, events)

    def unregister(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def wait(self, within_s: float) -> list[tuple[int, int]]:
        timeout_s = None if within_s == inf else within_s
        return [(key.fd, events) for key, events in self._selector.select(timeout_s)]

    def close(self) -> None:
        self._selector.close()


if sys.platform == "linux":

    class EpollPoller:
        """Polls with epoll; a post takes a sixth less CPU time than with SelectorPoller."""

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self._watched: set[int] = set()

        def register(self, fd: int, events: int) -> None:
            self._watched.add(fd)
            bits = _EPOLL_BITS[events]
            try:
                self._epoll.modify(fd, bits)
            except FileNotFoundError:
                self._epoll.register(fd, bits)

        def unregister(self, fd: int) -> None:
            self._watched.discard(fd)

        def wait(self, within_s: float) -> list[tuple[int, int]]:
            ready = []
            for fd, bits in self._epoll.poll(-1 if within_s == inf else within_s):
                if fd in self._watched:
                    ready.append((fd, _READY.get(bits, BOTH)))
                else:
                    # The peer closed an idle connection; libcurl notices when it
                    # next uses it.
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
    # Any other event is an error, which libcurl sees when it reads or writes.
    _READY = {select.EPOLLIN: READ, select.EPOLLOUT: WRITE}

    new_poller = EpollPoller
else:
    new_poller = SelectorPoller
