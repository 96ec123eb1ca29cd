"""``python -m local``: the command line of the local cloud.

Owns arguments, signals, what is printed, and the exit code. Must never know
what the stack consists of.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from .embedded import EmbeddedServer, EmbeddedServerError, let_go
from .gateway.websocket_limits import Faults
from .restart import app_has_changed
from .stack import Options, Stack, StackError, modules_there, running
from .tokens import COMMAND as TOKENS

PYTHON_CLIENT = Path(__file__).parents[1] / "client" / "python" / "src"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; the exit code. ``watch`` as the first word only watches."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] == "watch":
        return watch(words[1:])
    options = read_arguments(words)
    environ = dict(os.environ)
    try:
        with asyncio.Runner(loop_factory=fastest_loop()) as runner:
            is_over = runner.run(serve(options))
        if not is_over:
            # As it was called: what the stack has set is no word of the caller's.
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)
    except (StackError, EmbeddedServerError) as error:
        print(f"local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def watch(arguments: Sequence[str]) -> int:
    """Draw a session's clocks, as the Python client beside this folder follows it."""
    sys.path.insert(0, str(PYTHON_CLIENT))
    from .watch import main as watch_session

    return watch_session(arguments)


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed: it takes about a quarter off a request's CPU time."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def read_arguments(arguments: Sequence[str] | None) -> Options:
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="Runs the app of this folder on a local cloud.",
        epilog="python -m local watch SESSION draws the clocks of a session.",
    )
    parser.add_argument("--host", default=defaults.host)
    parser.add_argument("--port", type=int, default=defaults.port, help="0 takes a free one")
    parser.add_argument(
        "--ws-port",
        type=int,
        default=defaults.ws_port,
        help="WebSocket, @connections and Lambda's Invoke; 0 takes a free one",
    )
    parser.add_argument(
        "--redis-url",
        default=os.environ.get("REDIS_URL") or None,
        help="an existing server instead of the embedded one (also: REDIS_URL)",
    )
    parser.add_argument("--stage", default=defaults.stage)
    parser.add_argument("--data-dir", type=Path, default=defaults.data_dir)
    parser.add_argument(
        "--gateway-template",
        type=Path,
        default=defaults.gateway_template,
        help="CloudFormation template (JSON) whose gateway responses are used",
    )
    parser.add_argument(
        "--reload", action="store_true", help="start anew when app.py or chalicelib changes"
    )
    # For tests, which can wait neither for hours nor for bad luck.
    for name, read in (
        ("--faults", read_faults),
        ("--idle-seconds", float),
        ("--duration-seconds", float),
    ):
        parser.add_argument(name, type=read, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    return Options(**vars(given))


def read_faults(text: str) -> Faults:
    """Faults from JSON, such as ``{"drop_posts": 0.1}``.

    Raises:
        ArgumentTypeError: It is none, or names a fault that doesn't exist.
    """
    try:
        return Faults(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} says no faults: {error}") from error


async def serve(options: Options) -> bool:
    """Start the stack, say where it is, and stop it at the first signal; leave at the second.

    False if it has stopped only to be started anew.

    Raises:
        StackError: It can't start, or a part of it can't be kept running.
    """
    loop = asyncio.get_running_loop()
    told_to_stop = asyncio.Event()
    embedded: EmbeddedServer | None = None

    def on_signal() -> None:
        if told_to_stop.is_set():
            if embedded is not None:
                let_go(embedded)
            os._exit(130)
        told_to_stop.set()
        starting.cancel()

    async with AsyncExitStack() as parts:
        # From the beginning, so that a change while the stack starts counts, too.
        ends = _ends(told_to_stop, options)
        for task in ends:
            parts.callback(task.cancel)
        starting = loop.create_task(parts.enter_async_context(running(options)))
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows, where Ctrl-C cancels instead
                loop.add_signal_handler(number, on_signal)
        await asyncio.wait([starting])
        if starting.cancelled():
            # What had started by then has been stopped again.
            return True
        stack = starting.result()
        embedded = stack.embedded
        print(describe(stack), flush=True)
        ended, _ = await asyncio.wait([*ends, stack.given_up], return_when=asyncio.FIRST_COMPLETED)
        if stack.given_up in ended and not told_to_stop.is_set():
            raise StackError(stack.given_up.result())
        for task in ended:
            task.result()
        if told_to_stop.is_set():
            print("Stopping. Once more to leave at once.", flush=True)
        else:
            print("The app has changed: starting anew.", flush=True)
    return told_to_stop.is_set()


def _ends(told_to_stop: asyncio.Event, options: Options) -> list[asyncio.Task[Any]]:
    """What ends a stack that can be kept running."""
    ends: list[asyncio.Task[Any]] = [asyncio.create_task(told_to_stop.wait())]
    if options.reload:
        ends.append(asyncio.create_task(app_has_changed(Path.cwd(), modules_there())))
    return ends


def describe(stack: Stack) -> str:
    """Where everything is, and how to try it."""
    access, urls = stack.access, (stack.rest_url, stack.websocket_url)
    shown = access.token if access is not None and access.is_ours else None
    return "\n".join(
        (
            f"Page  {stack.rest_url}/",
            f"REST  {stack.rest_url}",
            f"WS    {stack.websocket_url}",
            f"Store {without_password(stack.redis_url)}",
            f"Data  {_data(stack)}",
            f"Stage {stack.stage}",
            "",
            "Try it:",
            "",
            *(f"  {line}" for line in ([] if access is None else [token_set(shown)])),
            *(f"  {line}" for line in examples(*urls, with_token=access is not None)),
            "",
            "Ctrl-C stops it.",
        )
    )


def _data(stack: Stack) -> str:
    if stack.embedded is None:
        return "with the store"
    adopted = " (the server was still running)" if stack.embedded.adopted else ""
    return f"{stack.embedded.data_dir}{adopted}"


def token_set(token: str | None) -> str:
    """A command that sets TOKEN; one that is not to be shown is made from the caller's own keys."""
    return f"TOKEN={token or f'$({sys.executable} -m {TOKENS} token)'}"


def examples(url: str, websocket_url: str, *, with_token: bool = False) -> tuple[str, ...]:
    """Commands that make a session, watch it and switch it; to be pasted as they are."""
    session_id = uuid4()
    session = {
        "session_id": str(session_id),
        "sync_mode": "per_participant",
        "total_time_ms": 300_000,
        "participants": [
            {"participant_id": str(uuid4()), "total_time_ms": 300_000} for _ in range(2)
        ],
    }
    one = f"{url}/v1/sessions/{session_id}"
    call, watch, query = "curl -s", "", ""
    if with_token:
        call = 'curl -s -H "Authorization: Bearer $TOKEN"'
        watch, query = ' --token "$TOKEN"', "&token=$TOKEN"
    made = f"{url}/v1/sessions -H 'Content-Type: application/json' -d '{json.dumps(session)}'"
    return (
        f"{call} {made}",
        f"{call} -X POST {one}/start",
        f"{call} -X POST {one}/switch",
        f"{call} {one}",
        f"{sys.executable} -m local watch {session_id} --ws-url {websocket_url}{watch}",
        f'{sys.executable} -m websockets "{websocket_url}?sessionId={session_id}{query}"',
    )


def without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    netloc = parts.netloc.replace(f":{parts.password}@", ":***@")
    return urlunsplit(parts._replace(netloc=netloc))


if __name__ == "__main__":
    sys.exit(main())
