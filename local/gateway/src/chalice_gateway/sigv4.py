"""Verification of AWS Signature Version 4.

Owns the canonical request and the comparison. Must never sign a request. Its canonical form
must equal that of botocore's ``SigV4Auth`` byte for byte; tests compare them.

Most of the work is the four HMACs that derive the signing key, which is the same for a day,
so it is cached.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from .http_messages import Request

SKEW_SECONDS: Final = 300.0

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^/, ]+)/(\d{8})/([^/, ]+)/([^/, ]+)/aws4_request"
    r", *SignedHeaders=([a-z0-9;_.!#$%&'*+^`|~-]+), *"
)
_TIMESTAMP: Final = re.compile(r"\d{8}T\d{6}Z")
_ENCODED_PATH: Final = re.compile(r"[A-Za-z0-9_./~%-]*")
_BLANKS: Final = re.compile(r"[ \t]+")
_EMPTY_HASH: Final = sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Credentials:
    """The valid credentials. A request's session token must equal theirs, as on AWS."""

    access_key: str = "local"
    secret_key: str = field(default="local", repr=False)
    session_token: str | None = field(default=None, repr=False)


def credentials_from(environ: Mapping[str, str]) -> Credentials:
    """The credentials that AWS's SDKs read from this environment, or else ``local``."""
    return Credentials(
        environ.get("AWS_ACCESS_KEY_ID") or "local",
        environ.get("AWS_SECRET_ACCESS_KEY") or "local",
        environ.get("AWS_SESSION_TOKEN") or None,
    )


class SignatureError(Exception):
    """The request is not signed, or its signature is not valid.

    ``error_type`` is the error's name in services that report it.
    """

    def __init__(self, message: str, error_type: str = "InvalidSignatureException") -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type


_UNKNOWN_CREDENTIALS: Final = (
    "The security token included in the request is invalid.",
    "UnrecognizedClientException",
)


@dataclass(frozen=True, slots=True)
class _Scope:
    """An Authorization header without its signature, parsed, with its signing key.

    Clients repeat it unchanged for a day, so it is parsed once.
    """

    service: str
    date: str
    credential_scope: str
    names: str
    signed: tuple[str, ...]
    key: bytes


class Verifier:
    """Checks requests against one set of credentials."""

    def __init__(
        self, credentials: Credentials, *, now_seconds: Callable[[], float] = time.time
    ) -> None:
        self._credentials = credentials
        self._now_seconds = now_seconds
        self._scopes: dict[str, _Scope] = {}
        self._latest = ("", 0.0)

    @property
    def cached_key_count(self) -> int:
        """The number of signing keys that are kept."""
        return len(self._scopes)

    def verify(self, request: Request, service: str) -> None:
        """Check that a request is signed for ``service``, in any region.

        Raises:
            SignatureError: It is not.
        """
        headers: dict[str, str] = {}
        for name, value in request.headers:
            lower = name.lower()
            if lower in headers:
                value = f"{headers[lower]},{_trimmed(value)}"  # noqa: PLW2901
            headers[lower] = value
        prefix, _, signature = headers.get("authorization", "").rpartition("Signature=")
        scope = self._scopes.get(prefix) or self._new_scope(prefix, headers)
        if scope.service != service:
            raise SignatureError(f"Credential should be scoped to correct service: '{service}'.")
        timestamp = headers.get("x-amz-date", "")
        self._check_time(timestamp, scope)
        canonical = canonical_request(
            request.method,
            request.full_target or request.target,
            _signed_headers(headers, scope),
            scope.names,
            _payload_hash(headers, request.body),
        )
        to_sign = (
            f"AWS4-HMAC-SHA256\n{timestamp}\n{scope.credential_scope}\n"
            f"{sha256(canonical).hexdigest()}"
        )
        expected = hmac.digest(scope.key, to_sign.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), signature.encode("latin-1")):
            raise SignatureError(
                "The request signature we calculated does not match the signature you provided."
                " Check your AWS Secret Access Key and signing method."
            )
        if headers.get("x-amz-security-token") != self._credentials.session_token:
            raise SignatureError(*_UNKNOWN_CREDENTIALS)

    def _new_scope(self, prefix: str, headers: dict[str, str]) -> _Scope:
        if "authorization" not in headers:
            raise SignatureError(
                "Missing Authentication Token", "MissingAuthenticationTokenException"
            )
        match = _AUTHORIZATION.fullmatch(prefix)
        if match is None:
            raise SignatureError("The Authorization header is not an AWS4-HMAC-SHA256 signature")
        access_key, date, region, service, names = match.groups()
        if access_key != self._credentials.access_key:
            raise SignatureError(*_UNKNOWN_CREDENTIALS)
        signed = tuple(names.split(";"))
        if list(signed) != sorted(set(signed)):
            raise SignatureError("SignedHeaders must be sorted and without duplicates")
        key = f"AWS4{self._credentials.secret_key}".encode()
        for part in (date, region, service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        if len(self._scopes) >= 64:
            self._scopes.clear()
        scope = _Scope(service, date, f"{date}/{region}/{service}/aws4_request", names, signed, key)
        self._scopes[prefix] = scope
        return scope

    def _check_time(self, timestamp: str, scope: _Scope) -> None:
        if timestamp != self._latest[0]:
            self._latest = (timestamp, _epoch_seconds(timestamp))
        if not timestamp.startswith(scope.date):
            raise SignatureError("Date in Credential scope does not match that of X-Amz-Date")
        skew_seconds = self._now_seconds() - self._latest[1]
        if skew_seconds > SKEW_SECONDS:
            raise SignatureError(f"Signature expired: {timestamp} is too long ago (5 min.)")
        if skew_seconds < -SKEW_SECONDS:
            raise SignatureError(f"Signature not yet current: {timestamp} is in the future")


def canonical_request(method: str, target: str, headers: str, names: str, body: str) -> bytes:
    """The bytes to hash. ``headers`` are canonical lines, ``body`` is a hash.

    The path is encoded once more than on the wire, as for every service but S3.
    """
    path, _, query = target.partition("?")
    text = f"{method}\n{canonical_path(path)}\n{canonical_query(query)}\n{headers}\n{names}\n{body}"
    # The server decodes headers as Latin-1, so this restores the bytes that were signed.
    return text.encode("latin-1")


def canonical_path(path: str) -> str:
    if "//" in path or "/." in path:
        path = _without_dot_segments(path)
    # The two characters in the path of a post, by hand: quote would take as long as the rest.
    encoded = path.replace("%", "%25").replace("@", "%40")
    if _ENCODED_PATH.fullmatch(encoded):
        return encoded or "/"
    return quote(path.encode("latin-1"), safe="/~")


def canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in pairs)


def _trimmed(value: str) -> str:
    # Not str.split, which treats the Latin-1 form of some UTF-8 as white space.
    if "  " in value or "\t" in value:
        return _BLANKS.sub(" ", value).strip(" ")
    return value.strip(" ")


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    last = "/" if path.endswith("/") and kept else ""
    return f"/{'/'.join(kept)}{last}"


def _epoch_seconds(timestamp: str) -> float:
    # AWS also accepts a Date header instead, which no SDK sends.
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("A signed request must carry X-Amz-Date")
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        raise SignatureError(f"{timestamp} is not a valid time") from None


def _signed_headers(headers: dict[str, str], scope: _Scope) -> str:
    for name in headers:
        if (name == "host" or name.startswith("x-amz-")) and name not in scope.signed:
            raise SignatureError(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    try:
        return "".join([f"{name}:{_trimmed(headers[name])}\n" for name in scope.signed])
    except KeyError as missing:
        raise SignatureError(f"{missing} is signed but missing from the request") from None


def _payload_hash(headers: dict[str, str], body: bytes) -> str:
    actual = sha256(body).hexdigest() if body else _EMPTY_HASH
    claimed = headers.get("x-amz-content-sha256")
    if claimed is not None and claimed != actual:
        raise SignatureError("X-Amz-Content-SHA256 is not the hash of the body")
    return actual
