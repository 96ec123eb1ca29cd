"""Responses compressed as API Gateway compresses them: from a size on, for whom it suits.

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
    """From what size on the API of a CloudFormation template compresses; None: it never does."""
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
    # [?] AWS does not document q=0; it is taken as a refusal.
    codings = [one.replace(" ", "").lower() for one in (accept_encoding or "").split(",")]
    return any(one.partition(";")[0] == "gzip" and not _is_nothing(one) for one in codings)


def compressed(response: Response) -> Response:
    body = gzip.compress(response.body, LEVEL, mtime=0)
    return Response(response.status, (*response.headers, ("Content-Encoding", "gzip")), body)


def _is_nothing(coding: str) -> bool:
    weight = coding.partition(";q=")[2]
    return bool(weight) and not weight.strip("0.")
