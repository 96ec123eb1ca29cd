"""``python -m chalicelib.auth``: what it prints can be used, and what can't be had is said."""

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


def test_keys_are_made_and_a_server_s_token_with_them(capsys: pytest.CaptureFixture[str]) -> None:
    keys = printed(capsys, "keys")
    token = printed(capsys, "token", "--days", "2", AUTH_KEYS=keys)
    bearer = tokens.read(token, read_keys(keys))

    assert bearer.role is Role.SERVER
    assert abs(bearer.valid_until_s - time.time() - 2 * 86_400) < 60
    # The store's clock may be behind this one, and the token is to hold at once.
    assert abs(bearer.valid_from_s - time.time() + 300) < 60


def test_keys_can_be_made_where_they_are_missing_most(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_keys(printed(capsys, "keys", AUTH="on"))


@pytest.mark.parametrize("days", ["0", "-1", "3651", "soon"])
def test_a_token_that_would_never_hold_is_not_made(
    capsys: pytest.CaptureFixture[str], days: str
) -> None:
    with pytest.raises(SystemExit):
        main(["token", "--days", days], {"AUTH_KEYS": json.dumps(SECRET)})

    assert "argument --days" in capsys.readouterr().err


def test_a_new_key_goes_before_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    for there_are in (json.dumps(SECRET), json.dumps({"keys": [SECRET]})):
        made = json.loads(printed(capsys, "keys", AUTH_KEYS=there_are))["keys"]

        assert made[1:] == [SECRET]
        assert made[0]["kid"] != SECRET["kid"]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["token"], {}, "There are no keys; set AUTH_KEYS or AUTH_KEYS_SECRET\n"),
        (["token"], {"AUTH_KEYS": "x"}, "The keys are no JSON\n"),
        (["keys"], {"AUTH_KEYS": "x"}, "The keys are no JSON\n"),
        (["keys"], {"SHARDS": "x"}, "SHARDS is 'x'; it must be a whole number above 0\n"),
    ],
)
def test_what_can_not_be_made_is_said(
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    environment: dict[str, str],
    said: str,
) -> None:
    assert main(arguments, environment) == 1
    assert capsys.readouterr() == ("", said)
