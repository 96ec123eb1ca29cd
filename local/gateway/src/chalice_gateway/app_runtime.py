"""The runtime of an app's functions in this process, as Lambda sets it up.

Owns the environment variables, the working directory and the order in which an app is
configured, loaded and validated. Must never serve anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack, chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chalice.app import Chalice

from .chalice_app import Lambdas, lambdas_of, load_app, runtime_environment
from .chalice_config import StageConfig
from .lambdas import make_thread_safe

Stack = ExitStack | AsyncExitStack

_DEFAULTS: Final = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
}


@dataclass(frozen=True, slots=True)
class LoadedApp:
    """One version of an app, with its configuration and its functions."""

    app: Chalice
    config: StageConfig
    lambdas: Lambdas


def enter_runtime(exit_stack: Stack, folder: Path, stage: str) -> LoadedApp:
    """Load the app in ``folder``, in the environment of a function until the stack closes.

    Raises:
        AppError: There is no app.
        ConfigError: Its configuration is invalid, or Chalice would not deploy it.
    """
    config = StageConfig.read(folder, stage)
    _enter_environment(exit_stack, folder, config)
    if folder.is_dir():
        exit_stack.enter_context(chdir(folder))
    return _load(folder, config)


def adopt_app(exit_stack: Stack, app: Chalice, config: StageConfig) -> LoadedApp:
    """An app that is loaded already, in the same environment but for the working directory.

    Raises:
        ConfigError: Chalice would not deploy the app.
    """
    _enter_environment(exit_stack, Path.cwd(), config)
    _forget_earlier_apps()
    config.validate(app)
    return LoadedApp(make_thread_safe(app), config, lambdas_of(app, config))


def load_again(folder: Path, stage: str) -> LoadedApp:
    """Load the app as it is now, within the runtime that ``enter_runtime`` has set up.

    Raises:
        Exception: Whatever importing the app raises.
        ConfigError: Its configuration is invalid, or Chalice would not deploy it.
    """
    return _load(folder, StageConfig.read(folder, stage))


def _load(folder: Path, config: StageConfig) -> LoadedApp:
    app = make_thread_safe(load_app(folder))
    _forget_earlier_apps()
    config.validate(app)
    return LoadedApp(app, config, lambdas_of(app, config))


def _enter_environment(exit_stack: Stack, folder: Path, config: StageConfig) -> None:
    exit_stack.callback(_read_time_zone)
    _set_environment(exit_stack, {**_DEFAULTS, **config.environment()})
    _set_environment(exit_stack, runtime_environment(folder, config))
    _read_time_zone()


def _forget_earlier_apps() -> None:
    """Make ``AWS_EXECUTION_ENV`` what it is after one app has been created.

    Each one that was appended itself. botocore sends the variable in a header, so that requests
    of a test run with hundreds of apps would exceed the limit for headers.
    """
    words = os.environ["AWS_EXECUTION_ENV"].split()
    os.environ["AWS_EXECUTION_ENV"] = " ".join(dict.fromkeys(words))


def _read_time_zone() -> None:
    """Let ``TZ`` apply to this process."""
    if hasattr(time, "tzset"):  # not on Windows
        time.tzset()


def _set_environment(exit_stack: Stack, variables: Mapping[str, str]) -> None:
    """Set the variables that are not set; restore all of them when the stack closes."""

    def restore(name: str, previous: str | None) -> None:
        if previous is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = previous

    for name, value in variables.items():
        # Also one that was set: each Chalice app appends to AWS_EXECUTION_ENV.
        exit_stack.callback(restore, name, os.environ.get(name))
        os.environ.setdefault(name, value)
