"""Virtual environments on Lambda's Python, and where that Python is.

Chalice writes a package for the version of the interpreter that runs it, so an
environment on another version would not do.
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


class NoInterpreter(LookupError):
    """Lambda's Python is not on this machine; the message says how to name it."""


def find_python(environment: Mapping[str, str] = os.environ) -> Path:
    """An interpreter of Lambda's version: the one that is named, or the first found.

    Raises:
        NoInterpreter: There is none, or the one that is named is another version.
    """
    named = environment.get(VARIABLE)
    for candidate in [Path(named)] if named else _candidates(environment):
        if _version_of(candidate) == VERSION:
            return candidate
    found = f"{named} is not" if named else "There is no"
    raise NoInterpreter(
        f"{found} Python {VERSION}, for which Lambda's package is made;"
        f" say {VARIABLE}=/path/to/python{VERSION}"
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    yield Path(sys.executable)
    on_path = shutil.which(f"python{VERSION}", path=environment.get("PATH"))
    if on_path:
        yield Path(on_path)
    # What pyenv puts on PATH refuses to run unless that version was selected.
    pyenv = Path(environment.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{VERSION}.*/bin/python{VERSION}"))


def _version_of(python: Path) -> str | None:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        asked = subprocess.run(
            [python, "-c", ask], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()


def environment_of(requirements: Path, folder: Path) -> Path:
    """The ``bin`` of an environment with these requirements, made unless it is there.

    Raises:
        NoInterpreter: Lambda's Python is not here.
        subprocess.CalledProcessError: pip failed; it has said why.
    """
    stamp = folder / requirements.name
    # What is required through ``-r`` counts too.
    wanted = "".join(path.read_text() for path in sorted(requirements.parent.glob("req*.txt")))
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([find_python(), "-m", "venv", "--clear", folder], check=True)
        python, silently = folder / "bin" / "python", ("-qq", "--disable-pip-version-check")
        pip = (python, "-m", "pip", "install", *silently)
        subprocess.run([*pip, "-r", requirements], check=True)
        stamp.write_text(wanted)
    return folder / "bin"
