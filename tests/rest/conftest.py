from __future__ import annotations

from collections.abc import Iterator

import pytest

import app as tickless
from chalicelib.ports import SessionStore
from chalicelib.settings import Settings
from chalicelib.wiring import Services, replace_services
from tests.fakes import FakeStore

from .client import RestClient


class FakeServices(Services):
    """The services as wired, on a store in memory."""

    def __init__(self, store: SessionStore) -> None:
        super().__init__(Settings(rate_limit_general=0, rate_limit_switch=0, rate_limit_message=0))
        # A cached property gives way to what stands under its name.
        self.__dict__["store"] = store


@pytest.fixture
def store() -> Iterator[FakeStore]:
    store = FakeStore()
    replace_services(FakeServices(store))
    yield store
    replace_services(None)


@pytest.fixture
def rest(store: FakeStore) -> RestClient:
    return RestClient(tickless.app)
