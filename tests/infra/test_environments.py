"""Lambda's Python is found, or its absence explained."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infra.environments import VERSION, NoInterpreter, find_python

NAME = f"python{VERSION}"


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def anywhere(tmp_path: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing is to be found but what is added."""
    return {"PATH": str(tmp_path / "bin"), "PYENV_ROOT": str(tmp_path / "pyenv"), **more}


SAYS_SO = f"echo {VERSION}"
OURS = f"{sys.version_info[0]}.{sys.version_info[1]}" == VERSION
elsewhere = pytest.mark.skipif(OURS, reason="this very interpreter is Lambda's")


@elsewhere
def test_interpreter_is_found_on_the_path(tmp_path: Path) -> None:
    there = program(tmp_path / "bin" / NAME, SAYS_SO)

    assert find_python(anywhere(tmp_path)) == there


@elsewhere
def test_failing_interpreter_is_skipped_for_that_of_pyenv(tmp_path: Path) -> None:
    program(tmp_path / "bin" / NAME, "exit 127")
    there = program(tmp_path / "pyenv" / "versions" / f"{VERSION}.0" / "bin" / NAME, SAYS_SO)

    assert find_python(anywhere(tmp_path)) == there


def test_named_interpreter_is_used(tmp_path: Path) -> None:
    program(tmp_path / "bin" / NAME, SAYS_SO)
    there = program(tmp_path / "mine", SAYS_SO)

    assert find_python(anywhere(tmp_path, PYTHON_3_13=str(there))) == there


@pytest.mark.parametrize("script", ["echo 3.12", "exit 1", None])
def test_named_interpreter_of_another_version_is_refused(
    tmp_path: Path, script: str | None
) -> None:
    there = tmp_path / "mine"
    if script is not None:
        program(there, script)
    program(tmp_path / "bin" / NAME, SAYS_SO)

    with pytest.raises(NoInterpreter, match=f"mine is not Python {VERSION}.*PYTHON_3_13="):
        find_python(anywhere(tmp_path, PYTHON_3_13=str(there)))


@elsewhere
def test_missing_interpreter_is_explained(tmp_path: Path) -> None:
    with pytest.raises(NoInterpreter, match=f"There is no Python {VERSION}.*PYTHON_3_13="):
        find_python(anywhere(tmp_path))
