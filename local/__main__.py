"""``python -m local``: the command line of the local stack.

Owns the arguments, signals, output and exit code. Must never know what the stack consists of.
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

from chalice_gateway.websocket_limits import Faults

from .dev_auth import AUTH_COMMAND
from .embedded_valkey import EmbeddedValkey, EmbeddedValkeyError, request_shutdown
from .reload import wait_for_app_change
from .stack import Options, Stack, StackError, app_modules, running_stack

PYTHON_CLIENT = Path(__file__).parents[1] / "client" / "python" / "src"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stack, or the ``watch`` subcommand, until it ends or is stopped; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] == "watch":
        return watch(arguments[1:])
    options = read_arguments(arguments)
    environ = dict(os.environ)
    try:
        with asyncio.Runner(loop_factory=fastest_loop()) as runner:
            stopped = runner.run(serve(options))
        if not stopped:
            # With the environment of the start, without the variables that the stack has set.
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)
    except (StackError, EmbeddedValkeyError) as error:
        print(f"local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def watch(arguments: Sequence[str]) -> int:
    """Draw a session's clocks, with the Python client of this repository."""
    sys.path.insert(0, str(PYTHON_CLIENT))
    from .watch_session import main as watch_session

    return watch_session(arguments)


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop's factory if it is installed: a request takes about a quarter less CPU time."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def read_arguments(arguments: Sequence[str] | None) -> Options:
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="Run the app in the working directory on a local API Gateway and Lambda.",
        epilog="python -m local watch SESSION draws the clocks of a session.",
    )
    parser.add_argument("--host", default=defaults.host)
    parser.add_argument("--port", type=int, default=defaults.port, help="REST; 0 takes a free port")
    parser.add_argument(
        "--ws-port",
        type=int,
        default=defaults.ws_port,
        help="WebSocket, @connections and Lambda's Invoke; 0 takes a free port",
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
        "--reload", action="store_true", help="restart when app.py or chalicelib changes"
    )
    # For tests, which can't wait for hours or for random faults.
    for name, read in (
        ("--faults", read_faults),
        ("--idle-seconds", float),
        ("--duration-seconds", float),
    ):
        parser.add_argument(name, type=read, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return Options(**vars(parser.parse_args(arguments)))


def read_faults(text: str) -> Faults:
    """Faults from JSON, such as ``{"drop_posts": 0.1}``.

    Raises:
        ArgumentTypeError: It is not JSON, or names an unknown fault.
    """
    try:
        return Faults(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"invalid faults {text!r}: {error}") from error


async def serve(options: Options) -> bool:
    """Start the stack, print its URLs, and stop it on the first signal; exit on the second.

    False if it has stopped in order to restart.

    Raises:
        StackError: It can't start, or one of its processes exits too often.
    """
    loop = asyncio.get_running_loop()
    stop_requested = asyncio.Event()
    embedded_server: EmbeddedValkey | None = None

    def on_signal() -> None:
        if stop_requested.is_set():
            if embedded_server is not None:
                request_shutdown(embedded_server)
            os._exit(130)
        stop_requested.set()
        starting.cancel()

    async with AsyncExitStack() as exit_stack:
        # Watch before the stack starts, so that a change during the start counts too.
        stop_tasks = _stop_tasks(stop_requested, options)
        for task in stop_tasks:
            exit_stack.callback(task.cancel)
        starting = loop.create_task(exit_stack.enter_async_context(running_stack(options)))
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows, where Ctrl-C cancels instead
                loop.add_signal_handler(number, on_signal)
        await asyncio.wait([starting])
        if starting.cancelled():
            # What had started has been stopped.
            return True
        stack = starting.result()
        embedded_server = stack.embedded
        print(startup_message(stack), flush=True)
        done, _ = await asyncio.wait(
            [*stop_tasks, stack.failure], return_when=asyncio.FIRST_COMPLETED
        )
        if stack.failure in done and not stop_requested.is_set():
            raise StackError(stack.failure.result())
        for task in done:
            task.result()
        if stop_requested.is_set():
            print("Stopping. Press Ctrl-C again to exit at once.", flush=True)
        else:
            print("The app has changed: restarting.", flush=True)
    return stop_requested.is_set()


def _stop_tasks(stop_requested: asyncio.Event, options: Options) -> list[asyncio.Task[Any]]:
    """Tasks of which the first to finish stops the stack."""
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(stop_requested.wait())]
    if options.reload:
        tasks.append(asyncio.create_task(wait_for_app_change(Path.cwd(), app_modules())))
    return tasks


def startup_message(stack: Stack) -> str:
    """The URLs of the stack, and commands to try it."""
    dev_token, urls = stack.dev_token, (stack.rest_url, stack.websocket_url)
    shown = dev_token.token if dev_token is not None and dev_token.is_generated else None
    return "\n".join(
        (
            f"Page  {stack.rest_url}/",
            f"REST  {stack.rest_url}",
            f"WS    {stack.websocket_url}",
            f"Store {without_password(stack.redis_url)}",
            f"Data  {_data_location(stack)}",
            f"Stage {stack.stage}",
            "",
            "Try it:",
            "",
            *(f"  {line}" for line in ([] if dev_token is None else [token_command(shown)])),
            *(f"  {line}" for line in example_commands(*urls, with_token=dev_token is not None)),
            "",
            "Ctrl-C stops the stack.",
        )
    )


def _data_location(stack: Stack) -> str:
    if stack.embedded is None:
        return "in the store"
    adopted = " (the server was still running)" if stack.embedded.adopted else ""
    return f"{stack.embedded.data_dir}{adopted}"


def token_command(token: str | None) -> str:
    """A shell command that sets TOKEN to ``token``, or without one to a newly signed token."""
    return f"TOKEN={token or f'$({sys.executable} -m {AUTH_COMMAND} token)'}"


def example_commands(url: str, websocket_url: str, *, with_token: bool = False) -> tuple[str, ...]:
    """Shell commands that create a session, start, switch, read and watch it."""
    session_id = uuid4()
    session = {
        "session_id": str(session_id),
        "sync_mode": "per_participant",
        "total_time_ms": 300_000,
        "participants": [
            {"participant_id": str(uuid4()), "total_time_ms": 300_000} for _ in range(2)
        ],
    }
    session_url = f"{url}/v1/sessions/{session_id}"
    call, watch, query = "curl -s", "", ""
    if with_token:
        call = 'curl -s -H "Authorization: Bearer $TOKEN"'
        watch, query = ' --token "$TOKEN"', "&token=$TOKEN"
    create = f"{url}/v1/sessions -H 'Content-Type: application/json' -d '{json.dumps(session)}'"
    return (
        f"{call} {create}",
        f"{call} -X POST {session_url}/start",
        f"{call} -X POST {session_url}/switch",
        f"{call} {session_url}",
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
