"""The environment, read once into one frozen value; nobody else reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


class InvalidSetting(ValueError):
    """An environment variable that cannot be understood; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a deployment chooses; each field is the variable of that name in capitals.

    ``redis_url`` is ``redis://`` or, with TLS, ``rediss://``, with user and
    password where the server wants them. ``redis_cluster`` says that it leads
    to a Redis Cluster, which a URL can't. ``shards`` is into how many hash
    slots sessions are spread; it must never change under living sessions.
    """

    redis_url: str = "redis://localhost:6379/0"
    redis_cluster: bool = False
    shards: int = 16
    session_ttl_seconds: int = 24 * 60 * 60
    log_level: str = "INFO"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that the environment asks for, defaults elsewhere.

    Raises:
        InvalidSetting: A variable is set to something it can't be.
    """
    defaults = Settings()
    return Settings(
        redis_url=environment.get("REDIS_URL") or defaults.redis_url,
        redis_cluster=_flag(environment, "REDIS_CLUSTER", defaults.redis_cluster),
        shards=_count(environment, "SHARDS", defaults.shards),
        session_ttl_seconds=_count(
            environment, "SESSION_TTL_SECONDS", defaults.session_ttl_seconds
        ),
        log_level=environment.get("LOG_LEVEL") or defaults.log_level,
    )


def _flag(environment: Mapping[str, str], name: str, default: bool) -> bool:
    value = environment.get(name, "").strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off"):
        return False
    if value:
        raise InvalidSetting(f"{name} is {value!r}; it must be true or false")
    return default


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, "").strip()
    if not value:
        return default
    if not value.isdecimal() or int(value) < 1:
        raise InvalidSetting(f"{name} is {value!r}; it must be a whole number above 0")
    return int(value)
