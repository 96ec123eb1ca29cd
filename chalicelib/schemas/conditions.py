"""Conditional request headers: If-Match, If-None-Match, Idempotency-Key.

Entity tags follow RFC 9110 (8.8.3, 13.1). A session's tag is its version in quotes; other
well-formed tags match nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from .errors import InvalidRequest

ANY_VERSION: Collection[int] = range(1, 2**53)
"""What ``*`` matches: any version of an existing session."""

KEY_PATTERN = "[\x21-\x7e]{1,255}"

_TAG = '(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
# Empty list elements are ignored (RFC 9110, 5.6.1). Quantifiers are possessive (*+) so that
# ten thousand spaces cannot cause catastrophic backtracking.
_ELEMENT = re.compile(rf"[ \t]*+(?:{_TAG})?+[ \t]*+(?:,|\Z)")
_VERSION = re.compile("[1-9][0-9]{0,15}")


class _Tag(NamedTuple):
    weak: bool
    opaque: str


def expected_versions(if_match: str) -> Collection[int]:
    """The versions that If-Match allows.

    Weak tags match nothing (strong comparison).

    Raises:
        InvalidRequest: The header is not a list of entity tags.
    """
    tags = _tags("If-Match", if_match)
    if tags is None:
        return ANY_VERSION
    return frozenset(
        int(tag.opaque) for tag in tags if not tag.weak and _VERSION.fullmatch(tag.opaque)
    )


def cached_versions(if_none_match: str) -> Collection[int]:
    """The versions that If-None-Match says the client has cached; weak tags match too.

    Raises:
        InvalidRequest: The header is not a list of entity tags.
    """
    tags = _tags("If-None-Match", if_none_match)
    if tags is None:
        return ANY_VERSION
    return frozenset(int(tag.opaque) for tag in tags if _VERSION.fullmatch(tag.opaque))


def is_cached(if_none_match: str | None, tag: str) -> bool:
    """Whether If-None-Match matches this tag; weak tags do too, an invalid header does not."""
    if if_none_match is None:
        return False
    try:
        tags = _tags("If-None-Match", if_none_match)
    except InvalidRequest:
        return False
    return tags is None or any(f'"{one.opaque}"' == tag for one in tags)


def idempotency_key(text: str) -> str:
    """The Idempotency-Key, verbatim: surrounding quotes are part of it.

    Raises:
        InvalidRequest: The key is empty, too long, or has other than visible ASCII characters.
    """
    if not re.fullmatch(KEY_PATTERN, text):
        raise _invalid("Idempotency-Key", "Must be 1 to 255 visible ASCII characters", "key")
    return text


def _tags(header: str, text: str) -> list[_Tag] | None:
    """The entity tags of a list; ``None`` for ``*``."""
    if text.strip(" \t") == "*":
        return None
    tags, at = [], 0
    while at < len(text):
        element = _ELEMENT.match(text, at)
        if element is None:
            raise _invalid(header, 'Must be * or a list of entity tags, such as "7"', "entity_tags")
        weak, opaque = element.groups()
        if opaque is not None:
            tags.append(_Tag(weak is not None, opaque))
        at = element.end()
    if not tags:
        raise _invalid(header, 'Must be * or a list of entity tags, such as "7"', "entity_tags")
    return tags


def _invalid(header: str, message: str, code: str) -> InvalidRequest:
    return InvalidRequest([{"field": header, "message": message, "code": code}])
