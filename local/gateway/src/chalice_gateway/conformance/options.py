"""pytest plugin with the options of the conformance tests.

pytest loads it in every run, because an option must be known before ``--pyargs`` is resolved.
It adds its options only to a run of the conformance tests, so that another project can have
options of the same name.
"""

from __future__ import annotations

import pytest

NAMES = ("chalice_gateway.conformance", "chalice_gateway/conformance")


def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    if not any(name in argument for name in NAMES for argument in args):
        return
    group = parser.getgroup("conformance of API Gateway")
    group.addoption(
        "--rest-url",
        metavar="URL",
        help="the deployed REST API, as `chalice deploy` prints it; without it, the tests start"
        " chalice-gateway",
    )
    group.addoption("--ws-url", metavar="URL", help="the deployed WebSocket API")
    group.addoption(
        "--slow",
        action="store_true",
        help="also run what takes AWS 30 seconds, ten minutes or two hours",
    )
