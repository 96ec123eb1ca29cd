"""Key cache: lazy, rate-limited, one read shared by concurrent calls."""

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
from tests.waiting import HUNG_AFTER_S

from .bearers import SECRET, a_bearer, a_key_set

NEW = new_key("new")
OLD_ONLY, BOTH, NEW_ONLY = [SECRET], [NEW, SECRET], [NEW]
WITHIN_S = HUNG_AFTER_S
MAX_AGE_S = 300.0


class Secret:
    """A fake key source that can fail, counts reads, and caches as Powertools does."""

    def __init__(self, keys: Sequence[dict[str, Any]] = ()) -> None:
        self.text = "nonsense"
        self.store(keys)
        self.is_unavailable = not keys
        self.reads = 0
        self.now_s = 0.0
        self.cached = ""
        self.stale_at_s = 0.0

    def store(self, keys: Sequence[dict[str, Any]]) -> None:
        self.text = json.dumps({"keys": keys})

    def read(self, *, fresh: bool) -> str:
        if fresh or self.now_s >= self.stale_at_s:
            self.reads += 1
            if self.is_unavailable:
                raise InvalidKeys("away")
            self.cached, self.stale_at_s = self.text, self.now_s + MAX_AGE_S
        return self.cached

    def key_cache(self) -> KeyCache:
        return KeyCache(self.read, lambda: self.now_s)


def a_token(*keys: dict[str, Any], token_id: str = "a-token") -> str:
    return tokens.sign(a_bearer(token_id=token_id), a_key_set(*keys))


def is_known(keys: KeySet, kid: object) -> bool:
    return keys.key_for(kid) in keys


def test_keys_are_read_once_with_the_first_token() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    for token in (None, None):
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(token)
    assert secret.reads == 0

    for number in range(3):
        assert authenticator.authenticate(a_token(SECRET, token_id=f"t{number}"))
    assert secret.reads == 1


def test_failed_read_is_retried_after_the_retry_interval() -> None:
    secret = Secret()
    key_cache = secret.key_cache()

    for instant_s in (0.0, 0.1, RETRY_AFTER_FAILURE_SECONDS - 0.01):
        secret.now_s = instant_s
        with pytest.raises(KeysUnavailable, match=r"^keys: away$"):
            key_cache.keys()
    assert secret.reads == 1

    secret.now_s = RETRY_AFTER_FAILURE_SECONDS
    with pytest.raises(KeysUnavailable):
        key_cache.keys()
    assert secret.reads == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [("hush", "The keys are not JSON"), ("", "The keys are not JSON"), (None, "away")],
)
def test_recovered_source_is_read_after_the_retry_interval(text: str | None, reason: str) -> None:
    secret = Secret(OLD_ONLY)
    secret.text, secret.is_unavailable = text or "", text is None
    key_cache = secret.key_cache()
    with pytest.raises(KeysUnavailable, match=rf"^keys: {reason}$"):
        key_cache.keys()

    secret.is_unavailable = False
    secret.store(OLD_ONLY)
    secret.now_s = RETRY_AFTER_FAILURE_SECONDS

    assert is_known(key_cache.keys(), "first")


def test_retry_interval_starts_when_the_read_fails() -> None:
    secret = Secret()

    def slowly(*, fresh: bool) -> str:
        secret.now_s += 2.0
        return secret.read(fresh=fresh)

    key_cache = KeyCache(slowly, lambda: secret.now_s)
    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            key_cache.keys()

    assert secret.reads == 1


def test_concurrent_calls_share_one_failed_read() -> None:
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

    assert (refused, secret.reads) == (["keys: away"] * 8, 1)


# Key rotation


def test_token_of_an_added_key_is_accepted() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    assert authenticator.authenticate(a_token(SECRET))
    secret.store(BOTH)
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS

    assert authenticator.authenticate(a_token(NEW)) == a_bearer(token_id="a-token")
    assert tokens.read(authenticator.sign(a_bearer()), a_key_set(NEW)) == a_bearer()
    assert authenticator.authenticate(a_token(SECRET))


def test_removed_key_and_its_cached_tokens_are_rejected() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    old = a_token(SECRET)
    assert authenticator.authenticate(old)
    secret.store(NEW_ONLY)
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS

    assert authenticator.authenticate(a_token(NEW))
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(old)


def test_unknown_kids_refresh_at_most_once_per_interval() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    assert authenticator.authenticate(a_token(SECRET))
    for tenth in range(301):
        secret.now_s = tenth / 10
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(a_token(new_key(f"made up {tenth}")))

    assert secret.reads == 1 + 30 / MIN_REFRESH_INTERVAL_SECONDS


def test_wrong_signature_or_malformed_token_does_not_refresh() -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    assert authenticator.authenticate(a_token(SECRET))
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS
    for token in (a_token(new_key("first")), a_token(SECRET) + "x", "x", ""):
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(token)

    assert secret.reads == 1


def test_unchanged_keys_stay_the_same_object() -> None:
    secret = Secret(OLD_ONLY)
    key_cache = secret.key_cache()
    cached = key_cache.keys()
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS

    assert key_cache.newer_than(cached) is None
    assert secret.reads == 2
    assert key_cache.keys() is cached


def test_refresh_of_another_thread_is_reused() -> None:
    secret = Secret(OLD_ONLY)
    key_cache = secret.key_cache()
    cached = key_cache.keys()
    secret.store(BOTH)
    secret.now_s = MIN_REFRESH_INTERVAL_SECONDS
    newer = key_cache.newer_than(cached)
    secret.now_s = 2 * MIN_REFRESH_INTERVAL_SECONDS

    assert newer is not None
    assert key_cache.newer_than(cached) is newer
    assert secret.reads == 2


@pytest.mark.parametrize("fails", ["away", "nonsense"])
def test_cached_keys_survive_a_failed_refresh(fails: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(OLD_ONLY)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    assert authenticator.authenticate(a_token(SECRET))
    secret.is_unavailable = fails == "away"
    secret.text = "hush"
    for instant_s in (
        MIN_REFRESH_INTERVAL_SECONDS,
        MIN_REFRESH_INTERVAL_SECONDS + RETRY_AFTER_FAILURE_SECONDS,
    ):
        secret.now_s = instant_s
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(a_token(NEW))

    assert authenticator.authenticate(a_token(SECRET, token_id="another"))
    assert secret.reads == 2
    (line,) = caplog.records
    reason = "away" if fails == "away" else "The keys are not JSON"
    assert (line.levelno, line.getMessage()) == (
        logging.ERROR,
        f"keys: {reason}; continuing with the cached keys",
    )

    secret.is_unavailable = False
    secret.store(BOTH)
    secret.now_s = 3 * MIN_REFRESH_INTERVAL_SECONDS
    assert authenticator.authenticate(a_token(NEW))


# Stale keys


def test_removed_key_is_rejected_once_the_cache_is_stale() -> None:
    secret = Secret(BOTH)
    authenticator = TokenAuthenticator(secret.key_cache(), 60)
    old = a_token(SECRET)
    assert authenticator.authenticate(old)
    secret.store(NEW_ONLY)

    secret.now_s = MAX_AGE_S - 0.1
    assert authenticator.authenticate(old)
    assert secret.reads == 1

    secret.now_s = MAX_AGE_S
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(old)
    assert authenticator.authenticate(a_token(NEW))


def test_one_call_refreshes_stale_keys_and_others_do_not_wait() -> None:
    secret, asking, go_on = Secret(OLD_ONLY), Event(), Event()

    def slowly(*, fresh: bool) -> str:
        if secret.now_s >= secret.stale_at_s > 0:
            asking.set()
            assert go_on.wait(WITHIN_S)
        return secret.read(fresh=fresh)

    key_cache = KeyCache(slowly, lambda: secret.now_s)
    cached = key_cache.keys()
    secret.store(NEW_ONLY)
    secret.now_s = MAX_AGE_S
    returned: list[KeySet] = []
    reading = Thread(target=lambda: returned.append(key_cache.keys()))
    reading.start()
    assert asking.wait(WITHIN_S)

    assert key_cache.keys() is cached
    go_on.set()
    reading.join(WITHIN_S)

    assert is_known(returned[0], "new")
    assert not is_known(returned[0], "first")
    assert key_cache.keys() is returned[0]
    assert secret.reads == 2


@pytest.mark.parametrize("fails", ["away", "nonsense"])
def test_stale_keys_survive_failed_refreshes_tried_once_per_interval(
    fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = Secret(OLD_ONLY)
    key_cache = secret.key_cache()
    cached = key_cache.keys()
    secret.is_unavailable = fails == "away"
    secret.text = "hush"
    for tenth in range(101):
        secret.now_s = MAX_AGE_S + tenth / 10
        assert key_cache.keys() is cached

    tries = 1 + 10 / MIN_REFRESH_INTERVAL_SECONDS
    assert len(caplog.records) == tries
    assert secret.reads == 1 + tries

    secret.is_unavailable = False
    secret.store(NEW_ONLY)
    secret.now_s += MIN_REFRESH_INTERVAL_SECONDS
    assert is_known(key_cache.keys(), "new")
