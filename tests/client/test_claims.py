"""Claims of clocks that have run out, in virtual time."""

from __future__ import annotations

import pytest

from tickless import ClientTimeouts
from tickless.wire_types import Message

from .factories import error, iso, update
from .fakes import RecordedClient, answer_pings, live_client
from .virtual_time import advance, now


async def test_expired_clock_is_claimed_with_a_growing_delay() -> None:
    recorded = await live_client(deadline_at=iso(10_000))
    answer_pings(recorded.socket)
    await advance(10_200 - now())
    assert recorded.socket.sent_of_type("CLAIM") == []
    await advance(1_100)
    assert len(recorded.socket.sent_of_type("CLAIM")) == 1
    await advance(60_000)
    assert 4 <= len(recorded.socket.sent_of_type("CLAIM")) <= 10


async def test_update_before_the_claim_makes_it_unnecessary() -> None:
    recorded = await live_client(deadline_at=iso(10_000))
    answer_pings(recorded.socket)
    await advance(10_100 - now())
    recorded.socket.deliver(update(4, status="expired"))
    await advance(60_000)
    assert recorded.socket.sent_of_type("CLAIM") == []


@pytest.mark.parametrize(
    ("deadline_ms", "refusals", "is_repeated"),
    [
        pytest.param(1_000, [error("FORBIDDEN")], False, id="forbidden"),
        pytest.param(0, [error("FORBIDDEN")], False, id="forbidden when overdue"),
        pytest.param(1_000, [], True, id="unanswered"),
    ],
)
async def test_forbidden_claim_is_not_repeated_before_the_next_connection(
    deadline_ms: int, refusals: list[Message], is_repeated: bool
) -> None:
    recorded = await live_client(deadline_at=iso(deadline_ms))
    answer_pings(recorded.socket)
    await advance(2_000 + deadline_ms)
    assert len(recorded.socket.sent_of_type("CLAIM")) == 1
    for refusal in refusals:
        recorded.socket.deliver(refusal)
    await advance(600_000)
    assert (len(recorded.socket.sent_of_type("CLAIM")) > 1) == is_repeated
    assert recorded.errors == []

    recorded.socket.end()
    await recorded.reconnect()
    answer_pings(recorded.socket)
    await advance(3_000)
    assert recorded.socket.sent_of_type("CLAIM")


async def test_claims_can_be_turned_off() -> None:
    recorded = RecordedClient(timeouts=ClientTimeouts(claim_delay_ms=float("inf")))
    await recorded.go_live(deadline_at=iso(0))
    answer_pings(recorded.socket)
    await advance(60_000)
    assert recorded.socket.sent_of_type("CLAIM") == []
