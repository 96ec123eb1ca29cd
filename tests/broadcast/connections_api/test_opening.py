"""Which client is opened, and with whose credentials."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

import pytest

from chalicelib.broadcast.connections_api import (
    ConnectionsApi,
    Credentials,
    CurrentCredentials,
    DeliveryStatus,
    NoCredentials,
    Post,
    from_botocore,
    open_boto3_client,
    open_connections_api,
)

from .stub_server import CREDENTIALS, REGION, Stub

OpenOne = Callable[[str, CurrentCredentials], ConnectionsApi]


def is_fast(api: ConnectionsApi, stub: Stub) -> bool:
    assert api.post_all([Post(stub.endpoint, "a=", b"1", inf)], 10) == [DeliveryStatus.DELIVERED]
    api.close(10)
    return stub.received[-1].headers["user-agent"] == "tickless"


def test_curl_client_is_used_if_pycurl_is_installed(
    stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    assert is_fast(open_connections_api(REGION, CREDENTIALS), stub)
    assert not caplog.records


def test_boto3_client_is_used_and_logged_without_pycurl(
    stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'pycurl'", name="pycurl")

    with caplog.at_level(logging.WARNING, "chalicelib"):
        api = open_connections_api(REGION, CREDENTIALS, curl_transport=missing)  # type: ignore[arg-type]

    assert not is_fast(api, stub)
    assert [one.levelname for one in caplog.records if "pycurl" in one.message] == ["WARNING"]


def test_credentials_come_from_botocore_by_default(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CREDENTIALS.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CREDENTIALS.secret_access_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)

    assert is_fast(open_connections_api(REGION), stub)
    assert not is_fast(open_boto3_client(REGION), stub)


def test_temporary_credentials_of_botocore_have_their_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")

    assert from_botocore()() == Credentials("ASIA", "secret", "token")


def test_missing_credentials_are_reported_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(NoCredentials):
        open_connections_api(REGION)


@pytest.mark.parametrize("open_one", [open_connections_api, open_boto3_client])
def test_rotated_credentials_are_used(stub: Stub, open_one: OpenOne) -> None:
    current = CREDENTIALS

    api = open_one(REGION, lambda: current)
    post = Post(stub.endpoint, "a=", b"1", inf)
    assert api.post_all([post], 10) == [DeliveryStatus.DELIVERED]
    stub.credentials = current = Credentials("ASIANEW", "another", "token")
    # The fast client looks again within a second.
    until = datetime.now(UTC) + timedelta(seconds=30)
    while (found := api.post_all([post], 10)) != [DeliveryStatus.DELIVERED]:
        assert found == [DeliveryStatus.FORBIDDEN]
        assert datetime.now(UTC) < until
    api.close(10)


def test_repr_of_credentials_hides_secrets() -> None:
    credentials = Credentials("AKIDEXAMPLE", "secret", "token")

    assert f"{credentials}" == "Credentials('AKIDEXAMPLE', ...)" == repr(credentials)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("open_one", [open_connections_api, open_boto3_client])
def test_request_fails_without_credentials(stub: Stub, open_one: OpenOne) -> None:
    def away() -> Credentials:
        raise OSError("no answer from the metadata service")

    api = open_one(REGION, away)

    assert api.post_all([Post(stub.endpoint, "a=", b"1", inf)], 10) == [DeliveryStatus.FAILED]
    api.close(10)


def test_curl_client_imports_neither_boto3_nor_botocore(stub: Stub) -> None:
    code = f"""
import sys
from math import inf
from chalicelib.broadcast.connections_api import Credentials, Post, open_connections_api
api = open_connections_api({REGION!r}, Credentials(*{tuple(CREDENTIALS)!r}))
print(*api.post_all([Post({stub.endpoint!r}, "a=", b"1", inf)], 10))
api.close(10)
print(sorted({{"boto3", "botocore"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[:2] == ["delivered", "[]"], done.stderr
