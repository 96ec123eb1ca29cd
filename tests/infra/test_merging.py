"""Templates are merged into one, and never contradict each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.merging import Conflict, merged


def test_templates_complete_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("Resources: {A: {Type: X, Properties: {P: 1}}}")
    (tmp_path / "b.json").write_text('{"Resources": {"A": {"Properties": {"Q": [2]}}, "B": {}}}')

    assert merged(tmp_path) == {
        "Resources": {"A": {"Type": "X", "Properties": {"P": 1, "Q": [2]}}, "B": {}}
    }


@pytest.mark.parametrize(
    "other", ["A: {P: 1}", "A: {P: 2}", "A: {P: {Q: 1}}", "A: 1"], ids=lambda text: text
)
def test_key_of_two_templates_is_refused_by_name(tmp_path: Path, other: str) -> None:
    (tmp_path / "a.yaml").write_text("A: {P: 1}")
    (tmp_path / "b.yaml").write_text(other)

    with pytest.raises(Conflict, match=r"b\.yaml: A"):
        merged(tmp_path)
