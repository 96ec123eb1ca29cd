"""The wheel of chalice-gateway, in an environment that has nothing else.

With the package for AWS, and not in ``make test``: it downloads what the wheel requires.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path
from zipfile import ZipFile

import boto3
import pytest
from websockets.sync.client import connect

import chalice_gateway
from infra.packaging import BUILD, ROOT

WITHIN_S = 30
NAME = f"chalice_gateway-{chalice_gateway.__version__}"

APP = """
import boto3
from chalice import Chalice

app = Chalice("echo")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()

@app.route("/")
def index():
    return {"hello": "world"}

@app.on_ws_message()
def message(event):
    app.websocket_api.send(event.connection_id, event.body)

@app.on_sqs_message("orders")
def order(event):
    return [record.body for record in event]
"""

TEST = """
def test_echo(chalice_gateway):
    client = chalice_gateway.connect()
    client.send_json({"a": 1})
    assert client.receive_json() == {"a": 1}
    chalice_gateway.clock.advance(minutes=10)
    assert client.closed() == (1001, "Going away")
"""


@pytest.fixture(scope="session")
def dist() -> Path:
    """The directory that ``make dist`` fills."""
    subprocess.run(["make", "dist", f"PYTHON={sys.executable}"], cwd=ROOT, check=True)
    return BUILD / "dist"


@pytest.fixture(scope="session")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment with the wheel and pytest."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    wheel = f"chalice-gateway[pytest] @ {(dist / f'{NAME}-py3-none-any.whl').as_uri()}"
    pip = (folder / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check")
    subprocess.run([*pip, wheel], check=True)
    return folder / "bin"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def environment() -> dict[str, str]:
    """This process's variables, without those that point into this repository."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTEST_", "COV_")) and name != "PYTHONPATH"
    }


def test_distributions_have_what_they_need_and_no_more(dist: Path) -> None:
    assert sorted(path.name for path in dist.iterdir()) == [
        f"{NAME}-py3-none-any.whl",
        f"{NAME}.tar.gz",
    ]
    with ZipFile(dist / f"{NAME}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    assert {name.partition("/")[0] for name in names} == {
        "chalice_gateway",
        f"{NAME}.dist-info",
    }
    assert {"chalice_gateway/py.typed", f"{NAME}.dist-info/licenses/LICENSE"} <= names
    with tarfile.open(dist / f"{NAME}.tar.gz") as sdist:
        top = {name.split("/")[1] for name in sdist.getnames()}
    ours = {"CHANGELOG.md", "LICENSE", "README.md", "docs", "examples", "pyproject.toml", "src"}
    assert top == ours | {"PKG-INFO", ".gitignore"}


def test_installed_wheel_serves_an_app(installed: Path, project: Path) -> None:
    command = [str(installed / "chalice-gateway"), "run", "--port", "0", "--ws-port", "0"]
    with subprocess.Popen(
        command, cwd=project, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = "".join(process.stdout.readline() for _ in range(4))
            rest, sockets, endpoint, _ = re.findall(r"(?:http|ws)://\S+", said)
            with urllib.request.urlopen(rest, timeout=WITHIN_S) as response:
                assert json.load(response) == {"hello": "world"}
            with connect(sockets) as socket:
                socket.send("echo")
                assert socket.recv(WITHIN_S) == "echo"
            api = boto3.client(
                "apigatewaymanagementapi",
                endpoint_url=endpoint,
                region_name="us-east-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",
            )
            with pytest.raises(api.exceptions.GoneException):
                api.post_to_connection(ConnectionId="PJqB0fHsqRcCHlw=", Data=b"x")
        finally:
            process.terminate()


def test_installed_wheel_invokes_functions(installed: Path, project: Path) -> None:
    done = subprocess.run(
        [installed / "chalice-gateway", "invoke", "order"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == ["Hello"]


def test_installed_wheel_brings_the_pytest_plugin(installed: Path, project: Path) -> None:
    (project / "test_echo.py").write_text(TEST)
    done = subprocess.run(
        [installed / "python", "-m", "pytest", "-q", "-W", "error"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reload"], "--reload needs the package watchfiles: pip install"),
        (["--tls"], "needs the package cryptography: pip install"),
        (["--cognito-jwks", "keys.json"], "need the package pyjwt: pip install"),
    ],
)
def test_missing_extra_is_named(
    installed: Path, project: Path, arguments: list[str], message: str
) -> None:
    done = subprocess.run(
        [installed / "chalice-gateway", "run", "--port", "0", "--ws-port", "0", *arguments],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert message in done.stderr
