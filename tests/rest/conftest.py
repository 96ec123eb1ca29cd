from __future__ import annotations

from collections.abc import Iterator

import pytest

import app as tickless
from chalicelib.container import Container, replace_container
from chalicelib.ports import SessionStore
from chalicelib.settings import Settings
from tests.fakes import FakeStore

from .client import RestClient


class FakeContainer(Container):
    """The services as wired, on a store in memory, and without limits unless they are given."""

    def __init__(self, store: SessionStore, general: int = 0, switch: int = 0) -> None:
        super().__init__(Settings(rate_limit_general=general, rate_limit_switch=switch))
        # A cached property gives way to what stands under its name.
        self.__dict__["store"] = store


@pytest.fixture
def store() -> Iterator[FakeStore]:
    store = FakeStore()
    replace_container(FakeContainer(store))
    yield store
    replace_container(None)


@pytest.fixture
def rest(store: FakeStore) -> RestClient:
    return RestClient(tickless.app)
