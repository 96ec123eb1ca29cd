from __future__ import annotations

from collections.abc import Iterator

import pytest

import app as tickless
from chalicelib.container import replace_services
from tests.fakes import FakeStore
from tests.rest.client import RestClient
from tests.rest.conftest import FakeServices


@pytest.fixture
def rest() -> Iterator[RestClient]:
    replace_services(FakeServices(FakeStore()))
    yield RestClient(tickless.app)
    replace_services(None)
