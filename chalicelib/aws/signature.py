"""AWS's Signature Version 4: what all that is signed here has in common. No I/O.

What botocore's signer thinks of the result is part of the tests.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from typing import NamedTuple
from urllib.parse import urlsplit

from .credentials import Credentials

DEFAULT_PORTS = {"http": 80, "https": 443}
NO_HEADERS: Mapping[str, str] = {}


class InvalidEndpoint(ValueError):
    """Not a URL that could lead to a service."""


class Endpoint(NamedTuple):
    """Where a service is: ``host`` as the Host header has it, ``path`` without a slash behind."""

    scheme: str
    host: str
    path: str


def read_endpoint(url: str) -> Endpoint:
    """The parts of an endpoint's URL.

    Raises:
        InvalidEndpoint: It is no HTTP URL.
    """
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname
    except ValueError as error:
        raise InvalidEndpoint(f"{url!r} is no endpoint: {error}") from error
    if parts.scheme not in DEFAULT_PORTS or not name:
        raise InvalidEndpoint(f"{url!r} is no endpoint")
    host = f"[{name}]" if ":" in name else name
    if port is not None and port != DEFAULT_PORTS[parts.scheme]:
        host += f":{port}"
    return Endpoint(parts.scheme, host, parts.path.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Signing:
    """What signatures of one second have in common: they differ in path and payload.

    ``headers`` are lines to be sent beside Authorization and Host.
    ``canonical_end`` is the canonical request from behind the path, which has no
    query behind it, up to the hash of the payload.
    """

    headers: list[str]
    canonical_end: str
    to_sign_begins: str
    authorization_begins: str
    key: bytes = field(repr=False)

    def authorization(self, canonical_request: str) -> str:
        """The Authorization header, as a line."""
        to_sign = self.to_sign_begins + sha256(canonical_request.encode()).hexdigest()
        signature = hmac.digest(self.key, to_sign.encode(), "sha256").hex()
        return self.authorization_begins + signature


def signing(
    credentials: Credentials,
    region: str,
    service: str,
    host: str,
    at_s: float,
    headers: Mapping[str, str] = NO_HEADERS,
) -> Signing:
    """How requests to ``host`` are signed at an instant; names of ``headers`` in lower case."""
    instant = strftime("%Y%m%dT%H%M%SZ", gmtime(at_s))
    day = instant[:8]
    signed = {**headers, "host": host, "x-amz-date": instant}
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    in_order = sorted(signed.items())
    names = ";".join(name for name, _ in in_order)
    lines = "".join(f"{name}:{value}\n" for name, value in in_order)
    scope = f"{day}/{region}/{service}/aws4_request"
    return Signing(
        [f"{name}: {value}" for name, value in in_order if name != "host"],
        f"\n\n{lines}\n{names}\n",
        f"AWS4-HMAC-SHA256\n{instant}\n{scope}\n",
        f"Authorization: AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature=",
        _key(credentials.secret_access_key, day, region, service),
    )


@lru_cache(maxsize=32)
def _key(secret_access_key: str, day: str, region: str, service: str) -> bytes:
    """The key of a day; derived anew only where one of these is another."""
    key = ("AWS4" + secret_access_key).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
