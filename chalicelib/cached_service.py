"""``cached_service``: a thread-safe ``cached_property`` for the container's services."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class cached_service(Generic[T]):  # noqa: N801 - used as @property is
    """Builds a service on first access, once, even when several threads ask at the same time.

    ``functools.cached_property`` has no lock since Python 3.12. Services may use each other, but
    not in a cycle: two threads would deadlock.
    """

    def __init__(self, build: Callable[[Any], T]) -> None:
        self._build = build
        self._lock = RLock()

    def __set_name__(self, _: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, _: type[Any] | None = None) -> T:
        # Runs only until the service is built: from then on, lookup finds it in ``__dict__``.
        with self._lock:
            services: dict[str, T] = owner.__dict__
            if self._name not in services:
                services[self._name] = self._build(owner)
            return services[self._name]
