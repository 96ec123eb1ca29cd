"""Merging of templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.merge_templates import MergeConflict, merge_templates


def test_templates_are_merged(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("Resources: {A: {Type: X, Properties: {P: 1}}}")
    (tmp_path / "b.json").write_text('{"Resources": {"A": {"Properties": {"Q": [2]}}, "B": {}}}')

    assert merge_templates(tmp_path) == {
        "Resources": {"A": {"Type": "X", "Properties": {"P": 1, "Q": [2]}}, "B": {}}
    }


@pytest.mark.parametrize(
    "other", ["A: {P: 1}", "A: {P: 2}", "A: {P: {Q: 1}}", "A: 1"], ids=lambda text: text
)
def test_conflicting_templates_are_rejected_with_the_place(tmp_path: Path, other: str) -> None:
    (tmp_path / "a.yaml").write_text("A: {P: 1}")
    (tmp_path / "b.yaml").write_text(other)

    with pytest.raises(MergeConflict, match=r"b\.yaml: A"):
        merge_templates(tmp_path)
