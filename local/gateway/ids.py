"""Identifiers in the shapes AWS gives them.

They name things in events and logs and must never guard anything: they come
from a fast generator, not from a secure one.
"""

from __future__ import annotations

import time
from base64 import b64encode, urlsafe_b64encode
from random import getrandbits


def uuid() -> str:
    """A request id, in the canonical form of a version 4 UUID."""
    digits = f"{(getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (0x4 << 76) | (0x2 << 62):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def extended_request_id() -> str:
    """16 characters: the base64 of 11 bytes and its padding."""
    return b64encode(getrandbits(88).to_bytes(11, "big")).decode()


def connection_id() -> str:
    """As ``extended_request_id``, in the alphabet that is safe in a URL."""
    return urlsafe_b64encode(getrandbits(88).to_bytes(11, "big")).decode()


def trace_id() -> str:
    """The Root of an X-Ray trace that begins now."""
    return f"Root=1-{int(time.time()):08x}-{getrandbits(96):024x}"
