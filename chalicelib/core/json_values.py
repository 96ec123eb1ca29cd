"""Opaque JSON: what clients store with a session, and get back unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping


def size_bytes(value: object) -> int:
    """The size as compact JSON in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def depth(value: object) -> int:
    # The JSON parser limits nesting, which bounds this recursion.
    if isinstance(value, Mapping):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def is_same(one: object, other: object) -> bool:
    """Whether both are the same JSON; Python takes 1 for True and for 1.0."""
    mine, theirs = (json.dumps(value, sort_keys=True) for value in (one, other))
    return mine == theirs


def merged(target: object, patch: object) -> object:
    """The target after a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
