"""Token checks in the store: validity period and revocation."""

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


def test_valid_token_loads_the_session(place: Place) -> None:
    session = started(place.store)
    session_id = session.setup.session_id
    bearer = a_host(place, session_id)
    place.store.save_response(
        session_id, "command", IdempotencyRecord(2, b"asked", b"answer"), KEEP_MS
    )

    loaded = place.store.load(session_id, "command", bearer=bearer)

    assert (loaded.session, loaded.record) == (session, IdempotencyRecord(2, b"asked", b"answer"))
    assert holds(place, session_id, bearer)


def test_token_is_valid_without_a_session(place: Place) -> None:
    session_id = new_id()

    assert holds(place, session_id, a_host(place, session_id))


def test_token_is_valid_from_its_first_to_its_last_instant(place: Place) -> None:
    session_id = new_id()
    now_s = place.store.now_ms() // 1000

    assert holds(place, session_id, a_host(place, session_id, valid_from_s=now_s))
    assert not holds(place, session_id, a_host(place, session_id, valid_from_s=now_s + 30))
    assert not holds(place, session_id, a_host(place, session_id, valid_until_s=now_s))
    soon = a_host(place, session_id, valid_until_s=now_s + 2)
    assert holds(place, session_id, soon)
    place.wait_until((now_s + 2) * 1000)
    assert not holds(place, session_id, soon)


def test_revoked_token_is_invalid_and_others_stay_valid(place: Place) -> None:
    session_id, elsewhere = new_id(), new_id()
    revoked = a_host(place, session_id)
    place.store.revoke(session_id, revoked.token_id, KEEP_MS)

    assert not holds(place, session_id, revoked)
    assert holds(place, session_id, a_host(place, session_id))
    assert holds(place, elsewhere, a_host(place, elsewhere, token_id=revoked.token_id))


def test_revocation_includes_tokens_minted_with_it_only(place: Place) -> None:
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


def test_revocation_is_idempotent(place: Place) -> None:
    session_id = new_id()
    revoked = a_host(place, session_id)
    for _ in range(2):
        place.store.revoke(session_id, revoked.token_id, KEEP_MS)

    assert not holds(place, session_id, revoked)


def test_revocation_is_forgotten_after_the_token_expires(place: Place) -> None:
    session_id = new_id()
    revoked = a_host(place, session_id)
    place.store.revoke(session_id, revoked.token_id, 50)
    place.wait_until(place.store.now_ms() + 100)

    assert holds(place, session_id, revoked)


def test_server_token_is_not_revocable(place: Place) -> None:
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


def test_invalid_token_gets_no_quota(place: Place) -> None:
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


def test_invalid_token_counts_against_its_address(place: Place) -> None:
    session_id, address = new_id(), new_id("address")
    revoked = a_host(place, session_id, valid_until_s=1)
    limit_check = RateLimitCheck("general", address, THREE_A_MINUTE)

    with pytest.raises(Unauthenticated):
        place.store.load(session_id, None, limit_check, revoked)

    assert limit_check.quota is not None
    assert limit_check.quota.remaining == 2


def test_revocation_is_published_as_an_empty_message(place: Place) -> None:
    session_id = created(place.store).setup.session_id
    before = place.published(session_id)

    place.store.revoke(session_id, "a-token", KEEP_MS)

    assert place.published(session_id) == [*before, b""]


@pytest.mark.parametrize("role", Role)
def test_encoded_bearer_reads_back(role: Role) -> None:
    assert decode_bearer(encode_bearer(a_bearer(role))) == a_bearer(role)
