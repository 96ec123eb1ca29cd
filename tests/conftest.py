import os
from collections.abc import Iterator

import pytest

from . import hypothesis_profiles as hypothesis_profiles

pytest_plugins = ["tests.client.virtual_time", "tests.fixtures"]

# What needs more than `make install` brings. "package" wants Lambda's Python and minutes of the
# network, "browser" a Chromium and its driver: `make test-package`, `make test-browser`.
collect_ignore = ["browser", "package"]


@pytest.fixture(autouse=True)
def _forget_apps() -> Iterator[None]:
    """Forget the Chalice apps of a test: each appends itself to AWS_EXECUTION_ENV.

    botocore sends the variable in a header, of which API Gateway, and ours, accept 10,240 bytes.
    """
    before = os.environ.get("AWS_EXECUTION_ENV")
    yield
    os.environ.pop("AWS_EXECUTION_ENV", None)
    if before is not None:
        os.environ["AWS_EXECUTION_ENV"] = before
