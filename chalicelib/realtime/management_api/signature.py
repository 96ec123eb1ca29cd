"""Where an endpoint is, and AWS's Signature Version 4 for what is sent there.

libcurl can sign by itself, but derives the key anew for each request, which
is half of what a post costs, and its versions disagree on how the path is
encoded. Here the key is derived once a second at most, and what botocore's
signer thinks of the result is part of the tests. No I/O.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from hashlib import sha256
from time import gmtime, strftime, time
from urllib.parse import quote, urlsplit

from .credentials import CurrentCredentials

SERVICE = "execute-api"
DEFAULT_PORTS = {"http": 80, "https": 443}

# What AWS calls connections; to look takes a fifth of what urllib's quote takes.
_is_awss_own = re.compile(r"[A-Za-z0-9_-]+=?").fullmatch


class InvalidEndpoint(ValueError):
    """Not a URL that could lead to a stage of an API."""


def region_of(endpoint: str, otherwise: str) -> str:
    """The region in an execute-api host name; a host of any other kind has none."""
    host = urlsplit(endpoint).hostname or ""
    found = re.search(r"(?:^|\.)execute-api\.([a-z0-9-]+)\.", host)
    return found[1] if found else otherwise


class SignedEndpoint:
    """One endpoint's URLs and signatures. For one thread.

    Raises:
        InvalidEndpoint: ``endpoint`` is no HTTP URL.
    """

    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: CurrentCredentials,
        now_s: Callable[[], float] = time,
    ) -> None:
        try:
            parts = urlsplit(endpoint)
            port, host = parts.port, parts.hostname
        except ValueError as error:
            raise InvalidEndpoint(f"{endpoint!r} is no endpoint: {error}") from error
        if parts.scheme not in DEFAULT_PORTS or not host:
            raise InvalidEndpoint(f"{endpoint!r} is no endpoint")
        # As it will stand in the Host header, which is signed.
        self._host = f"[{host}]" if ":" in host else host
        if port is not None and port != DEFAULT_PORTS[parts.scheme]:
            self._host += f":{port}"
        stage_path = parts.path.rstrip("/")
        self._urls_begin = f"{parts.scheme}://{self._host}{stage_path}/@connections/"
        # What is signed is the path as it is sent, encoded once more.
        self._signed_paths_begin = quote(stage_path, safe="/~") + "/%40connections/"
        self._region = region_of(endpoint, otherwise=region)
        self._credentials = credentials
        self._now_s = now_s
        self._second = -1
        self._day_key: tuple[str, str] = ("", "")
        self._key = b""
        self._payload: bytes | None = None
        self._payload_hash = ""
        self._canonical_end = self._to_sign_begins = self._authorization_begins = ""
        self._fixed_headers: list[str] = []

    def sign(self, method: str, connection_id: str, data: bytes) -> tuple[str, list[str]]:
        """The URL for a connection, and the headers without which AWS answers 403."""
        second = int(self._now_s())
        if second != self._second:
            self._begin_second(second)
        if data is not self._payload:
            # A broadcast is the same bytes for everybody.
            self._payload_hash = sha256(data).hexdigest()
            self._payload = data
        if _is_awss_own(connection_id):
            encoded_id = connection_id.replace("=", "%3D")
        else:
            encoded_id = quote(connection_id, safe="")
        canonical_request = (
            f"{method}\n{self._signed_paths_begin}{encoded_id.replace('%', '%25')}"
            f"{self._canonical_end}{self._payload_hash}"
        )
        to_sign = self._to_sign_begins + sha256(canonical_request.encode()).hexdigest()
        signature = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        return (
            self._urls_begin + encoded_id,
            [*self._fixed_headers, self._authorization_begins + signature],
        )

    def _begin_second(self, second: int) -> None:
        access_key_id, secret_access_key, token = self._credentials()
        instant = strftime("%Y%m%dT%H%M%SZ", gmtime(second))
        day = instant[:8]
        if self._day_key != (day, secret_access_key):
            key = ("AWS4" + secret_access_key).encode()
            for part in (day, self._region, SERVICE, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = key
            self._day_key = (day, secret_access_key)
        headers = [("host", self._host), ("x-amz-date", instant)]
        if token:
            headers.append(("x-amz-security-token", token))
        names = ";".join(name for name, _ in headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers)
        scope = f"{day}/{self._region}/{SERVICE}/aws4_request"
        self._canonical_end = f"\n\n{lines}\n{names}\n"
        self._to_sign_begins = f"AWS4-HMAC-SHA256\n{instant}\n{scope}\n"
        self._authorization_begins = (
            f"Authorization: AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, "
            f"SignedHeaders={names}, Signature="
        )
        self._fixed_headers = [f"{name}: {value}" for name, value in headers[1:]]
        self._second = second
