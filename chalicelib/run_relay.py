"""``python -m chalicelib.run_relay``: a relay as a process, beside a local stack or in a container.

It serves the connections of WEBSOCKET_ENDPOINT until it is told to stop, or,
with ``--while-parent``, until whoever started it is gone, which its standard
input tells.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from threading import Event, Thread
from types import FrameType

from .settings import InvalidSetting, read_settings
from .wiring import Services

POSTS_WITHIN_SECONDS = 1.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m chalicelib.run_relay")
    parser.add_argument(
        "--while-parent", action="store_true", help="stop when standard input is closed"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        settings = read_settings()
    except InvalidSetting as error:
        sys.stderr.write(f"relay: {error}\n")
        return 1
    if not settings.websocket_endpoint:
        sys.stderr.write("relay: WEBSOCKET_ENDPOINT must say whose connections to serve\n")
        return 1
    told_to_stop = Event()

    def on_signal(_: int, __: FrameType | None) -> None:
        told_to_stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    if options.while_parent:
        Thread(target=_when_input_ends, args=(told_to_stop,), daemon=True).start()
    services = Services(settings)
    relay = services.relay(settings.websocket_endpoint)
    ready = relay.start()
    sys.stdout.write("listening\n" if ready else "waiting for the store\n")
    sys.stdout.flush()
    told_to_stop.wait()
    relay.stop()
    services.management_api.close(POSTS_WITHIN_SECONDS)
    return 0


def _when_input_ends(told_to_stop: Event) -> None:
    # Not through sys.stdin, whose lock a thread must not hold when Python ends.
    while os.read(0, 1):
        pass
    told_to_stop.set()


if __name__ == "__main__":
    sys.exit(main())
