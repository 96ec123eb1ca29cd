"""``chalice-gateway run`` with several apps: a process for each, and a router in front.

Owns the order of start and stop, and output. Each app has a process of its own, as on AWS,
because two apps in one would share modules, environment variables and the working directory.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from .app_process import AppProcess
from .errors import StartupError
from .http_server import HttpServer
from .options import SeveralApps
from .router import Router, router_error_response
from .run import stop_signal
from .served_app import GRACE_SECONDS, reachable, url_lines


async def serve_several(options: SeveralApps) -> None:
    """Start all, print their URLs, and stop on the first signal; exit on the second.

    Raises:
        StartupError: One of the apps can't be served, or has ended.
        OSError: A port is taken.
    """
    stop_requested = stop_signal()
    async with AsyncExitStack() as exit_stack:
        apps = [await AppProcess.start(exit_stack, each) for each in options.apps]
        names = [app.listening.name for app in apps]
        for name in names:
            if names.count(name) > 1:
                raise StartupError(
                    f"Two apps have the name {name}: give them other names in"
                    " .chalice/config.json, or serve other stages"
                )
        rest, sockets = (
            HttpServer(Router(ports).handle, error_response=router_error_response)
            for ports in (
                {app.listening.name: app.listening.rest_port for app in apps},
                {app.listening.name: app.listening.ws_port for app in apps},
            )
        )
        # Stopped first, so that the apps still answer what has arrived.
        for server, port in ((rest, options.port), (sockets, options.ws_port)):
            await server.start(options.host, port)
            exit_stack.push_async_callback(server.stop, GRACE_SECONDS)
        print(_startup_message(options.host, (rest.port, sockets.port), apps), flush=True)
        stopping = asyncio.create_task(stop_requested.wait())
        exits = [asyncio.create_task(app.wait_for_exit()) for app in apps]
        done, pending = await asyncio.wait([stopping, *exits], return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for ended in exits:
            if ended in done:
                raise StartupError(ended.result())


def _startup_message(host: str, ports: tuple[int, int], apps: list[AppProcess]) -> str:
    rest, sockets = (f"http://{reachable(host, port)}" for port in ports)
    lines = []
    for listening in (app.listening for app in apps):
        path = f"{listening.name}/{listening.api_stage}"
        lines += [listening.name]
        lines += [
            f"  {line}"
            for line in (*url_lines(f"{rest}/{path}", f"{sockets}/{path}"), *listening.schedules)
        ]
    return "\n".join(lines)
