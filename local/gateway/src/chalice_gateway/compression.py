"""gzip compression of REST responses from a minimum size, for clients that accept it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, Final

from .http_messages import Response

_EXTENSION: Final = "x-amazon-apigateway-minimum-compression-size"
LEVEL: Final = 6


def minimum_compression_bytes(template: Mapping[str, Any]) -> int | None:
    """The size from which the API in a CloudFormation template compresses; None if it doesn't."""
    for resource in template.get("Resources", {}).values():
        minimum = resource.get("Properties", {}).get("DefinitionBody", {}).get(_EXTENSION)
        if isinstance(minimum, int):
            return minimum
    return None


def is_compressible(response: Response, accept_encoding: str | None, minimum: int | None) -> bool:
    if minimum is None or len(response.body) < max(minimum, 1):
        return False
    if any(name.lower() == "content-encoding" for name, _ in response.headers):
        return False
    # [?] AWS does not document q=0; here it is "not acceptable", as in RFC 9110, 12.4.2.
    codings = [coding.replace(" ", "").lower() for coding in (accept_encoding or "").split(",")]
    return any(
        coding.partition(";")[0] == "gzip" and not _has_zero_weight(coding) for coding in codings
    )


def compress(response: Response) -> Response:
    body = gzip.compress(response.body, LEVEL, mtime=0)
    return Response(response.status, (*response.headers, ("Content-Encoding", "gzip")), body)


def _has_zero_weight(coding: str) -> bool:
    weight = coding.partition(";q=")[2]
    return bool(weight) and not weight.strip("0.")
