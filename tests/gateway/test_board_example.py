"""The example of the testing guide: it passes, and each planted bug fails its test."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

pytest_plugins = ["pytester"]

BOARD = Path(__file__).parents[2] / "local/gateway/examples/board"
GUIDE = Path(__file__).parents[2] / "local/gateway/docs/testing.md"

FOUND_BY = {
    "message_order": "test_newest_text_stays_although_messages_overtake_each_other",
    "gone_connections": "test_client_that_is_gone_gets_no_more_posts",
    "lost_disconnect": "test_client_whose_disconnect_was_lost_is_reported_as_left",
    "idle": "test_client_that_only_watches_stays_connected",
    "two_hours": "test_text_outlives_the_two_hours_of_a_connection",
    "frame_size": "test_long_text_arrives_whole",
}


def plant_bugs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plant_bugs", BOARD / "plant_bugs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def failed(pytester: pytest.Pytester, bugs: list[str], *tests: str) -> tuple[set[str], int]:
    """The tests that fail with these bugs, and how many pass; all tests, unless some are named."""
    plant_bugs().plant(pytester.path, bugs)
    nodes = [f"test_board.py::{test}" for test in tests]
    ran = pytester.inline_run("-p", "no:cacheprovider", "-W", "error", *nodes)
    passed, _, failures = ran.listoutcomes()
    assert not [report for report in failures if report.when != "call"]
    return {re.split(r"::|\[", report.nodeid)[1] for report in failures}, len(passed)


def test_app_without_bugs_passes(pytester: pytest.Pytester) -> None:
    assert failed(pytester, []) == (set(), 8)


@pytest.mark.parametrize("bug", FOUND_BY)
def test_planted_bug_fails_its_test(pytester: pytest.Pytester, bug: str) -> None:
    found_by, passed = failed(pytester, [bug], FOUND_BY[bug])

    assert found_by == {FOUND_BY[bug]}
    # What is short enough as ASCII passes, which is why this bug is easily missed.
    assert passed == (1 if bug == "frame_size" else 0)


def test_each_bug_has_a_test_and_a_row_in_the_guide() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| `(\w+)` \|$", GUIDE.read_text(), re.MULTILINE)

    assert set(FOUND_BY) == set(plant_bugs().BUGS)
    assert dict(rows) == FOUND_BY


def test_bug_that_can_not_be_planted_is_an_error(tmp_path: Path) -> None:
    module = plant_bugs()
    vars(module)["BUGS"] = {"odd": ("app.py", "no such line", "")}

    with pytest.raises(ValueError, match=r"app\.py has no place for odd"):
        module.plant(tmp_path / "board", ["odd"])
