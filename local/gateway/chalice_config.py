"""``.chalice/config.json``: with which settings each function would be deployed.

Owns the reading of the file. Which of several values counts is for Chalice to say, by
its own ``Config``. Must never touch this process's environment.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chalice.config import Config
from chalice.constants import (
    DEFAULT_HANDLER_NAME,
    DEFAULT_LAMBDA_MEMORY_SIZE,
    DEFAULT_LAMBDA_TIMEOUT,
)

LOG = logging.getLogger(__name__)

REST: Final[str] = DEFAULT_HANDLER_NAME


class ConfigError(Exception):
    """The file can't be understood; the message tells a developer what to do."""


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """Of one function; ``environment`` has all its variables, not only those of its own."""

    timeout_seconds: float
    memory_mb: int
    environment: Mapping[str, str]


class StageConfig:
    """What a project's configuration says of one stage."""

    def __init__(self, stage: str, on_disk: dict[str, Any] | None = None) -> None:
        self.stage = stage
        self._on_disk = {} if on_disk is None else on_disk
        self._config = Config(chalice_stage=stage, config_from_disk=self._on_disk)

    @classmethod
    def read(cls, folder: Path, stage: str) -> StageConfig:
        """Of the project in ``folder``; defaults alone if it has no such file.

        Raises:
            ConfigError: The file isn't JSON, or no configuration.
        """
        path = folder / ".chalice" / "config.json"
        try:
            on_disk = json.loads(path.read_bytes())
            read = cls(stage, on_disk)
            for name in (REST, *read._named_functions()):
                read.of(name)
        except FileNotFoundError:
            return cls(stage)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path}: {error}") from error
        return read

    @property
    def app_name(self) -> str | None:
        """By which functions are named, unless it is ``None``."""
        name: str | None = self._config.app_name
        return name

    def of(self, function: str) -> FunctionSettings:
        """Of a function under Chalice's name for it, such as ``websocket_message``."""
        config = self._config.scope(self.stage, function)
        return FunctionSettings(
            float(config.lambda_timeout or DEFAULT_LAMBDA_TIMEOUT),
            int(config.lambda_memory_size or DEFAULT_LAMBDA_MEMORY_SIZE),
            config.environment_variables,
        )

    def environment(self) -> dict[str, str]:
        """What one process may have that runs all functions: the variables of each of them.

        Where they contradict one another REST's count, and what others would have is said.
        """
        merged = dict(self.of(REST).environment)
        for function in self._named_functions():
            for name, value in self.of(function).environment.items():
                if merged.setdefault(name, value) != value:
                    LOG.warning(
                        "All functions share one process here, so %s has %s=%s and not %s",
                        *(function, name, merged[name], value),
                    )
        return merged

    def _named_functions(self) -> list[str]:
        stage = self._on_disk.get("stages", {}).get(self.stage, {})
        return list(
            {**self._on_disk.get("lambda_functions", {}), **stage.get("lambda_functions", {})}
        )
