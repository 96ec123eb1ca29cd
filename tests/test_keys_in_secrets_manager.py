"""Keys are read from AWS Secrets Manager with the first token, and again when they may be others.

moto's server stands for it, which is asked as AWS is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from bench.secrets_manager import keeping, secrets_manager
from chalicelib.access import tokens
from chalicelib.access.keys import InvalidKeys
from chalicelib.access.secret import keys_text
from chalicelib.core.errors import KeysUnavailable
from chalicelib.settings import Settings, read_settings
from chalicelib.wiring import Services
from tests.access.people import KEYS, SECRET, a_bearer
from tests.aws.moto_server import moto_server

REGION = "eu-west-1"
NONE = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:none"
TOKEN = tokens.sign(a_bearer(), KEYS)


@pytest.fixture
def endpoint() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def secrets(endpoint: str) -> Any:
    return boto3.client(
        "secretsmanager",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@pytest.fixture
def settings(endpoint: str) -> Settings:
    return Settings(
        auth=True,
        auth_keys_secret=NONE,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        aws_session_token="testing",
        aws_endpoint_url_secrets_manager=endpoint,
    )


def test_a_secret_is_what_is_stored_under_its_arn(secrets: Any, settings: Settings) -> None:
    made = secrets.create_secret(Name=f"keys-{uuid4()}", SecretString="the text")

    assert keys_text(replace(settings, auth_keys_secret=made["ARN"])) == "the text"


def test_it_is_read_with_the_first_token_and_not_again_with_the_next(
    secrets: Any, settings: Settings
) -> None:
    made = secrets.create_secret(Name=f"keys-{uuid4()}", SecretString=json.dumps(SECRET))
    services = Services(replace(settings, auth_keys_secret=made["ARN"]))
    assert services.open_gate.bearer(TOKEN) == a_bearer()

    secrets.delete_secret(SecretId=made["ARN"])

    assert services.open_gate.bearer(TOKEN) == a_bearer()


def test_what_can_not_be_read_is_named_and_so_is_why(settings: Settings) -> None:
    why = f"{NONE} could not be read: ResourceNotFoundException"
    with pytest.raises(InvalidKeys) as refused:
        keys_text(settings)
    with pytest.raises(KeysUnavailable) as unavailable:
        Services(settings).open_gate.bearer(TOKEN)

    assert (str(refused.value), str(unavailable.value)) == (why, f"keys: {why}")


def test_a_secret_of_bytes_is_none_of_ours(secrets: Any, settings: Settings) -> None:
    made = secrets.create_secret(Name=f"keys-{uuid4()}", SecretBinary=b"x")

    with pytest.raises(InvalidKeys):
        keys_text(replace(settings, auth_keys_secret=made["ARN"]))


def test_credentials_may_be_where_botocore_finds_them(
    secrets: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = secrets.create_secret(Name=f"keys-{uuid4()}", SecretString="the text")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    shared = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    elsewhere = replace(settings, auth_keys_secret=made["ARN"], aws_access_key_id="")

    with pytest.raises(InvalidKeys, match="could not be read: botocore finds no credentials"):
        keys_text(elsewhere)
    shared.write_text("[default]\naws_access_key_id = half\n")
    with pytest.raises(InvalidKeys, match="credentials: PartialCredentialsError"):
        keys_text(elsewhere)
    shared.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    assert keys_text(elsewhere) == "the text"


def test_what_the_setting_says_is_asked_of_nobody() -> None:
    assert keys_text(Settings(auth=True, auth_keys="the text")) == "the text"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, ""),
        ({"AWS_ENDPOINT_URL": "http://all"}, "http://all"),
        (
            {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://this"},
            "http://this",
        ),
    ],
)
def test_another_endpoint_is_named_as_boto3_has_it_named(given: dict[str, str], asked: str) -> None:
    assert read_settings(given).aws_endpoint_url_secrets_manager == asked


FETCHED = """
import sys
from chalicelib.wiring import Services
from chalicelib.settings import read_settings
print(Services(read_settings()).open_gate.bearer(sys.argv[1]).token_id)
print(sorted({"boto3", "botocore"} & set(sys.modules)))
"""


def test_whose_credentials_are_settings_imports_neither_boto3_nor_botocore() -> None:
    with secrets_manager(keeping(NONE, json.dumps(SECRET))) as endpoint:
        done = subprocess.run(
            [sys.executable, "-c", FETCHED, TOKEN],
            env={
                "AUTH": "on",
                "AUTH_KEYS_SECRET": NONE,
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint,
            },
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        )

    assert done.stdout.split("\n")[:2] == [a_bearer().token_id, "[]"]
