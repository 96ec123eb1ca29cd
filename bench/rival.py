"""serverless-offline, the emulator that most people know: installed by npm, once, and started.

npm is the only thing here that may talk to another machine. Where it can't be
had, the result says why.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .lab import CREDENTIALS, ROOT, DidNotStart, Lab, Served, free_port
from .measure import Progress
from .plan import Rival

NAME = "serverless-offline"
SOURCES = ROOT / "bench" / "serverless_offline"
INSTALLED = ROOT / "build" / NAME
INSTALL_SECONDS = 150.0

_INSTALL = ("install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
_GIVE_UP_EARLY = ("--fetch-retries=1", "--fetch-timeout=20000")
_VARIABLES = {
    "SLS_TELEMETRY_DISABLED": "1",
    "SLS_NOTIFICATIONS_MODE": "off",
    **CREDENTIALS,
}


class NotHere(Exception):
    """It can't be measured; the message says why."""


@contextmanager
def serverless_offline(lab: Lab, plan: Rival, progress: Progress) -> Iterator[Served]:
    """It runs while the block lasts; its port is that of its WebSockets and @connections.

    Raises:
        NotHere: It doesn't, and why.
    """
    node = _install(plan, progress)
    ports = [str(free_port()) for _ in range(3)]
    flags = ("--httpPort", "--websocketPort", "--lambdaPort")
    options = [word for pair in zip(flags, ports, strict=True) for word in pair]
    command = [node, "node_modules/serverless/bin/serverless.js", "offline", "start", *options]
    variables = {**_VARIABLES, "WEBSOCKET_PORT": ports[1]}
    served = lab.serving(NAME, command, int(ports[1]), None, variables, INSTALLED)
    try:
        running = served.__enter__()
    except DidNotStart as error:
        raise NotHere(str(error).strip().splitlines()[-1]) from error
    try:
        yield running
    finally:
        served.__exit__(None, None, None)


def versions() -> str:
    """Of what is installed, in words."""
    node = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, timeout=20, check=True
    )
    package = INSTALLED / "node_modules" / NAME / "package.json"
    version = json.loads(package.read_text())["version"]
    return f"{NAME} {version} on node {node.stdout.strip()}"


def _install(plan: Rival, progress: Progress) -> str:
    """Where node is; everything else is in place."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if plan is Rival.NEVER:
        raise NotHere("it was not to be")
    if node is None or npm is None:
        raise NotHere("there is no node, or no npm")
    wanted = (SOURCES / "package.json").read_text()
    stamp = INSTALLED / ".installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        if plan is Rival.IF_INSTALLED:
            raise NotHere("a whole run would install it first")
        progress("npm install")
        _have_npm_install(npm)
        stamp.write_text(wanted)
    _copy_sources()
    return node


def _have_npm_install(npm: str) -> None:
    INSTALLED.mkdir(parents=True, exist_ok=True)
    _copy_sources()
    try:
        done = subprocess.run(
            [npm, *_INSTALL, *_GIVE_UP_EARLY],
            cwd=INSTALLED,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotHere(f"npm was not done after {INSTALL_SECONDS:.0f} s") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "npm error" in line]
        raise NotHere(f"npm could not install it: {lines[0] if lines else done.returncode}")


def _copy_sources() -> None:
    for source in SOURCES.iterdir():
        shutil.copyfile(source, Path(INSTALLED, source.name))
