"""Bytes come back as they went, and nothing else is taken for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.access.base64url import decode, encode


@given(data=st.binary())
def test_what_is_encoded_can_be_decoded(data: bytes) -> None:
    assert decode(encode(data)) == data


# RFC 4648, 10, and the two characters in which the alphabet for addresses differs.
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (b"\xfb\xff", "-_8"),
        (b"\0\0\x17", "AAAX"),
    ],
)
def test_it_is_written_without_padding(data: bytes, text: str) -> None:
    assert (encode(data), decode(text)) == (text, data)


@pytest.mark.parametrize("text", ["A", "AAAAA", "Zg==", "+/8", "Zm9v\n", " Zm9v", "é", "Z.g"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        decode(text)
