"""Merges the templates of this package into one for ``chalice package --merge-template``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

TEMPLATES = Path(__file__).parent / "templates"


class MergeConflict(ValueError):
    """Two templates set the same value, of which one would be lost."""


def merge_templates(folder: Path = TEMPLATES) -> dict[str, Any]:
    """All templates in ``folder``, merged.

    Raises:
        MergeConflict: Two of them set the same value.
    """
    merged: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        # JSON is YAML.
        _merge(yaml.safe_load(path.read_text()), merged, path.name)
    return merged


def _merge(template: dict[str, Any], merged: dict[str, Any], location: str) -> None:
    for key, value in template.items():
        here = f"{location}: {key}"
        if isinstance(value, dict) and isinstance(merged.setdefault(key, {}), dict):
            _merge(value, merged[key], here)
        elif key in merged:
            raise MergeConflict(f"{here} is also set by another template")
        else:
            merged[key] = value
