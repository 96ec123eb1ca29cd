"""Fixtures and markers of the conformance tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from .deployment import Deployment, Reports, Rest, local_deployment


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "unconfirmed(question): no source says what AWS does; the README has the question",
    )
    config.addinivalue_line(
        "markers",
        "slow(time, *arguments): takes AWS so long; the arguments shorten it for chalice-gateway",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was found out about unconfirmed claims, if AWS was asked."""
    if not terminalreporter.config.getoption("rest_url", None):
        return
    lines = sorted(
        f"{outcome:7} {question}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, question in report.user_properties
        if name == "unconfirmed"
    )
    if lines:
        terminalreporter.section("claims that no source confirms")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(autouse=True)
def _unconfirmed(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("unconfirmed")
    if marker is not None:
        request.node.user_properties.append(("unconfirmed", marker.args[0]))


@pytest.fixture(scope="session")
def deployment(pytestconfig: pytest.Config) -> Iterator[Deployment]:
    """The app at ``--rest-url`` and ``--ws-url``, or behind a gateway started here."""
    urls = [pytestconfig.getoption(name, None) for name in ("rest_url", "ws_url")]
    if all(urls):
        yield Deployment(urls[0], urls[1].rstrip("/"))
    elif any(urls):
        pytest.exit("--rest-url and --ws-url need each other", returncode=4)
    else:
        with local_deployment() as deployment:
            yield deployment


@pytest.fixture(scope="session")
def hurried() -> Iterator[Callable[..., Deployment]]:
    """Starts a gateway with arguments that shorten its limits, once for the same arguments."""
    with ExitStack() as exit_stack:

        @cache
        def start(*arguments: str) -> Deployment:
            return exit_stack.enter_context(local_deployment(*arguments, too_long_s=3))

        yield start


@pytest.fixture
def slow_deployment(
    request: pytest.FixtureRequest, deployment: Deployment, hurried: Callable[..., Deployment]
) -> Deployment:
    """The app, for a test marked ``slow``: AWS with ``--slow``, or a gateway in a hurry."""
    marker = request.node.get_closest_marker("slow")
    assert marker is not None
    time, *arguments = marker.args
    if deployment.is_local:
        return hurried(*arguments)
    if not request.config.getoption("slow", default=False):
        pytest.skip(f"takes {time}; run it with --slow")
    return deployment


@pytest.fixture(scope="session")
def rest(deployment: Deployment) -> Iterator[Rest]:
    client = Rest(deployment)
    yield client
    client.close()


@pytest.fixture(scope="session")
def connections(deployment: Deployment) -> Any:
    """A client of @connections."""
    return deployment.connections()


@pytest.fixture
def reports(deployment: Deployment) -> Iterator[Reports]:
    with deployment.connect() as client:
        yield Reports(client)
