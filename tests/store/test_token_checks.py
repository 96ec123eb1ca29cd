"""A token holds from its first second to its last, unless it is revoked; everywhere alike."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.auth.policy import EVERY_SESSION, Bearer, Role
from chalicelib.core.errors import RateLimited, Unauthenticated
from chalicelib.ports import IdempotencyRecord, RateLimitCheck
from chalicelib.rate_limit.limiter import MINUTE_US, Limit
from chalicelib.store.token_checks import decode_bearer, encode_bearer
from tests.auth.bearers import a_bearer

from .backends import Place
from .sessions import created, new_id, started, switch

KEEP_MS = 60_000
THREE_A_MINUTE = Limit(3, MINUTE_US)


def a_host(place: Place, session_id: str, **changes: Any) -> Bearer:
    """A bearer whose token is valid now, unless changed."""
    now_s = place.store.now_ms() // 1000
    times = {"valid_from_s": now_s - 10, "valid_until_s": now_s + 60}
    named = {"session_id": session_id, "token_id": new_id("token")}
    return a_bearer(Role.HOST, **{**named, **times, **changes})


def holds(place: Place, session_id: str, bearer: Bearer) -> bool:
    answers = []
    for ask in (
        lambda: place.store.load(session_id, bearer=bearer),
        lambda: place.store.load(session_id, new_id("command"), bearer=bearer),
        lambda: place.store.authorize(session_id, bearer),
    ):
        try:
            ask()
            answers.append(True)
        except Unauthenticated:
            answers.append(False)
    assert len(set(answers)) == 1, answers
    return answers[0]


def test_whose_token_holds_is_told_of_the_session_as_anybody_is(place: Place) -> None:
    session = started(place.store)
    session_id = session.setup.session_id
    bearer = a_host(place, session_id)
    place.store.save_response(
        session_id, "command", IdempotencyRecord(2, b"asked", b"answer"), KEEP_MS
    )

    loaded = place.store.load(session_id, "command", bearer=bearer)

    assert (loaded.session, loaded.record) == (session, IdempotencyRecord(2, b"asked", b"answer"))
    assert holds(place, session_id, bearer)


def test_a_session_need_not_be_there_for_a_token_to_hold(place: Place) -> None:
    session_id = new_id()

    assert holds(place, session_id, a_host(place, session_id))


def test_a_token_holds_from_its_first_instant_and_until_its_last(place: Place) -> None:
    session_id = new_id()
    now_s = place.store.now_ms() // 1000

    assert holds(place, session_id, a_host(place, session_id, valid_from_s=now_s))
    assert not holds(place, session_id, a_host(place, session_id, valid_from_s=now_s + 30))
    assert not holds(place, session_id, a_host(place, session_id, valid_until_s=now_s))
    soon = a_host(place, session_id, valid_until_s=now_s + 2)
    assert holds(place, session_id, soon)
    place.wait_until((now_s + 2) * 1000)
    assert not holds(place, session_id, soon)


def test_a_token_that_is_revoked_holds_no_more_and_others_do(place: Place) -> None:
    session_id, elsewhere = new_id(), new_id()
    revoked = a_host(place, session_id)
    place.store.revoke(session_id, revoked.token_id, KEEP_MS)

    assert not holds(place, session_id, revoked)
    assert holds(place, session_id, a_host(place, session_id))
    assert holds(place, elsewhere, a_host(place, elsewhere, token_id=revoked.token_id))


def test_with_a_token_ends_what_was_minted_with_it_and_nothing_else(place: Place) -> None:
    session_id = new_id()
    first = a_host(place, session_id)
    line = [
        a_host(place, session_id, token_id=f"{first.token_id}{more}")
        for more in ("", ".a", ".a.b", ".a.b.c")
    ]
    sisters = [
        a_host(place, session_id, token_id=f"{first.token_id}{more}") for more in ("x", ".ab", ".b")
    ]
    for at in (2, 1):
        place.store.revoke(session_id, line[at].token_id, KEEP_MS)

        still = [holds(place, session_id, one) for one in line]
        assert still == [generation < at for generation in range(4)]
        assert all(holds(place, session_id, one) for one in sisters)
    place.store.revoke(session_id, first.token_id, KEEP_MS)

    assert [holds(place, session_id, one) for one in (*line, *sisters)] == [
        *[False] * 4,
        True,
        *[False] * 2,
    ]


def test_to_revoke_it_twice_is_to_revoke_it_once(place: Place) -> None:
    session_id = new_id()
    revoked = a_host(place, session_id)
    for _ in range(2):
        place.store.revoke(session_id, revoked.token_id, KEEP_MS)

    assert not holds(place, session_id, revoked)


def test_that_it_was_revoked_is_forgotten_when_it_could_hold_no_more(place: Place) -> None:
    session_id = new_id()
    revoked = a_host(place, session_id)
    place.store.revoke(session_id, revoked.token_id, 50)
    place.wait_until(place.store.now_ms() + 100)

    assert holds(place, session_id, revoked)


def test_a_server_s_token_is_revoked_by_nobody(place: Place) -> None:
    session_id = new_id()
    server = a_host(place, EVERY_SESSION)
    as_server = a_bearer(
        Role.SERVER,
        token_id=server.token_id,
        valid_from_s=server.valid_from_s,
        valid_until_s=server.valid_until_s,
    )
    place.store.revoke(session_id, as_server.token_id, KEEP_MS)

    assert holds(place, session_id, as_server)


def test_whose_token_does_not_hold_is_told_nothing_of_a_limit_either(place: Place) -> None:
    session_id = started(place.store).setup.session_id
    revoked = a_host(place, session_id)
    place.store.revoke(session_id, revoked.token_id, KEEP_MS)
    for _ in range(3):
        switch(
            place.store,
            session_id,
            limit_check=RateLimitCheck("switch", session_id, THREE_A_MINUTE),
        )

    refused = RateLimitCheck("switch", session_id, THREE_A_MINUTE)
    with pytest.raises(Unauthenticated):
        place.store.load(session_id, new_id("command"), refused, revoked)
    allowed = RateLimitCheck("switch", session_id, THREE_A_MINUTE)
    with pytest.raises(RateLimited):
        place.store.load(session_id, new_id("command"), allowed, a_host(place, session_id))

    assert not refused.is_resolved
    assert allowed.quota is not None
    assert allowed.quota.exceeded


def test_but_the_address_it_comes_from_is_counted(place: Place) -> None:
    session_id, address = new_id(), new_id("address")
    revoked = a_host(place, session_id, valid_until_s=1)
    limit_check = RateLimitCheck("general", address, THREE_A_MINUTE)

    with pytest.raises(Unauthenticated):
        place.store.load(session_id, None, limit_check, revoked)

    assert limit_check.quota is not None
    assert limit_check.quota.remaining == 2


def test_relays_hear_of_a_revocation_by_an_empty_message(place: Place) -> None:
    session_id = created(place.store).setup.session_id
    before = place.told(session_id)

    place.store.revoke(session_id, "a-token", KEEP_MS)

    assert place.told(session_id) == [*before, b""]


@pytest.mark.parametrize("role", Role)
def test_a_bearer_that_is_written_down_can_be_read_again(role: Role) -> None:
    assert decode_bearer(encode_bearer(a_bearer(role))) == a_bearer(role)
