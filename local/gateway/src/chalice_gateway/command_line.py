"""The command ``chalice-gateway``: arguments, errors and exit codes.

Must never know how a command does its work.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from . import __version__
from .errors import StartupError
from .options import InvokeOptions, Options, SeveralApps
from .websocket_limits import Faults, Limits, MessageOrder

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command until it ends; the exit code.

    1 for an app that can't be served, or an invoked function that raised; 2 for arguments
    that are wrong, or a function that could not be invoked.
    """
    options = read_arguments(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Imported here, so that a command waits only for what it needs.
    try:
        if isinstance(options, InvokeOptions):
            from .invoke import invoke  # noqa: PLC0415

            return invoke(options)
        if isinstance(options, SeveralApps):
            from .run_several import serve_several  # noqa: PLC0415

            asyncio.run(serve_several(options))
        else:
            from .run import serve  # noqa: PLC0415

            asyncio.run(serve(options))
    except (OSError, StartupError) as error:
        print(f"chalice-gateway: {error}", file=sys.stderr)
        return 2 if isinstance(options, InvokeOptions) else 1
    except KeyboardInterrupt:
        pass
    return 0


def read_arguments(arguments: Sequence[str] | None) -> Options | SeveralApps | InvokeOptions:
    program = argparse.ArgumentParser(
        prog="chalice-gateway",
        description="API Gateway and Lambda for Chalice apps, on your machine.",
    )
    program.add_argument("--version", action="version", version=__version__)
    commands = program.add_subparsers(required=True, dest="command", metavar="COMMAND")
    _add_run(commands)
    _add_invoke(commands)
    parsed = vars(program.parse_args(arguments))
    if parsed.pop("command") == "invoke":
        return InvokeOptions(**parsed)
    limits, faults = Limits(), Faults()
    for name in ("idle", "duration", "integration"):
        seconds = parsed.pop(f"{name}_seconds")
        limits = replace(limits, **{f"{name}_ms": int(seconds * 1000)})
    for name in ("drop_posts", "delay_posts", "reorder", "lose_disconnects", "gone", "seed"):
        faults = replace(faults, **{name: parsed.pop(name)})
    parsed["tls"] = parsed["tls"] or parsed["tls_certificate"] is not None
    for name in ("api_keys", "cognito_jwks"):
        parsed[name] = tuple(parsed[name])
    apps = [_split_app(text, parsed["stage"]) for text in parsed.pop("apps") or ["."]]
    (folder, parsed["stage"]), *others = apps
    options = Options(folder, **parsed, limits=limits, faults=faults)
    if not others:
        return options
    if options.tls:
        program.error("--tls is for one app: several are served in plain text")
    inner = replace(options, host="127.0.0.1", port=0, ws_port=0, behind_router=True)
    return SeveralApps(
        tuple(replace(inner, folder=folder, stage=stage) for folder, stage in apps),
        options.host,
        options.port,
        options.ws_port,
    )


def _split_app(text: str, default_stage: str) -> tuple[Path, str]:
    """Directory and stage of ``DIR`` or ``DIR@STAGE``."""
    folder, at, stage = text.rpartition("@")
    if not at or Path(text).is_dir():
        return Path(text), default_stage
    return Path(folder), stage


def _add_invoke(commands: Commands) -> None:
    parser = commands.add_parser(
        "invoke",
        help="run one function with one event",
        description="Run one function of an app with one event, and print its answer as JSON."
        " Exit with 1 if it raised, and with 2 if it could not be invoked.",
    )
    parser.add_argument("name", metavar="NAME", help="Chalice's name for the function")
    parser.add_argument(
        "event",
        type=Path,
        nargs="?",
        metavar="EVENT.json",
        help="the event; - reads stdin; without it, a sample of the function's kind",
    )
    parser.add_argument(
        "--app",
        type=Path,
        dest="folder",
        default=Path(),
        metavar="DIR",
        help="the directory with app.py; the current one by default",
    )
    parser.add_argument("--stage", default="dev", help="Chalice's stage")
    parser.add_argument(
        "--endpoint-url",
        metavar="URL",
        help="run it in the gateway that serves the app, such as http://127.0.0.1:8001",
    )


def _add_run(commands: Commands) -> None:
    limits, faults = Limits(), Faults()
    parser = commands.add_parser(
        "run",
        help="serve an app",
        description="Serve a Chalice app as API Gateway would: REST, WebSocket, @connections"
        " and Lambda's Invoke.",
    )
    parser.add_argument(
        "apps",
        nargs="*",
        metavar="DIR[@STAGE]",
        help="a directory with app.py, the current one by default; several are served below"
        " their names",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="REST; 0 takes a free port")
    parser.add_argument(
        "--ws-port",
        type=int,
        default=8001,
        help="WebSocket, @connections and Invoke; 0 takes a free port",
    )
    parser.add_argument(
        "--stage", default="dev", help="Chalice's stage: the one in .chalice/config.json"
    )
    parser.add_argument(
        "--environments",
        type=int,
        default=32,
        help="maximum number of concurrent Lambda environments",
    )
    parser.add_argument(
        "--no-signatures",
        dest="verify_signatures",
        action="store_false",
        help="accept unsigned calls to @connections and Invoke",
    )
    parser.add_argument(
        "--api-key",
        dest="api_keys",
        action="append",
        default=[],
        metavar="KEY",
        help="a valid API key, for routes with api_key_required; repeatable",
    )
    parser.add_argument(
        "--cognito-jwks",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a user pool's keys, its .well-known/jwks.json; repeatable",
    )
    parser.add_argument(
        "--allow-unchecked-authorizers",
        action="store_true",
        help="let any caller in where an authorizer can't be checked, instead of refusing to start",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="serve https and wss, with a certificate made at start unless one is given",
    )
    parser.add_argument("--tls-certificate", type=Path, metavar="FILE", help="PEM; implies --tls")
    parser.add_argument(
        "--tls-key",
        type=Path,
        metavar="FILE",
        help="PEM; needed if the certificate's file does not contain the key",
    )
    parser.add_argument(
        "--no-schedules",
        dest="schedules",
        action="store_false",
        help="don't run scheduled functions when they are due",
    )
    parser.add_argument("--reload", action="store_true", help="reload the app when it changes")
    parser.add_argument(
        "--message-order",
        dest="order",
        type=MessageOrder,
        choices=list(MessageOrder),
        metavar="{" + ",".join(order.value for order in MessageOrder) + "}",
        default=MessageOrder.CONCURRENT,
        help="the order in which the messages of one connection reach the app",
    )
    parser.add_argument("--idle-seconds", type=float, default=limits.idle_ms / 1000)
    parser.add_argument("--duration-seconds", type=float, default=limits.duration_ms / 1000)
    parser.add_argument("--integration-seconds", type=float, default=limits.integration_ms / 1000)
    fault_group = parser.add_argument_group("faults", "probabilities from 0 to 1")
    fault_group.add_argument("--drop-posts", type=float, default=faults.drop_posts)
    fault_group.add_argument("--delay-posts", type=float, default=faults.delay_posts)
    fault_group.add_argument("--reorder", type=float, default=faults.reorder)
    fault_group.add_argument("--lose-disconnects", type=float, default=faults.lose_disconnects)
    fault_group.add_argument("--gone", type=float, default=faults.gone)
    fault_group.add_argument("--seed", type=int, default=faults.seed, help="repeats the faults")
