"""pytest plugin: an app behind its gateway as a fixture.

Owns the fixtures and the settings. Imports the rest when a test asks for it, because pytest
loads plugins in every run of every project.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from chalice.app import Chalice

    from .testing import RunningGateway


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("chalice_app", "the directory with app.py, relative to the rootdir", default=".")
    parser.addini("chalice_stage", "Chalice's stage", default="dev")


@pytest.fixture(scope="session")
def chalice_app(pytestconfig: pytest.Config) -> Path | Chalice:
    """The app to serve: a directory, or an app object. Override it to serve another."""
    folder: Path = pytestconfig.rootpath / pytestconfig.getini("chalice_app")
    return folder


@pytest.fixture(scope="session")
def chalice_gateway_options() -> Mapping[str, Any]:
    """Options of ``chalice_gateway.testing.running_gateway``. Override it to set some."""
    return {}


@pytest.fixture
def chalice_gateway(
    pytestconfig: pytest.Config,
    chalice_app: Path | Chalice,
    chalice_gateway_options: Mapping[str, Any],
) -> Iterator[RunningGateway]:
    """A gateway for one test, with the app loaded for it."""
    yield from _running(pytestconfig, chalice_app, chalice_gateway_options)


@pytest.fixture(scope="session")
def chalice_gateway_session(
    pytestconfig: pytest.Config,
    chalice_app: Path | Chalice,
    chalice_gateway_options: Mapping[str, Any],
) -> Iterator[RunningGateway]:
    """One gateway for all tests, whose app keeps its state from test to test."""
    yield from _running(pytestconfig, chalice_app, chalice_gateway_options)


def _running(
    config: pytest.Config, app: Path | Chalice, options: Mapping[str, Any]
) -> Iterator[RunningGateway]:
    from .testing import running_gateway  # noqa: PLC0415

    defaults = {
        "stage": config.getini("chalice_stage"),
        "folder": config.rootpath / config.getini("chalice_app"),
    }
    with running_gateway(app, **{**defaults, **options}) as gateway:
        yield gateway
