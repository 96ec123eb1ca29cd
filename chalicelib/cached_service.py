"""Parts of a service that are built when they are first asked for, and built once."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class cached_service(Generic[T]):  # noqa: N801 - used as @property is
    """A cached_property for many threads: since Python 3.12 that may build one for each of them.

    Parts may ask for others, though not in a circle: two threads would wait for each other.
    """

    def __init__(self, build: Callable[[Any], T]) -> None:
        self._build = build
        self._building = RLock()

    def __set_name__(self, _: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, whole: Any, _: type[Any] | None = None) -> T:
        # Only until it is built: from then on it is found where it is put now.
        with self._building:
            built: dict[str, T] = whole.__dict__
            if self._name not in built:
                built[self._name] = self._build(whole)
            return built[self._name]
