"""``python -m chalicelib.workers.relay``: runs a relay as a process, outside Lambda.

Serves the connections of WEBSOCKET_ENDPOINT until a signal or, with ``--while-parent``,
until its standard input is closed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..broadcast.relay import Relay
from ..container import Container
from ..settings import InvalidSetting
from .runner import run


def main(arguments: Sequence[str] | None = None) -> int:
    return run("relay", _relay, arguments)


def _relay(container: Container) -> Relay:
    endpoint = container.settings.websocket_endpoint
    if not endpoint:
        raise InvalidSetting("WEBSOCKET_ENDPOINT must be set to the endpoint to serve")
    return container.relay(endpoint)


if __name__ == "__main__":
    sys.exit(main())
