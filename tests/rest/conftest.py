from __future__ import annotations

import pytest

from chalicelib.container import Container
from chalicelib.ports import SessionStore
from chalicelib.settings import Settings
from tests.fakes import FakeStore

from .client import RestClient, rest_client


class FakeContainer(Container):
    """The services on a store in memory, without rate limits unless they are given."""

    def __init__(self, store: SessionStore, general: int = 0, switch: int = 0) -> None:
        super().__init__(Settings(rate_limit_general=general, rate_limit_switch=switch))
        # A cached service gives way to an attribute of its name.
        self.__dict__["store"] = store


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def container(store: FakeStore) -> Container:
    return FakeContainer(store)


@pytest.fixture
def rest(container: Container) -> RestClient:
    return rest_client(container)
