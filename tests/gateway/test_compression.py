"""Compression of REST responses."""

from __future__ import annotations

import gzip
import json

import pytest

from chalice_gateway.compression import compress, is_compressible, minimum_compression_bytes
from chalice_gateway.http_messages import Response

LARGE = Response(200, (("Content-Type", "text/plain"),), b"tick" * 1_000)


@pytest.mark.parametrize(
    ("accepted", "fits"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("deflate, br", False),
        ("", False),
        (None, False),
    ],
)
def test_response_is_compressed_if_the_client_accepts_gzip(
    accepted: str | None, fits: bool
) -> None:
    assert is_compressible(LARGE, accepted, 4_000) is fits


def test_response_is_compressed_from_the_minimum_size_and_once() -> None:
    assert not is_compressible(LARGE, "gzip", 4_001)
    assert not is_compressible(LARGE, "gzip", None)
    assert not is_compressible(Response(304), "gzip", 0)
    assert not is_compressible(compress(LARGE), "gzip", 0)


def test_compressed_body_decompresses_to_the_original() -> None:
    response = compress(LARGE)

    assert gzip.decompress(response.body) == LARGE.body
    assert len(response.body) < 100
    assert dict(response.headers) == {"Content-Type": "text/plain", "Content-Encoding": "gzip"}


def test_minimum_size_is_read_from_the_api_definition() -> None:
    definition = json.loads('{"x-amazon-apigateway-minimum-compression-size": 7}')
    api = {"Properties": {"DefinitionBody": definition}}

    assert minimum_compression_bytes({"Resources": {"Other": {}, "API": api}}) == 7
    assert minimum_compression_bytes({"Resources": {"Other": {}}}) is None
    assert minimum_compression_bytes({}) is None
