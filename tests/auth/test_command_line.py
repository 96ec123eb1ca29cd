"""``python -m chalicelib.auth``: its output is usable, and failures are reported."""

from __future__ import annotations

import json
import time

import pytest

from chalicelib.auth import jwt as tokens
from chalicelib.auth.__main__ import main
from chalicelib.auth.jwks import read_keys
from chalicelib.auth.policy import Role

from .bearers import SECRET


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, **environment: str) -> str:
    assert main(arguments, environment) == 0
    return capsys.readouterr().out.strip()


def test_new_keys_sign_a_server_token(capsys: pytest.CaptureFixture[str]) -> None:
    keys = printed(capsys, "keys")
    token = printed(capsys, "token", "--days", "2", AUTH_KEYS=keys)
    bearer = tokens.read(token, read_keys(keys))

    assert bearer.role is Role.SERVER
    assert abs(bearer.valid_until_s - time.time() - 2 * 86_400) < 60
    # The store's clock may be behind this one, and the token must be valid at once.
    assert abs(bearer.valid_from_s - time.time() + 300) < 60


def test_keys_are_created_where_auth_is_on_and_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_keys(printed(capsys, "keys", AUTH="on"))


@pytest.mark.parametrize("days", ["0", "-1", "3651", "soon"])
def test_invalid_days_are_rejected(capsys: pytest.CaptureFixture[str], days: str) -> None:
    with pytest.raises(SystemExit):
        main(["token", "--days", days], {"AUTH_KEYS": json.dumps(SECRET)})

    assert "argument --days" in capsys.readouterr().err


def test_new_key_precedes_existing_keys(capsys: pytest.CaptureFixture[str]) -> None:
    for there_are in (json.dumps(SECRET), json.dumps({"keys": [SECRET]})):
        made = json.loads(printed(capsys, "keys", AUTH_KEYS=there_are))["keys"]

        assert made[1:] == [SECRET]
        assert made[0]["kid"] != SECRET["kid"]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["token"], {}, "No signing keys are configured; set AUTH_KEYS or AUTH_KEYS_SECRET\n"),
        (["token"], {"AUTH_KEYS": "x"}, "The keys are not JSON\n"),
        (["keys"], {"AUTH_KEYS": "x"}, "The keys are not JSON\n"),
        (["keys"], {"SHARDS": "x"}, "SHARDS is 'x'; it must be a positive whole number\n"),
    ],
)
def test_failures_are_reported(
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    environment: dict[str, str],
    said: str,
) -> None:
    assert main(arguments, environment) == 1
    assert capsys.readouterr() == ("", said)
