"""A secret is asked for as boto3 asks for it, and who can't have it says why within the time."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from threading import Event

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from bench.secrets_manager import Asked, keeping, secrets_manager
from chalicelib.aws.credentials import Credentials
from chalicelib.aws.secrets_manager import (
    CONNECT_WITHIN_SECONDS,
    SecretUnavailable,
    endpoint_of,
    secret_string,
)
from tests import strategies as strategies  # registers Hypothesis's profiles
from tests.servers import Certificate, proxy_to

from .signer import authorization

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:keys-AbCdEf"
PLAIN = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a-session")
AT_S = 1_767_225_599  # the last second of 2025
PATIENT_S = 30.0


def why(endpoint: str, within_seconds: float = PATIENT_S) -> str:
    with pytest.raises(SecretUnavailable) as refused:
        secret_string(ARN, PLAIN, endpoint, within_seconds=within_seconds)
    said = str(refused.value)
    assert said == f"{ARN} could not be read: {refused.value.why}"
    assert not any(secret in said for secret in (PLAIN.secret_access_key, "a-session"))
    return refused.value.why


def test_a_secret_is_what_is_stored_under_its_arn() -> None:
    with secrets_manager(keeping(ARN, "täxt")) as endpoint:
        assert secret_string(ARN, PLAIN, endpoint) == "täxt"


class Listener:
    """One that remembers what it was asked."""

    def __init__(self) -> None:
        self.heard: list[Asked] = []
        self.endpoint = ""

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        self.heard.append(asked)
        return 200, b'{"SecretString": ""}'


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    listener = Listener()
    with secrets_manager(listener.answer) as listener.endpoint:
        yield listener


printable = st.characters(min_codepoint=33, max_codepoint=126)


@given(
    name=st.text(printable, min_size=1),
    path=st.sampled_from(["", "/", "/proxy", "/~a/%41/"]),
    secret=st.text(printable, min_size=1),
    token=st.none() | st.text(printable, min_size=1),
    at_s=st.integers(AT_S - 10**8, AT_S + 10**8),
)
def test_botocore_would_have_signed_it_so(
    listener: Listener, name: str, path: str, secret: str, token: str | None, at_s: int
) -> None:
    arn = f"arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:{name}"
    credentials = Credentials("AKIDEXAMPLE", secret, token)

    secret_string(arn, credentials, f"{listener.endpoint}{path}", now_s=lambda: at_s)

    asked = listener.heard[-1]
    assert json.loads(asked.body) == {"SecretId": arn}
    assert asked.headers.get("x-amz-security-token") == token
    named = asked.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    assert {"content-type", "host", "x-amz-date", "x-amz-target"} <= set(named.split(";"))
    assert asked.headers["authorization"] == authorization(
        "POST",
        f"http://{asked.headers['host']}{asked.path}",
        asked.headers,
        asked.body,
        credentials=credentials,
        region="ap-southeast-2",
        service="secretsmanager",
    )


@pytest.mark.parametrize(
    ("partition", "region"),
    [
        ("aws", "eu-west-1"),
        ("aws-cn", "cn-northwest-1"),
        ("aws-eusc", "eusc-de-east-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-south-1"),
        ("aws-us-gov", "us-gov-west-1"),
    ],
)
def test_it_is_asked_where_boto3_would_ask(partition: str, region: str) -> None:
    session = Session()
    assert session.get_partition_for_region(region) == partition
    client = session.create_client("secretsmanager", region_name=region)

    arn = f"arn:{partition}:secretsmanager:{region}:123456789012:secret:keys-AbCdEf"
    assert endpoint_of(arn) == client.meta.endpoint_url


def test_every_partition_there_is_was_asked_about() -> None:
    assert set(Session().get_available_partitions()) == {
        *("aws", "aws-cn", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"),
        "aws-us-gov",
    }


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (400, b'{"__type": "ResourceNotFoundException"}', "ResourceNotFoundException"),
        (400, b'{"__type": "com.amazon#AccessDeniedException"}', "AccessDeniedException"),
        # What was signed, a session token included, is quoted by such a message.
        (403, b'{"__type": "Invalid", "message": "x-amz-security-token:a-session"}', "Invalid"),
        (403, b'{"__type": "a-session"}', "HTTP 403"),
        (400, b'["__type"]', "HTTP 400"),
        (503, b"<html>", "HTTP 503"),
        (200, b"a-session", "it is no text"),
        (200, b'{"SecretBinary": "YS1zZXNzaW9u"}', "it is no text"),
        (200, b'{"SecretString": {}}', "it is no text"),
    ],
)
def test_what_is_answered_instead_is_told_by_its_kind(
    status: int, answer: bytes, told: str
) -> None:
    with secrets_manager(lambda _: (status, answer)) as endpoint:
        assert why(endpoint) == told


def test_a_server_that_stumbles_is_asked_once_more_and_no_more() -> None:
    answers = [(500, b""), (200, b'{"SecretString": "text"}'), (500, b""), (502, b"")]
    with secrets_manager(lambda _: answers.pop(0)) as endpoint:
        assert secret_string(ARN, PLAIN, endpoint, within_seconds=PATIENT_S) == "text"
        assert why(endpoint) == "HTTP 502"
    assert answers == []


def test_who_is_refused_is_not_asked_for_again() -> None:
    answers = [(400, b"")]
    with secrets_manager(lambda _: answers.pop(0)) as endpoint:
        assert why(endpoint) == "HTTP 400"


def test_where_nobody_listens_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]

    assert "connect" in why(f"http://127.0.0.1:{port}").lower()


@pytest.mark.parametrize("endpoint", ["nowhere", "ftp://a.example"])
def test_an_endpoint_that_is_none_is_named(endpoint: str) -> None:
    assert why(endpoint) == f"'{endpoint}' is no endpoint"


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_was_said() -> None:
    gone = Event()

    def hang(_: Asked) -> tuple[int, bytes]:
        gone.wait(PATIENT_S)
        return 500, b""

    with secrets_manager(hang) as endpoint:
        began_s = time.monotonic()
        assert "timed out" in why(endpoint, within_seconds=0.3).lower()
        # One attempt or two, and a noisy neighbour.
        assert time.monotonic() - began_s < 0.3 + CONNECT_WITHIN_SECONDS
        gone.set()


def test_a_certificate_is_trusted_only_if_we_say_so(certificate: Certificate) -> None:
    with secrets_manager(keeping(ARN, "text")) as plain:
        port = int(plain.rpartition(":")[2])
        with proxy_to(port, certificate.server_context()) as proxy:
            endpoint = f"https://127.0.0.1:{proxy.port}"
            assert "certificate" in why(endpoint).lower()
            trusting = secret_string(ARN, PLAIN, endpoint, ca_bundle=certificate.certificate)

    assert trusting == "text"
