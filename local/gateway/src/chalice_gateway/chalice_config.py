"""``.chalice/config.json``: the settings with which each function is deployed.

Owns reading the file. Chalice's own ``Config`` decides which of several values applies.
Must never touch this process's environment.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chalice.app import Chalice
from chalice.config import Config
from chalice.constants import (
    DEFAULT_APIGATEWAY_STAGE_NAME,
    DEFAULT_ENDPOINT_TYPE,
    DEFAULT_HANDLER_NAME,
    DEFAULT_LAMBDA_MEMORY_SIZE,
    DEFAULT_LAMBDA_TIMEOUT,
)
from chalice.deploy.validate import ExperimentalFeatureError, validate_configuration

from .errors import StartupError

LOG = logging.getLogger(__name__)

REST: Final[str] = DEFAULT_HANDLER_NAME
_STAGE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class ConfigError(StartupError):
    """The configuration is invalid; the message names the file and the error."""


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """One function's settings. ``environment`` includes the variables of app and stage."""

    timeout_seconds: float
    memory_mb: int
    environment: Mapping[str, str]


class StageConfig:
    """A project's configuration for one stage."""

    def __init__(self, stage: str, on_disk: dict[str, Any] | None = None) -> None:
        self.stage = stage
        self._on_disk = {} if on_disk is None else on_disk
        self._config = self._for_app(None)

    @classmethod
    def read(cls, folder: Path, stage: str) -> StageConfig:
        """The configuration of the project in ``folder``; Chalice's defaults without a file.

        Raises:
            ConfigError: The file is not JSON, or not a valid configuration.
        """
        path = folder / ".chalice" / "config.json"
        try:
            on_disk = json.loads(path.read_bytes())
            config = cls(stage, on_disk)
            if not _STAGE_NAME.fullmatch(config.api_stage):
                raise ConfigError(
                    f"{path}: api_gateway_stage must be letters, digits, - and _, got"
                    f" {config.api_stage!r}"
                )
            for name in (REST, *config._named_functions()):
                config.function_settings(name)
                config._check_variables(name)
        except FileNotFoundError:
            return cls(stage)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path}: {error}") from error
        return config

    def _for_app(self, app: Chalice | None) -> Config:
        # With the defaults of Chalice's command line.
        return Config(
            chalice_stage=self.stage,
            user_provided_params={"chalice_app": app},
            config_from_disk=self._on_disk,
            default_params={
                "api_gateway_stage": DEFAULT_APIGATEWAY_STAGE_NAME,
                "api_gateway_endpoint_type": DEFAULT_ENDPOINT_TYPE,
            },
        )

    def validate(self, app: Chalice) -> None:
        """Check what Chalice checks before it deploys the app.

        Raises:
            ConfigError: Chalice would not deploy it; the message is Chalice's.
        """
        try:
            with warnings.catch_warnings():
                # A Python that Lambda lacks is only a warning there, and no obstacle here.
                warnings.simplefilter("ignore")
                validate_configuration(self._for_app(app))
        except (ExperimentalFeatureError, ValueError) as error:
            raise ConfigError(f"Chalice would not deploy this app: {error}") from error

    @property
    def app_name(self) -> str | None:
        """The app's configured name, or None to use the app's own."""
        name: str | None = self._config.app_name
        return name

    @property
    def api_stage(self) -> str:
        """API Gateway's stage, which is in URLs and events; not the name of Chalice's stage."""
        name: str = self._config.api_gateway_stage
        return name

    @property
    def minimum_compression_bytes(self) -> int | None:
        """The size from which responses are compressed; None to compress none."""
        size: int | None = self._config.minimum_compression_size
        return size

    def function_settings(self, function: str) -> FunctionSettings:
        """The settings of a function, by Chalice's name for it, such as ``websocket_message``."""
        config = self._config.scope(self.stage, function)
        return FunctionSettings(
            float(config.lambda_timeout or DEFAULT_LAMBDA_TIMEOUT),
            int(config.lambda_memory_size or DEFAULT_LAMBDA_MEMORY_SIZE),
            config.environment_variables,
        )

    def environment(self) -> dict[str, str]:
        """The variables of all functions, for the one process that runs them.

        On a conflict REST's value applies, and a warning names the other.
        """
        merged = dict(self.function_settings(REST).environment)
        for function in self._named_functions():
            for name, value in self.function_settings(function).environment.items():
                if merged.setdefault(name, value) != value:
                    LOG.warning(
                        "All functions share one process here, so %s has %s=%s instead of %s",
                        *(function, name, merged[name], value),
                    )
        return merged

    def _check_variables(self, function: str) -> None:
        for name, value in self.function_settings(function).environment.items():
            if not isinstance(value, str):
                raise ValueError(  # noqa: TRY004 - the type of what a user wrote
                    f"environment_variables of {function}: {name} must be a string, got"
                    f" {json.dumps(value)}; put it in quotes"
                )

    def _named_functions(self) -> list[str]:
        stage = self._on_disk.get("stages", {}).get(self.stage, {})
        return list(
            {**self._on_disk.get("lambda_functions", {}), **stage.get("lambda_functions", {})}
        )
