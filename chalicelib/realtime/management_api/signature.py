"""Where an endpoint is, and what is sent there signed by AWS's Signature Version 4.

libcurl can sign by itself, but derives the key anew for each request, which
is half of what a post costs, and its versions disagree on how the path is
encoded. Here all but path and payload is worked out once a second at most. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from time import time
from urllib.parse import quote, urlsplit

from ...aws.credentials import CurrentCredentials
from ...aws.signature import Signing, read_endpoint, signing

SERVICE = "execute-api"

# What AWS calls connections; to look takes a fifth of what urllib's quote takes.
_is_awss_own = re.compile(r"[A-Za-z0-9_-]+=?").fullmatch


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
        scheme, self._host, stage_path = read_endpoint(endpoint)
        self._urls_begin = f"{scheme}://{self._host}{stage_path}/@connections/"
        # What is signed is the path as it is sent, encoded once more.
        self._signed_paths_begin = quote(stage_path, safe="/~") + "/%40connections/"
        self._region = region_of(endpoint, otherwise=region)
        self._credentials = credentials
        self._now_s = now_s
        self._second = -1
        self._signing: Signing
        self._payload: bytes | None = None
        self._payload_hash = ""

    def sign(self, method: str, connection_id: str, data: bytes) -> tuple[str, list[str]]:
        """The URL for a connection, and the headers without which AWS answers 403."""
        second = int(self._now_s())
        if second != self._second:
            self._signing = signing(self._credentials(), self._region, SERVICE, self._host, second)
            self._second = second
        if data is not self._payload:
            # A broadcast is the same bytes for everybody.
            self._payload_hash = sha256(data).hexdigest()
            self._payload = data
        if _is_awss_own(connection_id):
            encoded_id = connection_id.replace("=", "%3D")
        else:
            encoded_id = quote(connection_id, safe="")
        now = self._signing
        canonical_request = (
            f"{method}\n{self._signed_paths_begin}{encoded_id.replace('%', '%25')}"
            f"{now.canonical_end}{self._payload_hash}"
        )
        return (
            self._urls_begin + encoded_id,
            [*now.headers, now.authorization(canonical_request)],
        )
