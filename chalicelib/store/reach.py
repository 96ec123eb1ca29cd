"""Reaches a host by its name within a time: its addresses are looked up, and tried in turn.

Must never wait for a name server longer than for a server. Knows nothing of
what is said over the connection.
"""

from __future__ import annotations

import socket
import time
from threading import Thread

Address = tuple[str, int]


def reached(host: str, port: int, within_s: float) -> socket.socket:
    """A connection to the first of the host's addresses that accepts one.

    Each is given an equal share of the time that is left, so that one that is silent
    leaves some to those behind it.

    Raises:
        OSError: None does in time, or nobody says where the host is.
        UnicodeError: That can't be a host's name.
    """
    until_s = time.monotonic() + within_s
    addresses = _addresses(host, port, within_s)
    failure: OSError = TimeoutError("the time is over")
    for untried, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            break
        try:
            return socket.create_connection(address, left_s / untried)
        except OSError as error:
            failure = error
    raise failure


def _addresses(host: str, port: int, within_s: float) -> list[Address]:
    try:
        socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return _looked_up(host, port, within_s)
    return [(host, port)]


def _looked_up(host: str, port: int, within_s: float) -> list[Address]:
    # getaddrinfo can't be told when to give up: it asks silent name servers for ten
    # seconds and longer. Its thread is left to it then, and keeps no process from ending.
    answers: list[list[Address] | OSError | UnicodeError] = []

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.append([(str(where[0]), port) for *_, where in found])
        except (OSError, UnicodeError) as error:
            answers.append(error)

    asking = Thread(target=look_up, daemon=True)
    asking.start()
    asking.join(within_s)
    if not answers:
        raise TimeoutError("no name server answers")
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]
