from __future__ import annotations

import pytest

from tests.fakes import FakeStore
from tests.rest.client import RestClient, rest_client
from tests.rest.conftest import FakeContainer


@pytest.fixture
def rest() -> RestClient:
    return rest_client(FakeContainer(FakeStore()))
