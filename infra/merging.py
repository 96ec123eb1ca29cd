"""The templates of this folder as the one that ``chalice package --merge-template`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

TEMPLATES = Path(__file__).parent / "templates"


class Conflict(ValueError):
    """Two templates say the same thing, and one would silently give way."""


def merged(folder: Path = TEMPLATES) -> dict[str, Any]:
    """All templates of ``folder``, which may complete but never contradict each other.

    Raises:
        Conflict: Two of them say something at the same place.
    """
    whole: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        # JSON is YAML.
        _merge(yaml.safe_load(path.read_text()), whole, path.name)
    return whole


def _merge(part: dict[str, Any], whole: dict[str, Any], where: str) -> None:
    for key, value in part.items():
        here = f"{where}: {key}"
        if isinstance(value, dict) and isinstance(whole.setdefault(key, {}), dict):
            _merge(value, whole[key], here)
        elif key in whole:
            raise Conflict(f"{here} is said by another template too")
        else:
            whole[key] = value
