"""``chalice-gateway invoke``: runs one function of an app with one event.

Owns the choice of function and event, and what is written where: the answer to stdout, and
all that the app writes to stderr. The function runs in this process, or in a running gateway.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any

from . import ids
from .app_runtime import enter_runtime
from .chalice_app import AppFunction
from .errors import StartupError
from .invocation import run_function
from .lambdas import ExecutionEnvironments, LambdaFunction
from .options import InvokeOptions
from .sample_events import sample_event
from .sigv4 import credentials_from

LOG = logging.getLogger(__name__)


def invoke(options: InvokeOptions) -> int:
    """Print the function's answer, or its error; 0, or 1 if it raised.

    Raises:
        StartupError: There is no such function, app or event, or no gateway.
    """
    event = None if options.event is None else _read_event(options.event)
    answers = sys.stdout
    # Chalice's logger writes to stdout, and so does print().
    with redirect_stdout(sys.stderr), ExitStack() as exit_stack:
        loaded = enter_runtime(exit_stack, options.folder.resolve(), options.stage)
        invoked = find_function(options.name, loaded.lambdas.by_chalice_name)
        if event is None:
            event = sample_event(loaded.app, invoked, loaded.config.api_stage)
        if options.endpoint_url is None:
            failed, payload = asyncio.run(_run(invoked.function, event))
        else:
            failed, payload = _run_remotely(options.endpoint_url, invoked.function, event)
    answer = json.loads(payload)
    answers.write(f"{json.dumps(answer, indent=2, ensure_ascii=False)}\n")
    if failed:
        # The traceback, as in the function's log on AWS.
        trace = "".join(answer.get("stackTrace", ()))
        error = ": ".join(answer[name] for name in ("errorType", "errorMessage") if name in answer)
        LOG.error("%s failed\n%s%s", invoked.function.name, trace, error)
    return int(failed)


def _read_event(path: Path) -> Any:
    is_stdin = str(path) == "-"
    try:
        return json.loads(sys.stdin.read() if is_stdin else path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise StartupError(f"{'stdin' if is_stdin else path} is not JSON: {error}") from error
    except OSError as error:
        raise StartupError(f"{path}: {error.strerror}") from error


def find_function(name: str, functions: Mapping[str, AppFunction]) -> AppFunction:
    """The function of that name, either Chalice's or the deployed one.

    Raises:
        StartupError: There is none; the message lists all.
    """
    for found in functions.values():
        if name in (found.name, found.function.name):
            return found
    width = max(map(len, functions))
    lines = [f"  {each.name:{width}}  {each.kind.value}" for each in functions.values()]
    raise StartupError("\n".join([f"There is no function {name}. The app's functions:", *lines]))


async def _run(function: LambdaFunction, event: Any) -> tuple[bool, bytes]:
    environments = ExecutionEnvironments(1)
    try:
        return await run_function(environments, function, event, ids.uuid())
    finally:
        await environments.stop(0)


def _run_remotely(endpoint_url: str, function: LambdaFunction, event: Any) -> tuple[bool, bytes]:
    import boto3  # noqa: PLC0415 - slow to import, and seldom needed
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    credentials = credentials_from(os.environ)
    client = boto3.client(
        "lambda",
        endpoint_url=endpoint_url,
        region_name=function.region,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token,
        config=Config(
            retries={"total_max_attempts": 1}, read_timeout=function.timeout_seconds + 10
        ),
    )
    try:
        answer = client.invoke(FunctionName=function.name, Payload=json.dumps(event))
        return "FunctionError" in answer, answer["Payload"].read()
    except (BotoCoreError, ClientError) as error:
        raise StartupError(f"{endpoint_url}: {error}") from error
    finally:
        client.close()
