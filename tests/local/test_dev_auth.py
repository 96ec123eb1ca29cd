"""Keys and token of a stack with AUTH=on."""

from __future__ import annotations

import asyncio
import json
import shlex
import stat
from pathlib import Path

import pytest

from chalicelib.auth import jwt as tokens
from chalicelib.auth.jwks import new_key, read_keys
from chalicelib.auth.policy import Role
from local.__main__ import example_commands, main, token_command
from local.dev_auth import KEYS_FILE, AuthKeysError, DevToken, prepare_auth

ROOT = Path(__file__).parents[2]
SET_BY_THE_STACK = (
    "REDIS_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(ROOT)
    for name in ("AUTH_KEYS", "AUTH_KEYS_SECRET", *SET_BY_THE_STACK):
        # Set first, so that the test's changes are undone.
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("AUTH", "on")
    return monkeypatch


def prepared(data_dir: Path) -> DevToken:
    dev_token = asyncio.run(prepare_auth(data_dir))
    assert dev_token is not None
    return dev_token


def test_keys_are_generated_once_and_readable_by_the_user_alone(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    data_dir = tmp_path / "data"
    first = prepared(data_dir)
    environment.setenv("AUTH_KEYS", "")
    second = prepared(data_dir)

    stored = (data_dir / KEYS_FILE).read_text()
    assert stat.S_IMODE((data_dir / KEYS_FILE).stat().st_mode) == 0o600
    assert (first.is_generated, second.is_generated) == (True, True)
    for one in (first, second):
        assert tokens.read(one.token, read_keys(stored)).role is Role.SERVER
        assert one.token not in repr(one)


def test_configured_keys_sign_and_none_are_stored(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    keys = json.dumps(new_key("given"))
    environment.setenv("AUTH_KEYS", keys)

    dev_token = prepared(tmp_path)

    assert not dev_token.is_generated
    assert tokens.read(dev_token.token, read_keys(keys)).role is Role.SERVER
    assert list(tmp_path.iterdir()) == []


def test_no_keys_with_auth_off_or_without_an_auth_command(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AUTH", "off")
    assert asyncio.run(prepare_auth(tmp_path)) is None

    environment.setenv("AUTH", "on")
    environment.chdir(tmp_path)
    assert asyncio.run(prepare_auth(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_corrupt_stored_keys_are_reported(tmp_path: Path) -> None:
    (tmp_path / KEYS_FILE).write_text("x")

    with pytest.raises(AuthKeysError, match="The keys are not JSON"):
        prepared(tmp_path)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AUTH_KEYS": "hush"}, "local: The keys are not JSON\n"),
        (
            {"AUTH_KEYS": "hush", "AUTH_KEYS_SECRET": "hush"},
            "local: AUTH is on; set either AUTH_KEYS or AUTH_KEYS_SECRET\n",
        ),
    ],
)
def test_invalid_keys_prevent_the_start(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    said: str,
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)

    assert main(["--port", "0", "--ws-port", "0", "--redis-url", "redis://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == said


def test_example_commands_include_the_token_if_required() -> None:
    *calls, watch, listen = example_commands("http://h:1", "ws://h:2/dev", with_token=True)

    for call in calls:
        words = shlex.split(call)
        assert words[words.index("-H") + 1] == "Authorization: Bearer $TOKEN"
    assert shlex.split(watch)[-2:] == ["--token", "$TOKEN"]
    assert shlex.split(listen)[-1].endswith("&token=$TOKEN")
    assert token_command("a.b.c") == "TOKEN=a.b.c"
    # A token from configured keys is not printed.
    assert token_command(None).endswith(" -m chalicelib.auth token)")
