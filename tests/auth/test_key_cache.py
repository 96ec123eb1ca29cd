"""Keys are read when they are needed, seldom, and by one call for all that wait."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any

import pytest

from chalicelib.auth import jwt as tokens
from chalicelib.auth.authenticator import TokenAuthenticator
from chalicelib.auth.jwks import InvalidKeys, KeySet, new_key
from chalicelib.auth.key_cache import (
    MIN_REFRESH_INTERVAL_SECONDS,
    RETRY_AFTER_FAILURE_SECONDS,
    KeyCache,
)
from chalicelib.core.errors import KeysUnavailable, Unauthenticated

from .bearers import SECRET, a_bearer, a_key_set

NEW = new_key("new")
OLD_ONLY, BOTH, NEW_ONLY = [SECRET], [NEW, SECRET], [NEW]
WITHIN_S = 10
MAX_AGE_S = 300.0


class Secret:
    """Whatever keeps the keys; it can be away, and counts how often it is asked.

    What it has said is remembered, as Powertools remembers it.
    """

    def __init__(self, keys: Sequence[dict[str, Any]] = ()) -> None:
        self.text = "nonsense"
        self.store(keys)
        self.is_away = not keys
        self.asked = 0
        self.now_s = 0.0
        self.remembered = ""
        self.old_from_s = 0.0

    def store(self, keys: Sequence[dict[str, Any]]) -> None:
        self.text = json.dumps({"keys": keys})

    def read(self, *, fresh: bool) -> str:
        if fresh or self.now_s >= self.old_from_s:
            self.asked += 1
            if self.is_away:
                raise InvalidKeys("away")
            self.remembered, self.old_from_s = self.text, self.now_s + MAX_AGE_S
        return self.remembered

    def key_cache(self) -> KeyCache:
        return KeyCache(self.read, lambda: self.now_s)


def a_token(*keys: dict[str, Any], token_id: str = "a-token") -> str:
    return tokens.sign(a_bearer(token_id=token_id), a_key_set(*keys))


def is_known(keys: KeySet, kid: object) -> bool:
    return keys.key_for(kid) in keys


def test_nobody_is_asked_before_the_first_token_and_once_for_all_others() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    for token in (None, None):
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(token)
    assert secret.asked == 0

    for number in range(3):
        assert authenticator.authenticate(a_token(SECRET, token_id=f"t{number}"))
    assert secret.asked == 1


def test_keys_that_can_not_be_had_are_asked_for_again_after_a_moment_and_no_sooner() -> None:
    secret = Secret()
    key_cache = secret.key_cache()

    for instant_s in (0.0, 0.1, RETRY_AFTER_FAILURE_SECONDS - 0.01):
        secret.now_s = instant_s
        with pytest.raises(KeysUnavailable, match=r"^keys: away$"):
            key_cache.keys()
    assert secret.asked == 1

    secret.now_s = RETRY_AFTER_FAILURE_SECONDS
    with pytest.raises(KeysUnavailable):
        key_cache.keys()
    assert secret.asked == 2


def test_they_are_had_as_soon_as_they_can_be() -> None:
    secret = Secret(OLD_ONLY)
    secret.is_away = True
    key_cache = secret.key_cache()
    with pytest.raises(KeysUnavailable):
        key_cache.keys()

    secret.is_away = False
    secret.now_s = RETRY_AFTER_FAILURE_SECONDS

    assert is_known(key_cache.keys(), "first")


@pytest.mark.parametrize("text", ["hush", ""])
def test_nonsense_is_no_keys_until_somebody_mends_it(text: str) -> None:
    secret = Secret(OLD_ONLY)
    secret.text = text
    key_cache = secret.key_cache()
    with pytest.raises(KeysUnavailable, match=r"^keys: The keys are no JSON$"):
        key_cache.keys()

    secret.store(OLD_ONLY)
    secret.now_s = RETRY_AFTER_FAILURE_SECONDS

    assert is_known(key_cache.keys(), "first")


def test_a_moment_begins_when_the_failure_is_known() -> None:
    secret = Secret()

    def slowly(*, fresh: bool) -> str:
        secret.now_s += 2.0
        return secret.read(fresh=fresh)

    key_cache = KeyCache(slowly, lambda: secret.now_s)
    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            key_cache.keys()

    assert secret.asked == 1


def test_one_asks_and_all_who_wait_meanwhile_are_told_the_same() -> None:
    secret, asking, go_on = Secret(), Event(), Event()

    def slowly(*, fresh: bool) -> str:
        asking.set()
        assert go_on.wait(WITHIN_S)
        return secret.read(fresh=fresh)

    key_cache = KeyCache(slowly, lambda: secret.now_s)
    refused: list[str] = []

    def call() -> None:
        with pytest.raises(KeysUnavailable) as error:
            key_cache.keys()
        refused.append(str(error.value))

    callers = [Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    assert asking.wait(WITHIN_S)
    go_on.set()
    for caller in callers:
        caller.join(WITHIN_S)

    assert (refused, secret.asked) == (["keys: away"] * 8, 1)


# A key that comes, and one that goes


def test_a_token_of_a_key_that_came_later_is_let_in() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    assert authenticator.authenticate(a_token(SECRET))
    secret.store(BOTH)
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS

    assert authenticator.authenticate(a_token(NEW)) == a_bearer(token_id="a-token")
    assert tokens.read(authenticator.sign(a_bearer()), a_key_set(NEW)) == a_bearer()
    assert authenticator.authenticate(a_token(SECRET))


def test_with_it_goes_the_key_that_was_taken_out_and_what_was_verified_with_it() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    old = a_token(SECRET)
    assert authenticator.authenticate(old)
    secret.store(NEW_ONLY)
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS

    assert authenticator.authenticate(a_token(NEW))
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(old)


def test_names_that_anybody_makes_up_have_nobody_asked_but_now_and_then() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    assert authenticator.authenticate(a_token(SECRET))
    for tenth in range(301):
        secret.now_s = tenth / 10
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(a_token(new_key(f"made up {tenth}")))

    assert secret.asked == 1 + 30 / MIN_REFRESH_INTERVAL_SECONDS


def test_nobody_is_asked_because_of_a_wrong_signature_or_of_what_is_no_token() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    assert authenticator.authenticate(a_token(SECRET))
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS
    for token in (a_token(new_key("first")), a_token(SECRET) + "x", "x", ""):
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(token)

    assert secret.asked == 1


def test_keys_that_are_the_same_are_the_same_object_so_that_nothing_is_verified_again() -> None:
    secret = Secret(OLD_ONLY)
    key_cache = secret.key_cache()
    known = key_cache.keys()
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS

    assert key_cache.newer_than(known) is None
    assert secret.asked == 2
    assert key_cache.keys() is known


def test_what_another_thread_has_found_meanwhile_is_taken_without_asking() -> None:
    secret = Secret(OLD_ONLY)
    key_cache = secret.key_cache()
    known = key_cache.keys()
    secret.store(BOTH)
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS
    newer = key_cache.newer_than(known)
    secret.now_s = 2 * MIN_REFRESH_INTERVAL_SECONDS

    assert newer is not None
    assert key_cache.newer_than(known) is newer
    assert secret.asked == 2


@pytest.mark.parametrize("fails", ["away", "nonsense"])
def test_keys_that_are_known_go_on_while_others_can_not_be_had(
    fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    assert authenticator.authenticate(a_token(SECRET))
    secret.is_away = fails == "away"
    secret.text = "hush"
    for instant_s in (
        MIN_REFRESH_INTERVAL_SECONDS,
        MIN_REFRESH_INTERVAL_SECONDS + RETRY_AFTER_FAILURE_SECONDS,
    ):
        secret.now_s = instant_s
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(a_token(NEW))

    assert authenticator.authenticate(a_token(SECRET, token_id="another"))
    assert secret.asked == 2
    (line,) = caplog.records
    why = "away" if fails == "away" else "The keys are no JSON"
    assert (line.levelno, line.getMessage()) == (
        logging.ERROR,
        f"keys: {why}; those known before go on",
    )

    secret.is_away = False
    secret.store(BOTH)
    secret.now_s = 3 * MIN_REFRESH_INTERVAL_SECONDS
    assert authenticator.authenticate(a_token(NEW))


# Keys that grow old


def test_a_key_that_was_taken_out_is_refused_once_what_was_read_is_old() -> None:
    secret = Secret(BOTH)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    old = a_token(SECRET)
    assert authenticator.authenticate(old)
    secret.store(NEW_ONLY)

    secret.now_s = MAX_AGE_S - 0.1
    assert authenticator.authenticate(old)
    assert secret.asked == 1

    secret.now_s = MAX_AGE_S
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(old)
    assert authenticator.authenticate(a_token(NEW))


def test_one_call_reads_what_is_old_and_the_others_do_not_wait_for_it() -> None:
    secret, asking, go_on = Secret(OLD_ONLY), Event(), Event()

    def slowly(*, fresh: bool) -> str:
        if secret.now_s >= secret.old_from_s > 0:
            asking.set()
            assert go_on.wait(WITHIN_S)
        return secret.read(fresh=fresh)

    key_cache = KeyCache(slowly, lambda: secret.now_s)
    known = key_cache.keys()
    secret.store(NEW_ONLY)
    secret.now_s = MAX_AGE_S
    found: list[KeySet] = []
    reading = Thread(target=lambda: found.append(key_cache.keys()))
    reading.start()
    assert asking.wait(WITHIN_S)

    assert key_cache.keys() is known
    go_on.set()
    reading.join(WITHIN_S)

    assert is_known(found[0], "new")
    assert not is_known(found[0], "first")
    assert key_cache.keys() is found[0]
    assert secret.asked == 2


@pytest.mark.parametrize("fails", ["away", "nonsense"])
def test_keys_that_are_old_go_on_while_they_can_not_be_read_and_are_seldom_tried(
    fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = Secret(OLD_ONLY)
    key_cache = secret.key_cache()
    known = key_cache.keys()
    secret.is_away = fails == "away"
    secret.text = "hush"
    for tenth in range(101):
        secret.now_s = MAX_AGE_S + tenth / 10
        assert key_cache.keys() is known

    tries = 1 + 10 / MIN_REFRESH_INTERVAL_SECONDS
    assert len(caplog.records) == tries
    assert secret.asked == 1 + tries

    secret.is_away = False
    secret.store(NEW_ONLY)
    secret.now_s += MIN_REFRESH_INTERVAL_SECONDS
    assert is_known(key_cache.keys(), "new")
