"""When an app is to be loaded anew: whenever it has changed, whatever goes wrong meanwhile."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from local.gateway.reloading import changes

WITHIN_S = 5


class Glances:
    """What is seen one time after another; an error is raised, and after the last all ends."""

    def __init__(self, *seen: object) -> None:
        self._seen = iter(seen)
        self.had = asyncio.Event()

    def __call__(self, folder: Path) -> object:
        try:
            one = next(self._seen)
        except StopIteration:
            self.had.set()
            raise OSError("No more") from None
        if isinstance(one, OSError):
            raise one
        return one


def changes_seen(*seen: object) -> int:
    async def scenario() -> int:
        look, counted = Glances(*seen), 0

        async def count() -> None:
            nonlocal counted
            async for _ in changes(Path(), look=look, every_seconds=0):
                counted += 1

        counting = asyncio.create_task(count())
        await asyncio.wait_for(look.had.wait(), WITHIN_S)
        counting.cancel()
        return counted

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("seen", "many"),
    [
        ((1,), 0),
        ((1, 1, 1), 0),
        ((1, 2, 2, 3), 2),
        ((1, 2, 1), 2),
        ((OSError("a"), 1, 1), 0),
        ((1, OSError("a"), 1), 0),
        ((1, OSError("a"), 2), 1),
        ((1, OSError("a"), OSError("b"), 2, OSError("a"), 3), 2),
    ],
)
def test_every_change_is_seen_once_and_errors_end_nothing(
    seen: tuple[object, ...], many: int
) -> None:
    assert changes_seen(*seen) == many


def test_what_is_wrong_is_said_once_until_it_is_right_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        changes_seen(1, OSError("gone"), OSError("gone"), OSError("shut"), 1, OSError("gone"))

    said = [record.getMessage().rpartition(": ")[2] for record in caplog.records]
    assert said[:4] == ["gone", "shut", "gone", "No more"]
