"""Keys from AWS Secrets Manager: read with the first token, cached, read again for unknown keys.

moto plays Secrets Manager, in this process and as a server; a stub sends what moto never does.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from bench.secrets_manager import Answer, Asked, keeping, secrets_manager
from chalicelib.auth import jwt as tokens
from chalicelib.auth.authenticator import TokenAuthenticator
from chalicelib.auth.jwks import InvalidKeys, new_key
from chalicelib.auth.key_cache import MIN_REFRESH_INTERVAL_SECONDS, KeyCache
from chalicelib.auth.key_source import ATTEMPTS, READ_TIMEOUT_SECONDS, KeySource
from chalicelib.container import Container
from chalicelib.core.errors import KeysUnavailable
from chalicelib.settings import Settings
from tests.auth.bearers import KEYS, SECRET, a_bearer, a_key_set
from tests.moto_server import moto_server
from tests.waiting import HUNG_AFTER_S

REGION = "eu-west-1"
NONE = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:none"
TOKEN = tokens.sign(a_bearer(), KEYS)
ENDPOINT = "AWS_ENDPOINT_URL_SECRETS_MANAGER"
HUSH = "a-session-token"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "hush-hush",
    "AWS_SESSION_TOKEN": HUSH,
    # Ignored in favour of the region of the ARN.
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["in this process", "a server"])
def secrets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Secrets Manager client; AWS calls of the test go to the same server."""
    if request.param == "a server":
        with moto_server() as endpoint:
            monkeypatch.setenv(ENDPOINT, endpoint)
            yield boto3.client("secretsmanager", region_name=REGION)
    else:
        with mock_aws():
            yield boto3.client("secretsmanager", region_name=REGION)


def stored(secrets: Any, **content: Any) -> str:
    arn: str = secrets.create_secret(Name=f"keys-{uuid4()}", **content)["ARN"]
    return arn


def settings_of(arn: str) -> Settings:
    return Settings(auth=True, auth_keys_secret=arn)


def text_of(arn: str) -> str:
    return KeySource(settings_of(arn)).read(fresh=True)


def test_secret_is_read_by_its_arn(secrets: Any) -> None:
    assert text_of(stored(secrets, SecretString="täxt")) == "täxt"


def test_secret_is_read_with_the_first_token_only(secrets: Any) -> None:
    arn = stored(secrets, SecretString=json.dumps(SECRET))
    container = Container(settings_of(arn))
    assert container.required_authenticator.authenticate(TOKEN) == a_bearer()

    secrets.delete_secret(SecretId=arn)

    assert container.required_authenticator.authenticate(TOKEN) == a_bearer()


def test_secret_is_read_again_for_an_unknown_kid(secrets: Any) -> None:
    new, now_s = new_key("new"), 0.0
    arn = stored(secrets, SecretString=json.dumps(SECRET))
    authenticator = TokenAuthenticator(
        KeyCache(KeySource(settings_of(arn)).read, lambda: now_s), 60
    )
    assert authenticator.authenticate(TOKEN)
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"keys": [new, SECRET]}))

    now_s = MIN_REFRESH_INTERVAL_SECONDS

    assert authenticator.authenticate(tokens.sign(a_bearer(), a_key_set(new))) == a_bearer()
    assert authenticator.authenticate(TOKEN) == a_bearer()


@pytest.mark.parametrize(
    ("max_age_seconds", "fresh", "expected"),
    [(60, False, "old"), (60, True, "new"), (0, False, "new")],
)
def test_secret_is_cached_unless_fresh(
    secrets: Any, max_age_seconds: int, fresh: bool, expected: str
) -> None:
    arn = stored(secrets, SecretString="old")
    text = KeySource(settings_of(arn), max_age_seconds)
    assert text.read(fresh=False) == "old"
    secrets.put_secret_value(SecretId=arn, SecretString="new")

    assert text.read(fresh=fresh) == expected


@pytest.mark.usefixtures("secrets")
def test_unreadable_secret_is_reported_with_its_reason() -> None:
    reason = f"{NONE} could not be read: ResourceNotFoundException"
    with pytest.raises(InvalidKeys) as refused:
        text_of(NONE)
    with pytest.raises(KeysUnavailable) as unavailable:
        Container(settings_of(NONE)).required_authenticator.authenticate(TOKEN)

    assert (str(refused.value), str(unavailable.value)) == (reason, f"keys: {reason}")


def test_binary_secret_is_rejected(secrets: Any) -> None:
    with pytest.raises(InvalidKeys, match="it is binary; store it as text"):
        text_of(stored(secrets, SecretBinary=b"x"))


def test_credentials_come_from_boto3s_default_chain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    shared = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    with secrets_manager(keeping(NONE, "the text")) as endpoint:
        monkeypatch.setenv(ENDPOINT, endpoint)

        with pytest.raises(InvalidKeys, match="could not be read: NoCredentialsError"):
            text_of(NONE)
        shared.write_text("[default]\naws_access_key_id = half\n")
        with pytest.raises(InvalidKeys, match="could not be read: Partial credentials"):
            text_of(NONE)
        shared.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
        assert text_of(NONE) == "the text"


# Responses of the server, and missing ones


def reason_of(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> str:
    with secrets_manager(answer) as endpoint:
        monkeypatch.setenv(ENDPOINT, endpoint)
        with pytest.raises(InvalidKeys) as refused:
            text_of(NONE)
    printed = "".join(traceback.format_exception(refused.value))
    assert HUSH not in printed
    assert "hush-hush" not in printed
    begin, _, reason = str(refused.value).partition(" could not be read: ")
    assert begin == NONE
    return reason


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (400, b'{"__type": "com.amazon#AccessDeniedException"}', "AccessDeniedException"),
        # Such a message quotes the signed request, session token included.
        (
            403,
            b'{"__type": "InvalidSignatureException", "message": "token:a-session-token"}',
            "InvalidSignatureException",
        ),
        (400, b"", "400"),
        (403, b'{"message": "a-session-token"}', "403"),
        # A response without a secret.
        (200, b"a-session-token", "KeyError"),
    ],
)
def test_error_response_is_reported_by_its_code(
    status: int,
    answer: bytes,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        assert reason_of(lambda _: (status, answer), monkeypatch) == expected

    assert HUSH not in caplog.text


@pytest.mark.parametrize(("status", "times"), [(500, ATTEMPTS), (503, ATTEMPTS), (400, 1)])
def test_server_error_is_retried_once_and_denial_is_not(
    status: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Asked] = []

    def stumble(request: Asked) -> tuple[int, bytes]:
        asked.append(request)
        return status, b""

    assert reason_of(stumble, monkeypatch) == str(status)
    assert len(asked) == times


def test_missing_response_times_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Event()
    asked: list[Asked] = []

    def hang(request: Asked) -> tuple[int, bytes]:
        asked.append(request)
        gone.wait(2 * HUNG_AFTER_S)
        return 500, b""

    began_s = time.monotonic()
    with secrets_manager(hang) as endpoint:
        monkeypatch.setenv(ENDPOINT, endpoint)
        with pytest.raises(InvalidKeys, match="ReadTimeoutError"):
            text_of(NONE)
        took_s = time.monotonic() - began_s
        gone.set()

    assert ATTEMPTS * READ_TIMEOUT_SECONDS <= took_s < HUNG_AFTER_S
    assert len(asked) == ATTEMPTS


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [("http://127.0.0.1:1", "EndpointConnectionError"), ("nowhere", "Invalid endpoint: nowhere")],
)
def test_refused_connection_is_reported(
    endpoint: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, endpoint)

    with pytest.raises(InvalidKeys, match=f"could not be read: {expected}"):
        text_of(NONE)


# Cost


def test_keys_setting_is_used_without_a_request() -> None:
    assert KeySource(Settings(auth=True, auth_keys="the text")).read(fresh=True) == "the text"


READ = """
import sys
from chalicelib.container import Container
from chalicelib.settings import read_settings
print(Container(read_settings()).required_authenticator.authenticate(sys.argv[1]).token_id)
print("boto3" in sys.modules, "botocore.session" in sys.modules)
"""


@pytest.mark.parametrize("of_a_secret", [False, True])
def test_boto3_is_imported_only_to_read_a_secret(of_a_secret: bool) -> None:
    key = json.dumps(SECRET)
    with secrets_manager(keeping(NONE, key)) as endpoint:
        where = {"AUTH_KEYS_SECRET": NONE, ENDPOINT: endpoint}
        done = subprocess.run(
            [sys.executable, "-c", READ, TOKEN],
            env={**CREDENTIALS, "AUTH": "on", **(where if of_a_secret else {"AUTH_KEYS": key})},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )

    token_id, imported = done.stdout.splitlines()
    assert token_id == a_bearer().token_id
    assert imported.split() == [str(of_a_secret)] * 2
