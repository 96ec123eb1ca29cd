"""SigV4 verification: botocore's signatures are valid, and others are not."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from chalice_gateway.http_messages import Request
from chalice_gateway.sigv4 import Credentials, SignatureError, Verifier, canonical_path

HOST = "127.0.0.1:8001"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "abcXYZ012/+="
CREDENTIALS = Credentials(KEY, SECRET)


class FixedTimeSigner(SigV4Auth):  # type: ignore[misc]
    """botocore's signer with a settable clock."""

    at: datetime

    def _modify_request_before_signing(self, request: Any) -> None:
        request.context["timestamp"] = self.at.strftime("%Y%m%dT%H%M%SZ")
        super()._modify_request_before_signing(request)


def signed(
    method: str = "POST",
    path: str = "/dev/@connections/PJqB0fHsqRcCHlw%3D",
    query: str = "",
    headers: dict[str, str] | None = None,
    body: bytes = b"{}",
    *,
    credentials: BotocoreCredentials | None = None,
    service: str = "execute-api",
    region: str = "us-east-1",
    at: datetime | None = None,
) -> Request:
    """A request signed by botocore, as the server receives it."""
    url = f"http://{HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, data=body, headers={"Host": HOST, **(headers or {})})
    signer = FixedTimeSigner(credentials or BotocoreCredentials(KEY, SECRET), service, region)
    signer.at = at or datetime.now(UTC)
    signer.add_auth(request)
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return Request(
        method,
        # Decoded as by the server.
        target.encode().decode("latin-1"),
        tuple((name, value.encode().decode("latin-1")) for name, value in request.headers.items()),
        body,
        "127.0.0.1",
        8001,
    )


def changed(request: Request, **headers: str | None) -> Request:
    """The request with headers changed or removed."""
    wanted = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    kept = [item for item in request.headers if item[0].lower() not in wanted]
    new = [(name, value) for name, value in wanted.items() if value is not None]
    return Request(request.method, request.target, (*kept, *new), request.body, "127.0.0.1", 8001)


PATHS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "@connections",
                "%40connections",
                "a%3D",
                "a=",
                "a+b",
                "a%20b",
                "%2F",
                "..",
                ".",
                "",
                "~",
            ]
        ),
        st.text(max_size=12).map(lambda text: quote(text, safe="")),
        # Some clients don't encode; the parser accepts all but control characters.
        st.text(
            st.characters(
                min_codepoint=0x21,
                exclude_characters="?#/\\[]",
                exclude_categories=["Cs", "Z", "Cc"],
            ),
            max_size=12,
        ),
    ),
    min_size=1,
    max_size=5,
).map(lambda segments: "/" + "/".join(segments))
QUERIES = st.lists(st.tuples(st.text(max_size=6), st.none() | st.text(max_size=6)), max_size=4).map(
    lambda pairs: "&".join(
        quote(name, safe="-_.~") + ("" if value is None else "=" + quote(value, safe="-_.~"))
        for name, value in pairs
    )
)
VALUES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"], include_characters=" "), max_size=12
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Content-Type",
            "X-Amz-Target",
            "x-amz-meta-a",
            "X-Amz-Invocation-Type",
            "X-Custom",
            "Accept",
        ]
    ),
    VALUES,
)


@settings(max_examples=400, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    path=PATHS,
    query=QUERIES,
    headers=HEADERS,
    body=st.binary(max_size=64),
    token=st.sampled_from([None, TOKEN]),
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
    service=st.sampled_from(["execute-api", "lambda"]),
)
def test_signatures_of_botocore_are_valid(
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    token: str | None,
    region: str,
    service: str,
) -> None:
    request = signed(
        method,
        path,
        query,
        headers,
        body,
        credentials=BotocoreCredentials(KEY, SECRET, token),
        region=region,
        service=service,
    )

    verifier = VERIFIER if token is None else VERIFIER_OF_TEMPORARY
    verifier.verify(request, service)
    with pytest.raises(SignatureError):
        verifier.verify(
            Request(method, request.target, request.headers, body + b"!", "", 0), service
        )


# One for all examples, so that a wrong use of cached keys shows.
VERIFIER = Verifier(CREDENTIALS)
VERIFIER_OF_TEMPORARY = Verifier(Credentials(KEY, SECRET, TOKEN))


@settings(max_examples=300, deadline=None)
@given(path=PATHS)
def test_canonical_path_equals_botocore_s(path: str) -> None:
    signer = SigV4Auth(BotocoreCredentials(KEY, SECRET), "execute-api", "us-east-1")

    ours = canonical_path(path.encode().decode("latin-1"))

    assert ours == signer._normalize_url_path(path)


def test_repeated_header_is_signed_with_both_values() -> None:
    request = signed(headers={"X-Twice": "1,2"})
    apart = [item for item in request.headers if item[0] != "X-Twice"]

    VERIFIER.verify(
        Request("POST", request.target, (*apart, ("X-Twice", "1"), ("x-twice", " 2 ")),
                request.body, "", 0),
        "execute-api",
    )  # fmt: skip


def test_repeated_blanks_in_a_header_are_ignored() -> None:
    VERIFIER.verify(signed(headers={"X-Blank": "  a \t  b "}), "execute-api")


def test_claimed_body_hash_must_match() -> None:
    import hashlib  # noqa: PLC0415

    right = hashlib.sha256(b"{}").hexdigest()

    VERIFIER.verify(signed(headers={"X-Amz-Content-SHA256": right}), "execute-api")
    for wrong in ("UNSIGNED-PAYLOAD", hashlib.sha256(b"").hexdigest()):
        with pytest.raises(SignatureError, match="not the hash"):
            VERIFIER.verify(signed(headers={"X-Amz-Content-SHA256": wrong}), "execute-api")


NOW = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("skew_s", "message"),
    [
        (0, None),
        (299, None),  # signed on the previous day
        (300, None),
        (301, "Signature expired"),
        (86_400, "Signature expired"),
        (-299, None),
        (-300, None),
        (-301, "not yet current"),
    ],
)
def test_signature_is_valid_for_five_minutes_either_way(skew_s: int, message: str | None) -> None:
    now_seconds = calendar.timegm(NOW.utctimetuple())
    verifier = Verifier(CREDENTIALS, now_seconds=lambda: float(now_seconds))
    request = signed(at=NOW - timedelta(seconds=skew_s))

    if message is None:
        verifier.verify(request, "execute-api")
    else:
        with pytest.raises(SignatureError, match=message):
            verifier.verify(request, "execute-api")


def replace_in_authorization(request: Request, old: str, new: str) -> Request:
    authorization = request.header("authorization")
    assert authorization is not None
    return changed(request, authorization=authorization.replace(old, new))


UNKNOWN_CREDENTIALS = "UnrecognizedClientException"
INVALID = "InvalidSignatureException"


@pytest.mark.parametrize(
    ("tamper", "error_type"),
    [
        (lambda r: changed(r, authorization=None), "MissingAuthenticationTokenException"),
        (lambda r: changed(r, authorization="Bearer abc"), INVALID),
        (lambda r: changed(r, authorization="AWS4-HMAC-SHA256 Signature=" + "0" * 64), INVALID),
        (lambda r: replace_in_authorization(r, "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), INVALID),
        (lambda r: replace_in_authorization(r, "Signature=", "Signature=0"), INVALID),
        (lambda r: replace_in_authorization(r, "Signature=", "Signature=ü"), INVALID),
        (lambda r: replace_in_authorization(r, KEY, "AKIDOTHER"), UNKNOWN_CREDENTIALS),
        (lambda r: replace_in_authorization(r, "host;x-amz-date", "host"), INVALID),
        (lambda r: replace_in_authorization(r, "host;x-amz-date", "x-amz-date"), INVALID),
        (lambda r: replace_in_authorization(r, "host;x-amz-date", "x-amz-date;host"), INVALID),
        (lambda r: replace_in_authorization(r, "host;", "host;host;"), INVALID),
        (lambda r: replace_in_authorization(r, "host;", "host;x-absent;"), INVALID),
        (lambda r: changed(r, host="elsewhere"), INVALID),
        (lambda r: changed(r, x_amz_date=None), INVALID),
        (lambda r: changed(r, x_amz_date="20269999T999999Z"), INVALID),
        (lambda r: changed(r, x_amz_date="yesterday"), INVALID),
        (lambda r: changed(r, x_amz_date="19700101T000000Z"), INVALID),
        (lambda r: changed(r, x_amz_security_token="unsigned"), INVALID),
        (lambda r: Request("GET", r.target, r.headers, r.body, "", 0), INVALID),
        (lambda r: Request("POST", "/prod", r.headers, r.body, "", 0), INVALID),
        (lambda r: Request("POST", r.target + "?a", r.headers, r.body, "", 0), INVALID),
        (lambda r: Request("POST", r.target, r.headers, b"[]", "", 0), INVALID),
    ],
)
def test_changed_request_is_rejected(tamper: Callable[[Request], Request], error_type: str) -> None:
    with pytest.raises(SignatureError) as raised:
        VERIFIER.verify(tamper(signed()), "execute-api")
    assert raised.value.error_type == error_type


def test_signature_for_another_service_or_secret_is_rejected() -> None:
    with pytest.raises(SignatureError, match="correct service"):
        VERIFIER.verify(signed(service="lambda"), "execute-api")
    with pytest.raises(SignatureError, match="does not match"):
        VERIFIER.verify(signed(credentials=BotocoreCredentials(KEY, "another")), "execute-api")


@pytest.mark.parametrize(("own", "given"), [(TOKEN, None), (TOKEN, "another"), (None, "any")])
def test_session_token_must_be_that_of_the_credentials(own: str | None, given: str | None) -> None:
    verifier = Verifier(Credentials(KEY, SECRET, own))

    verifier.verify(signed(credentials=BotocoreCredentials(KEY, SECRET, own)), "execute-api")
    with pytest.raises(SignatureError, match="security token") as raised:
        verifier.verify(signed(credentials=BotocoreCredentials(KEY, SECRET, given)), "execute-api")
    assert raised.value.error_type == UNKNOWN_CREDENTIALS


def test_secrets_are_not_in_the_repr() -> None:
    assert SECRET not in repr(Credentials(KEY, SECRET, SECRET))


def test_cached_keys_are_limited() -> None:
    verifier = Verifier(CREDENTIALS)
    request = signed()

    for number in range(200):
        verifier.verify(signed(region=f"region-{number}"), "execute-api")
        verifier.verify(request, "execute-api")

    assert verifier.cached_key_count <= 64
