"""A part is built once, however many threads ask for it at first."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Barrier
from typing import assert_type

import pytest

from chalicelib.cached_service import cached_service
from tests.servers import all_at_once

THREADS = 8


@dataclass
class Whole:
    asked: Barrier = field(default_factory=lambda: Barrier(THREADS))
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


def test_whoever_asks_is_given_the_same_whatever_is_asked_for_first() -> None:
    whole = Whole()
    found: list[object] = []

    def ask(number: int) -> None:
        whole.asked.wait(10)
        found.append(whole.outer[0] if number % 2 else whole.inner)

    all_at_once(ask, THREADS)

    assert found == [whole.inner] * THREADS
    assert sorted(whole.built) == ["inner", "outer"]


def test_each_whole_has_parts_of_its_own() -> None:
    one, other = Whole(), Whole()

    assert_type(one.outer, tuple[object])
    assert one.inner is not other.inner


def test_a_part_that_could_not_be_built_is_tried_again() -> None:
    whole = Whole()
    with pytest.raises(LookupError):
        _ = whole.broken

    assert whole.broken is whole


def test_a_part_that_was_put_in_its_place_is_not_built() -> None:
    whole, ours = Whole(), object()
    whole.__dict__["inner"] = ours

    assert whole.outer == (ours,)
    assert whole.built == ["outer"]
