from __future__ import annotations

from collections.abc import Iterator

import pytest

import app as tickless
from chalicelib.container import replace_container
from tests.fakes import FakeStore
from tests.rest.client import RestClient
from tests.rest.conftest import FakeContainer


@pytest.fixture
def rest() -> Iterator[RestClient]:
    replace_container(FakeContainer(FakeStore()))
    yield RestClient(tickless.app)
    replace_container(None)
