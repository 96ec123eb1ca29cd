"""How a client came to show what GET does, by its own heartbeats and no other clock.

A heartbeat gets through when its PONG is received and, where that found the client
showing something else, the whole answer to the RECONNECT that follows. One such
heartbeat is enough, however slow the machine and whatever else was lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tickless import StateVersion

from .client import Client, Note


def heartbeats_needed(clients: Iterable[Client], since_ms: int) -> Counter[int]:
    """How many clients needed how many heartbeats, of which all but the last got lost in part.

    All of them show the same by now, and nothing has changed after ``since_ms``,
    an instant of the store's clock.
    """
    clients = list(clients)
    (truth,) = {client.place for client in clients}
    return Counter(found_wanting(client.notes, truth, since_ms) for client in clients)


def found_wanting(notes: Sequence[Note], truth: StateVersion, since_ms: int) -> int:
    """How many heartbeats found that ``truth`` was not what the client showed.

    Raises:
        AssertionError: One got through and didn't help, or reported something else.
    """
    found, asks = 0, True
    for message, place, was_sent, is_answer in notes:
        kind = message["type"]
        if was_sent:
            asks = asks or kind == "RECONNECT"
        elif kind == "PONG" and message["receivedAt"] >= since_ms:
            assert StateVersion.from_message(message) == truth
            if place != truth and asks:
                # Until it asks, another heartbeat has nothing new to report.
                found, asks = found + 1, False
        elif kind == "STATE_SYNC" and is_answer and message["timestamp"] >= since_ms:
            assert place == truth, "The answer got through, and yet it shows something else"
    return found
