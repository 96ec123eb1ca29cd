"""Settings of each function in ``.chalice/config.json``, merged as Chalice merges them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice

from chalice_gateway.chalice_config import ConfigError, FunctionSettings, StageConfig

EVERYWHERE: dict[str, Any] = {
    "app_name": "clock",
    "lambda_timeout": 10,
    "environment_variables": {"A": "1", "B": "1"},
    "lambda_functions": {"greet": {"lambda_timeout": 11, "lambda_memory_size": 300}},
    "stages": {
        "dev": {
            "environment_variables": {"B": "2"},
            "lambda_functions": {
                "greet": {"lambda_timeout": 12, "environment_variables": {"C": "3"}},
            },
        },
        "prod": {"lambda_timeout": 20},
    },
}


def test_missing_file_gives_chalice_s_defaults(tmp_path: Path) -> None:
    config = StageConfig.read(tmp_path, "dev")

    assert config.function_settings("greet") == FunctionSettings(60, 128, {})
    assert (config.app_name, config.environment()) == (None, {})


@pytest.mark.parametrize(
    ("stage", "function", "settings"),
    [
        ("dev", "api_handler", FunctionSettings(10, 128, {"A": "1", "B": "2"})),
        ("dev", "greet", FunctionSettings(12, 300, {"A": "1", "B": "2", "C": "3"})),
        ("prod", "api_handler", FunctionSettings(20, 128, {"A": "1", "B": "1"})),
        # A stage's setting overrides the project's for one function.
        ("prod", "greet", FunctionSettings(20, 300, {"A": "1", "B": "1"})),
        ("test", "greet", FunctionSettings(11, 300, {"A": "1", "B": "1"})),
    ],
)
def test_most_specific_setting_applies(
    stage: str, function: str, settings: FunctionSettings, tmp_path: Path
) -> None:
    write(tmp_path, json.dumps(EVERYWHERE))

    assert StageConfig.read(tmp_path, stage).function_settings(function) == settings


@pytest.mark.parametrize(("stage", "api_stage"), [("dev", "v1"), ("prod", "v2"), ("test", "v2")])
def test_api_stage_is_the_configured_one(stage: str, api_stage: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        '{"api_gateway_stage": "v2", "stages": {"dev": {"api_gateway_stage": "v1"}, "prod": {}}}',
    )

    assert StageConfig.read(tmp_path, stage).api_stage == api_stage


@pytest.mark.parametrize(
    "variables",
    [
        {"environment_variables": {"PORT": 8000}},
        {"stages": {"dev": {"environment_variables": {"PORT": 8000}}}},
        {
            "stages": {
                "dev": {"lambda_functions": {"greet": {"environment_variables": {"PORT": 8000}}}}
            }
        },
    ],
)
def test_variable_that_is_not_a_string_is_an_error(
    variables: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path, json.dumps(variables))

    with pytest.raises(ConfigError, match="PORT must be a string, got 8000; put it in quotes"):
        StageConfig.read(tmp_path, "dev")


def test_compression_size_is_the_configured_one() -> None:
    assert StageConfig("dev").minimum_compression_bytes is None
    config = StageConfig("dev", {"stages": {"dev": {"minimum_compression_size": 7}}})
    assert config.minimum_compression_bytes == 7


@pytest.mark.parametrize("size", [-1, 10 * 1024 * 1024 + 1, "x"])
def test_app_is_validated_as_before_a_deployment(size: Any) -> None:
    app = Chalice("clock", configure_logs=False)
    StageConfig("dev").validate(app)
    with pytest.raises(ConfigError, match="'minimum_compression_size' must be"):
        StageConfig("dev", {"minimum_compression_size": size}).validate(app)


def test_api_stage_is_chalice_s_default() -> None:
    assert StageConfig("dev").api_stage == "api"


def write(folder: Path, text: str) -> None:
    (folder / ".chalice").mkdir()
    (folder / ".chalice" / "config.json").write_text(text)


def test_environment_has_the_variables_of_all_functions() -> None:
    assert StageConfig("dev", EVERYWHERE).environment() == {"A": "1", "B": "2", "C": "3"}


def test_conflicting_variable_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    config = StageConfig(
        "dev",
        {
            "environment_variables": {"A": "1"},
            "stages": {
                "dev": {"lambda_functions": {"greet": {"environment_variables": {"A": "2"}}}}
            },
        },
    )

    with caplog.at_level(logging.WARNING):
        assert config.environment() == {"A": "1"}
    assert "so greet has A=1 instead of 2" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        '{"api_gateway_stage": "a/b"}',
        '{"api_gateway_stage": 1}',
        "{",
        "[]",
        "1",
        '{"stages": []}',
        '{"lambda_timeout": "soon"}',
        '{"lambda_timeout": [10]}',
    ],
)
def test_invalid_configuration_is_an_error_with_the_file_s_name(text: str, tmp_path: Path) -> None:
    write(tmp_path, text)

    with pytest.raises(ConfigError, match=r"config\.json: "):
        StageConfig.read(tmp_path, "dev")
