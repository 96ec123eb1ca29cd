"""Random identifiers in AWS's formats, for events and logs.

Not secure: the generator is fast and predictable, so no identifier may serve as a secret.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from random import getrandbits


def uuid() -> str:
    """A request id, in the canonical form of a version 4 UUID."""
    digits = f"{(getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (0x4 << 76) | (0x2 << 62):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def extended_request_id() -> str:
    """16 characters: 11 bytes in URL-safe base64, with padding."""
    return urlsafe_b64encode(getrandbits(88).to_bytes(11, "big")).decode()


def connection_id() -> str:
    """As ``extended_request_id``."""
    return extended_request_id()


def trace_id() -> str:
    """The Root of a new X-Ray trace."""
    return f"Root=1-{int(time.time()):08x}-{getrandbits(96):024x}"
