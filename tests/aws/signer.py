"""Signatures as botocore's own signer makes them, of requests that have been made already."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from chalicelib.aws.credentials import Credentials


def authorization(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    credentials: Credentials,
    region: str,
    service: str,
) -> str:
    """The Authorization header that this request should have; names of headers in lower case.

    Which headers are signed, and when, is taken from the request.
    """
    named = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    signed = {name: headers[name] for name in named.split(";")}
    signer = SigV4Auth(BotocoreCredentials(*credentials), service, region)
    again = AWSRequest(method=method, url=url, data=body, headers=signed)
    again.context["timestamp"] = headers["x-amz-date"]
    canonical_request = signer.canonical_request(again)
    signature = signer.signature(signer.string_to_sign(again, canonical_request), again)
    return (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(again)}, "
        f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(again))}, "
        f"Signature={signature}"
    )
