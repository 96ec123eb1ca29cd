"""The messages that a client of the board sends."""

import json

# API Gateway closes a connection that sends a frame of more than 32 KB. A character takes
# up to 12 bytes as JSON, which writes those beyond ASCII as \uXXXX, and emoji as two.
PART_CHARACTERS = 2_500


def write(number, text):
    """The messages that put ``text`` on the board, as the client's ``number``-th."""
    length = PART_CHARACTERS
    pieces = [text[at : at + length] for at in range(0, len(text), length)] or [""]
    return [
        json.dumps(
            {"type": "write", "number": number, "part": part, "parts": len(pieces), "text": piece}
        )
        for part, piece in enumerate(pieces)
    ]
