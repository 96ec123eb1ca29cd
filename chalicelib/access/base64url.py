"""Bytes as text, as JSON Web Keys and Signatures have them: base64url without padding.

https://www.rfc-editor.org/rfc/rfc7515#section-2
"""

from __future__ import annotations

import base64
import re

_is_encoded = re.compile(r"[A-Za-z0-9_-]*").fullmatch


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """What a text stands for.

    Raises:
        ValueError: It has other characters, or one that stands for nothing.
    """
    # The library would pass over what it doesn't know.
    if not _is_encoded(text):
        raise ValueError("not base64url")
    # More padding than is missing does no harm.
    return base64.urlsafe_b64decode(text + "==")
