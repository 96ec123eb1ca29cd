"""Request headers with a meaning of their own: If-Match, If-None-Match, Idempotency-Key.

Entity tags are read as RFC 9110 has them (8.8.3, 13.1). A session's tag is its
version in quotes; other tags are well-formed and match nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from .errors import InvalidRequest

ANY_VERSION: Collection[int] = range(1, 2**53)
"""What ``*`` stands for: whatever there is, as long as there is something."""

KEY_PATTERN = "[\x21-\x7e]{1,255}"

_TAG = '(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
# An empty element is to be taken for none, as in every list of HTTP. Nothing is
# tried twice (*+): ten thousand spaces would otherwise be in every possible way.
_ELEMENT = re.compile(rf"[ \t]*+(?:{_TAG})?+[ \t]*+(?:,|\Z)")
_VERSION = re.compile("[1-9][0-9]{0,15}")


class _Tag(NamedTuple):
    weak: bool
    opaque: str


def entity_tag(version: int) -> str:
    return f'"{version}"'


def expected_versions(if_match: str | None) -> Collection[int] | None:
    """The versions that a request is meant for; None for every one, and for none at all.

    Weak tags match nothing (strong comparison).

    Raises:
        InvalidRequest: It is no list of entity tags.
    """
    if if_match is None:
        return None
    tags = _tags("If-Match", if_match)
    if tags is None:
        return ANY_VERSION
    return frozenset(
        int(tag.opaque) for tag in tags if not tag.weak and _VERSION.fullmatch(tag.opaque)
    )


def cached_versions(if_none_match: str | None) -> Collection[int]:
    """The versions that a client holds already; weak tags count as well.

    Raises:
        InvalidRequest: It is no list of entity tags.
    """
    if if_none_match is None:
        return ()
    tags = _tags("If-None-Match", if_none_match)
    if tags is None:
        return ANY_VERSION
    return frozenset(int(tag.opaque) for tag in tags if _VERSION.fullmatch(tag.opaque))


def is_cached(if_none_match: str | None, tag: str) -> bool:
    """Whether a client holds what has this tag; weak ones count, what is no list holds nothing."""
    if if_none_match is None:
        return False
    try:
        tags = _tags("If-None-Match", if_none_match)
    except InvalidRequest:
        return False
    return tags is None or any(f'"{one.opaque}"' == tag for one in tags)


def idempotency_key(text: str | None) -> str | None:
    """The key as it stands; whatever a client puts around it is part of it.

    Raises:
        InvalidRequest: It is empty, too long, or not of visible ASCII characters alone.
    """
    if text is not None and not re.fullmatch(KEY_PATTERN, text):
        raise _invalid("Idempotency-Key", "Not 1 to 255 visible ASCII characters", "key")
    return text


def _tags(header: str, text: str) -> list[_Tag] | None:
    """The tags of a list, None for ``*``."""
    if text.strip(" \t") == "*":
        return None
    tags, at = [], 0
    while at < len(text):
        element = _ELEMENT.match(text, at)
        if element is None:
            raise _invalid(header, "Not * and no list of entity tags", "entity_tags")
        weak, opaque = element.groups()
        if opaque is not None:
            tags.append(_Tag(weak is not None, opaque))
        at = element.end()
    if not tags:
        raise _invalid(header, "Not * and no list of entity tags", "entity_tags")
    return tags


def _invalid(header: str, message: str, code: str) -> InvalidRequest:
    return InvalidRequest([{"field": header, "message": message, "code": code}])
