"""Conformance tests: what AWS does, as tests that run against AWS and against the gateway.

    pytest --pyargs chalice_gateway.conformance --rest-url https://... --ws-url wss://...

Each test's docstring names its source. A claim that no source settles is marked
``unconfirmed`` with the question that the README answers; ``NOT_TESTED`` has the questions that
a client can't settle. Must never look inside the gateway.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

APP_FOLDER: Final = Path(__file__).parent / "app"

NOT_TESTED: Final = {
    "How much is buffered for a client that doesn't read": "TCP buffers on the way hide it",
    "How many messages of one connection run concurrently": "it depends on the account's quotas",
    "How long a client may take to close": "only the gateway knows when it gives up",
    "A Cognito token of the wrong type, or without a scope that the method needs": (
        "the app has no user pool"
    ),
    "Wording of 413, 429 and of the signature errors": "the wording is not part of the contract",
}
"""Questions of the README's table that no test asks, and why."""
