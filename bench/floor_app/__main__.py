"""``python -m bench.floor_app PORT``: the floor behind the local stack's own front."""

from __future__ import annotations

import asyncio
import signal
import sys

from bench.floor_app.app import app
from chalice_gateway.http_server import HttpServer
from chalice_gateway.lambdas import ExecutionEnvironments, LambdaFunction, make_thread_safe
from chalice_gateway.proxy_request import ApiIdentity
from chalice_gateway.rest import RestApi
from local.__main__ import fastest_loop
from local.stack import Options


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    environments = ExecutionEnvironments(Options().environments)
    function = LambdaFunction("floor", make_thread_safe(app))
    api = RestApi(app, function, environments, identity=ApiIdentity())
    server = HttpServer(api.handle, error_response=api.error_response)
    await server.start("127.0.0.1", port)
    await stopping.wait()
    await server.stop(1.0)
    await environments.stop(1.0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        runner.run(serve(int(sys.argv[1])))
