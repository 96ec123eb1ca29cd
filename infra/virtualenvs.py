"""Virtual environments with Lambda's Python version, and finding that Python.

Chalice builds a package for the Python version that runs it, so another version can't be
used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

VERSION = "3.13"
VARIABLE = "PYTHON_3_13"


class PythonNotFound(LookupError):
    """Lambda's Python is not on this machine; the message says what to set."""


def find_python(environment: Mapping[str, str] = os.environ) -> Path:
    """An interpreter of Lambda's version: the configured one, or else the first found.

    Raises:
        PythonNotFound: There is none, or the configured one has another version.
    """
    configured = environment.get(VARIABLE)
    for candidate in [Path(configured)] if configured else _candidates(environment):
        if _version_of(candidate) == VERSION:
            return candidate
    problem = f"{configured} is not" if configured else "There is no"
    raise PythonNotFound(
        f"{problem} Python {VERSION}, the version of the Lambda functions;"
        f" set {VARIABLE}=/path/to/python{VERSION}"
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    yield Path(sys.executable)
    on_path = shutil.which(f"python{VERSION}", path=environment.get("PATH"))
    if on_path:
        yield Path(on_path)
    # pyenv's shim on PATH fails unless this version is selected.
    pyenv = Path(environment.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{VERSION}.*/bin/python{VERSION}"))


def _version_of(python: Path) -> str | None:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        completed = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return completed.stdout.strip()


def virtualenv(requirements: Path, folder: Path) -> Path:
    """The ``bin`` of a virtual environment with these requirements, created if needed.

    Raises:
        PythonNotFound: Lambda's Python is not on this machine.
        subprocess.CalledProcessError: pip failed; its output says why.
    """
    stamp = folder / requirements.name
    # Includes requirements files referenced by ``-r``.
    expected = "".join(path.read_text() for path in sorted(requirements.parent.glob("req*.txt")))
    if not stamp.exists() or stamp.read_text() != expected:
        subprocess.run([find_python(), "-m", "venv", "--clear", folder], check=True)
        python, silently = folder / "bin" / "python", ("-qq", "--disable-pip-version-check")
        pip = (python, "-m", "pip", "install", *silently)
        # From there, because it names the folder of local/gateway relatively.
        subprocess.run([*pip, "-r", requirements], cwd=requirements.parent, check=True)
        stamp.write_text(expected)
    return folder / "bin"
