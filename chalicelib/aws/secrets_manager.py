"""Asks AWS Secrets Manager for a secret: one signed request over libcurl.

Importing this module needs pycurl. Of a secret, and of what a request is signed
with, nothing is ever part of a message.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import pycurl

from .credentials import Credentials
from .signature import InvalidEndpoint, read_endpoint, signing
from .trust import botocores_ca_bundle

SERVICE: Final = "secretsmanager"

WITHIN_SECONDS: Final = 2.0
"""So long whoever wants a secret waits at most, both attempts together."""

CONNECT_WITHIN_SECONDS: Final = 1.0

SUFFIXES: Final = {
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
}
"""What the names of hosts end in, partition by partition, where it is not amazonaws.com."""

_HEADERS: Final = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": f"{SERVICE}.GetSecretValue",
}


class SecretUnavailable(Exception):
    """The secret can't be had; the message says which, and why."""

    def __init__(self, arn: str, why: str) -> None:
        super().__init__(f"{arn} could not be read: {why}")
        self.arn = arn
        self.why = why


class _Answer(NamedTuple):
    """``status`` is 0 where there was none, and ``body`` why, as libcurl says it."""

    status: int
    body: bytes

    @property
    def may_be_another_next_time(self) -> bool:
        return self.status == 0 or self.status >= 500


class _Request(NamedTuple):
    url: str
    headers: list[str]
    data: bytes


def secret_string(
    arn: str,
    credentials: Credentials,
    endpoint: str = "",
    *,
    ca_bundle: Path | None = None,
    within_seconds: float = WITHIN_SECONDS,
    now_s: Callable[[], float] = time.time,
) -> str:
    """The text that is stored under ``arn`` now.

    ``endpoint`` is asked instead of the one that the ARN leads to; ``ca_bundle``
    are certificates to trust instead of those that boto3 trusts.

    Raises:
        SecretUnavailable: It isn't given to us within the time, or is no text.
    """
    give_up_at_s = time.monotonic() + within_seconds
    try:
        request = _signed(arn, credentials, endpoint or endpoint_of(arn), now_s())
    except InvalidEndpoint as error:
        raise SecretUnavailable(arn, str(error)) from error
    answer = _ask(request, ca_bundle, give_up_at_s)
    if answer.may_be_another_next_time and time.monotonic() < give_up_at_s:
        answer = _ask(request, ca_bundle, give_up_at_s)
    if answer.status != 200:
        raise SecretUnavailable(arn, _refusal(answer))
    text = _object(answer.body).get("SecretString")
    if not isinstance(text, str):
        raise SecretUnavailable(arn, "it is no text")
    return text


def endpoint_of(arn: str) -> str:
    """Where the secret of this ARN is kept: its region, in its partition."""
    _, partition, _, region, _ = arn.split(":", 4)
    return f"https://{SERVICE}.{region}.{SUFFIXES.get(partition, 'amazonaws.com')}"


def _signed(arn: str, credentials: Credentials, endpoint: str, at_s: float) -> _Request:
    scheme, host, path = read_endpoint(endpoint)
    region = arn.split(":", 4)[3]
    data = json.dumps({"SecretId": arn}).encode()
    now = signing(credentials, region, SERVICE, host, at_s, _HEADERS)
    # What is signed is the path as it is sent, encoded once more.
    canonical_request = (
        f"POST\n{quote(path, safe='/~')}/{now.canonical_end}{sha256(data).hexdigest()}"
    )
    headers = [*now.headers, now.authorization(canonical_request)]
    return _Request(f"{scheme}://{host}{path}/", headers, data)


def _ask(request: _Request, ca_bundle: Path | None, give_up_at_s: float) -> _Answer:
    body = BytesIO()
    with closing(pycurl.Curl()) as easy:
        easy.setopt(pycurl.URL, request.url)
        # Without headers of libcurl's own, which boto3 doesn't send either.
        easy.setopt(pycurl.HTTPHEADER, ["Accept:", "Expect:", *request.headers])
        easy.setopt(pycurl.POSTFIELDS, request.data)
        easy.setopt(pycurl.USERAGENT, "tickless")
        easy.setopt(pycurl.NOSIGNAL, 1)
        easy.setopt(pycurl.CONNECTTIMEOUT_MS, round(CONNECT_WITHIN_SECONDS * 1000))
        # 0 would be for ever.
        within_ms = max(1, round((give_up_at_s - time.monotonic()) * 1000))
        easy.setopt(pycurl.TIMEOUT_MS, within_ms)
        easy.setopt(pycurl.WRITEDATA, body)
        bundle = ca_bundle or botocores_ca_bundle()
        if bundle is not None:
            easy.setopt(pycurl.CAINFO, str(bundle))
        try:
            easy.perform()
        except pycurl.error as error:
            return _Answer(0, str(error.args[-1]).encode())
        return _Answer(easy.getinfo(pycurl.RESPONSE_CODE), body.getvalue())


def _refusal(answer: _Answer) -> str:
    """What kind of refusal it is; what AWS says besides may quote what was signed."""
    if answer.status == 0:
        return answer.body.decode()
    kind = str(_object(answer.body).get("__type", "")).rpartition("#")[2]
    return kind if re.fullmatch(r"\w{1,100}", kind) else f"HTTP {answer.status}"


def _object(body: bytes) -> dict[str, Any]:
    """What was answered as a JSON object; an empty one where it is anything else."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
