"""``python -m bench.echo_app PORT WEBSOCKET_PORT``: ``chalice-gateway run`` for the echo app.

Without AWS's throttle of 500 connections a second, which would be measured
instead of the gateway, and, as the other emulator looks at none, without
signatures.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from chalice_gateway.options import Options
from chalice_gateway.run import serve
from chalice_gateway.websocket_limits import Limits

UNTHROTTLED = 1e9

if __name__ == "__main__":
    os.environ["WEBSOCKET_PORT"] = sys.argv[2]
    asyncio.run(
        serve(
            Options(
                folder=Path(__file__).parent,
                port=int(sys.argv[1]),
                ws_port=int(sys.argv[2]),
                verify_signatures=False,
                limits=Limits(
                    connects_per_second=UNTHROTTLED,
                    posts_per_second=UNTHROTTLED,
                    posts_burst=UNTHROTTLED,
                ),
            )
        )
    )
