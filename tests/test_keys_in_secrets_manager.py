"""Keys are read from AWS Secrets Manager, once, and who can't read them says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.access import tokens
from chalicelib.access.keys import InvalidKeys
from chalicelib.access.secret import keys_text
from chalicelib.settings import Settings
from chalicelib.wiring import Services
from tests.access.people import KEYS, SECRET, a_bearer

REGION = "eu-west-1"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    # Nothing of this machine's own.
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with mock_aws():
        yield boto3.client("secretsmanager", region_name=REGION)


def settings_of(arn: str) -> Settings:
    return Settings(auth=True, auth_keys_secret=arn, aws_region=REGION)


def test_a_secret_is_what_is_stored_under_its_arn(secrets: Any) -> None:
    made = secrets.create_secret(Name="keys", SecretString="the text")

    assert keys_text(settings_of(made["ARN"])) == "the text"


def test_it_is_read_with_the_first_token_and_never_again(secrets: Any) -> None:
    text = json.dumps({"keys": [SECRET]})
    made = secrets.create_secret(Name="keys", SecretString=text)
    services = Services(settings_of(made["ARN"]))
    token = tokens.sign(a_bearer(), KEYS)
    assert services.open_gate.bearer(token) == a_bearer()

    secrets.delete_secret(SecretId=made["ARN"])

    assert services.open_gate.bearer(token) == a_bearer()


def test_what_can_not_be_read_is_named_and_so_is_why(secrets: Any) -> None:
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:none"
    with pytest.raises(InvalidKeys) as refused:
        keys_text(settings_of(arn))

    assert str(refused.value) == f"{arn} could not be read: ResourceNotFoundException"


def test_a_secret_of_bytes_is_none_of_ours(secrets: Any) -> None:
    made = secrets.create_secret(Name="keys", SecretBinary=b"x")
    with pytest.raises(InvalidKeys):
        keys_text(settings_of(made["ARN"]))


def test_what_the_setting_says_is_asked_of_nobody() -> None:
    assert keys_text(Settings(auth=True, auth_keys="the text")) == "the text"
