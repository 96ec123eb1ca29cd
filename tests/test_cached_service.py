"""cached_service builds once, however many threads access it first."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Barrier
from typing import assert_type

import pytest

from chalicelib.cached_service import cached_service
from tests.servers import all_at_once
from tests.waiting import HUNG_AFTER_S

THREADS = 8


@dataclass
class Owner:
    started: Barrier = field(default_factory=lambda: Barrier(THREADS))
    built: list[str] = field(default_factory=list)

    @cached_service
    def inner(self) -> object:
        self.built.append("inner")
        return object()

    @cached_service
    def outer(self) -> tuple[object]:
        self.built.append("outer")
        return (self.inner,)

    @cached_service
    def broken(self) -> object:
        self.built.append("broken")
        if len(self.built) == 1:
            raise LookupError
        return self


def test_concurrent_access_builds_a_service_once() -> None:
    owner = Owner()
    services: list[object] = []

    def access(number: int) -> None:
        owner.started.wait(HUNG_AFTER_S)
        services.append(owner.outer[0] if number % 2 else owner.inner)

    all_at_once(access, THREADS)

    assert services == [owner.inner] * THREADS
    assert sorted(owner.built) == ["inner", "outer"]


def test_services_are_cached_per_owner() -> None:
    one, other = Owner(), Owner()

    assert_type(one.outer, tuple[object])
    assert one.inner is not other.inner


def test_failed_build_is_retried() -> None:
    owner = Owner()
    with pytest.raises(LookupError):
        _ = owner.broken

    assert owner.broken is owner


def test_assigned_service_is_not_built() -> None:
    owner, ours = Owner(), object()
    owner.__dict__["inner"] = ours

    assert owner.outer == (ours,)
    assert owner.built == ["outer"]
