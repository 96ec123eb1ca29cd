"""The Dockerfile copies what its command needs, and compose runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

import httpx
import pytest
import yaml

from local.__main__ import read_arguments
from tests.waiting import HUNG_AFTER_S

ROOT = Path(__file__).parents[2]
WITHIN_S = HUNG_AFTER_S
IGNORED = shutil.ignore_patterns("__pycache__", "node_modules")
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def copied() -> set[str]:
    return {source for copy in instructions("COPY") for source in copy.split()[:-1]}


def test_copied_files_exist_and_are_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in lines if line.startswith("!")]

    assert lines[0] == "*"
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(source == one or source.startswith(f"{one}/") for one in allowed), source


def test_imported_modules_are_copied() -> None:
    assert {
        ".chalice/config.json",
        "app.py",
        "chalicelib",
        "client/python/src",
        "local",
    } <= copied()
    options = read_arguments([])
    assert any(fnmatch(str(options.gateway_template), f"{source}*") for source in copied())


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The directory that the Dockerfile's instructions create."""
    working = tmp_path / "tickless"
    for *sources, place in map(str.split, instructions("COPY")):
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, working / place, ignore=IGNORED, dirs_exist_ok=True)
            else:
                to = working / place / (Path(source).name if place.endswith("/") else "")
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, to)
    return working


def test_copied_files_suffice_to_run_the_stack(image: Path) -> None:
    (command,) = map(json.loads, instructions("CMD"))
    here = ("--host", "127.0.0.1", "--port", "0", "--ws-port", "0", "--data-dir", "data")
    with subprocess.Popen(
        [sys.executable, *command[1:], *here],
        cwd=image,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    ) as stack:
        assert stack.stdout is not None
        try:
            (url,) = re.findall(r"REST +(\S+)", "".join(islice(stack.stdout, 2)))
            with httpx.Client(base_url=url, timeout=WITHIN_S) as client:
                for path in ("/ready", "/docs", "/openapi.json", "/asyncapi.json"):
                    assert client.get(path).status_code == 200, path
                parts = re.findall(r'"(page/[^"]+)"', client.get("/").text)
                assert len(parts) > 2
                for part in parts:
                    assert client.get(f"/{part}").status_code == 200, part
        finally:
            stack.terminate()
        assert stack.wait(WITHIN_S) == 0
    watch = [sys.executable, "-m", "local", "watch", "--help"]
    subprocess.run(watch, cwd=image, env={}, check=True, stdout=subprocess.DEVNULL)


def test_base_image_is_pinned_and_the_user_is_not_root() -> None:
    (base,) = instructions("FROM")
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    assert instructions("USER") == ["1000:1000"]


def test_command_runs_the_stack_on_the_declared_ports_and_volume() -> None:
    (command,) = map(json.loads, instructions("CMD"))
    options = read_arguments(command[3:])

    assert command[:3] == ["python", "-m", "local"]
    assert options.host == "0.0.0.0"
    assert instructions("EXPOSE") == [f"{options.port} {options.ws_port}"]
    assert instructions("VOLUME") == [str(options.data_dir)]


def test_compose_serves_on_loopback_and_keeps_data() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    stack = compose["services"]["tickless"]

    assert stack["build"] == "."
    assert [one.split(":")[-1] for one in stack["ports"]] == instructions("EXPOSE")[0].split()
    assert all(one.startswith("127.0.0.1:") for one in stack["ports"])
    assert stack["volumes"] == [f"tickless-data:{instructions('VOLUME')[0]}"]


def test_compose_starts_redis_only_on_request() -> None:
    container = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    assert [name for name, one in container.items() if "profiles" not in one] == ["tickless"]
