"""The package's README names every option, and its example app works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalice_gateway.command_line import read_arguments
from chalice_gateway.testing import running_gateway

README = (Path(__file__).parents[2] / "local/gateway/README.md").read_text()


@pytest.mark.parametrize("command", ["run", "invoke"])
def test_every_option_is_documented(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_arguments([command, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}

    assert len(options) >= 3
    assert {option for option in options if f"`{option}`" not in README} == set()


def test_example_app_echoes(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(import boto3\n.*?)```", README, re.DOTALL)
    (tmp_path / "app.py").write_text(source)

    with running_gateway(tmp_path) as gateway:
        client = gateway.connect()
        client.send("hello")
        assert client.receive() == "hello"
