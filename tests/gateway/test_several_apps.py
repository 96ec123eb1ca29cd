"""Several apps on one gateway, each below its own name and stage."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from chalice_gateway.command_line import main, read_arguments
from chalice_gateway.options import Options, SeveralApps

from .websocket_serving import WITHIN_S

APP = """
import json, os
import boto3
from chalice import Chalice, IAMAuthorizer
from chalicelib.names import NAME

app = Chalice({name!r})
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()

@app.route("/")
def root():
    return NAME

@app.route("/", methods=["PUT"], authorizer=IAMAuthorizer())
def signed_root():
    return NAME

@app.route("/items/{{item}}", methods=["GET", "POST", "HEAD"])
def item(item):
    context = app.current_request.context
    return {{"name": NAME, "item": item, "query": app.current_request.query_params,
            "body": app.current_request.raw_body.decode(), "path": context["path"],
            "api": context["apiId"], "folder": os.getcwd(), "stage": os.environ.get("STAGE")}}

@app.route("/signed", authorizer=IAMAuthorizer())
def signed():
    return NAME

@app.lambda_function()
def whoami(event, context):
    return [NAME, event]

@app.on_ws_connect()
def connect(event):
    if "refuse" in (event.to_dict().get("queryStringParameters") or {{}}):
        return {{"statusCode": 401, "headers": {{}}, "body": ""}}

@app.on_ws_message()
def message(event):
    if event.body == "where":
        # As most apps build it.
        client = boto3.client("apigatewaymanagementapi", region_name="us-east-1",
            endpoint_url=f"https://{{event.domain_name}}/{{event.stage}}")
        client.post_to_connection(ConnectionId=event.connection_id, Data=NAME.encode())
    elif event.body == "id":
        app.websocket_api.send(event.connection_id, event.connection_id)
    else:
        print("received", event.body)
        app.websocket_api.send(event.connection_id, f"{{NAME}}: {{event.body}}")

@app.schedule("rate(1 day)")
def daily(event): ...
"""


def write_app(folder: Path, name: str) -> Path:
    (folder / "chalicelib").mkdir(parents=True)
    (folder / "chalicelib" / "__init__.py").touch()
    (folder / "chalicelib" / "names.py").write_text(f"NAME = {name!r}\n")
    (folder / "app.py").write_text(APP.format(name=name))
    (folder / ".chalice").mkdir()
    stages = {"prod": {"api_gateway_stage": "live", "environment_variables": {"STAGE": "prod"}}}
    (folder / ".chalice" / "config.json").write_text(
        json.dumps({"app_name": name, "stages": stages})
    )
    return folder


@dataclass(frozen=True)
class Run:
    process: subprocess.Popen[str]
    rest: str
    sockets: str
    said: str

    def get(self, path: str, **options: Any) -> tuple[int, Any]:
        request = urllib.request.Request(f"{self.rest}/{path}", **options)
        try:
            with urllib.request.urlopen(request, timeout=WITHIN_S) as response:
                text = response.read()
                return response.status, json.loads(text) if text.startswith(b"{") else text.decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def connect(self, path: str) -> Any:
        url = f"{self.sockets.replace('http', 'ws')}/{path}"
        return connect(url, open_timeout=WITHIN_S, close_timeout=WITHIN_S)


@contextmanager
def started(*arguments: str, cwd: Path | None = None) -> Iterator[Run]:
    command = [sys.executable, "-m", "chalice_gateway", "run", "--port", "0", "--ws-port", "0"]
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("AWS_")}
    with subprocess.Popen(
        [*command, *arguments], cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            while said.count("Schedule ") < sum("@" in one or "/" in one for one in arguments):
                line = process.stdout.readline()
                assert line, said
                said += line
            rest = re.search(r"REST +(http://[^/]+)", said)
            sockets = re.search(r"Lambda +(\S+)", said)
            assert rest
            assert sockets
            yield Run(process, rest[1], sockets[1], said)
        finally:
            process.terminate()
            process.wait(WITHIN_S)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The apps ``books`` and ``toys``, the latter in two stages."""
    folder = tmp_path_factory.mktemp("several")
    books, toys = (write_app(folder / name, name) for name in ("books", "toys"))
    with started(str(books), str(toys), f"{toys}@prod") as run:
        yield run


def test_urls_of_all_apps_are_printed(two: Run) -> None:
    lines = [re.sub(r"next at .*", "next at", line) for line in two.said.splitlines()]

    assert lines[:6] == [
        "books-dev",
        f"  REST         {two.rest}/books-dev/api",
        f"  WebSocket    {two.sockets.replace('http', 'ws')}/books-dev/api",
        f"  @connections {two.sockets}/books-dev/api",
        f"  Lambda       {two.sockets}",
        "  Schedule     books-dev-daily: rate(1 day), next at",
    ]
    assert lines[6] == "toys-dev"
    assert lines[12:14] == ["toys-prod", f"  REST         {two.rest}/toys-prod/live"]


def test_each_app_has_its_own_path_modules_directory_and_variables(two: Run) -> None:
    books, toys, live = (
        two.get(path)[1]
        for path in (
            "books-dev/api/items/a%20b?x=1",
            "toys-dev/api/items/a%20b?x=1",
            "toys-prod/live/items/a%20b?x=1",
        )
    )

    assert [each["name"] for each in (books, toys, live)] == ["books", "toys", "toys"]
    assert [each["stage"] for each in (books, toys, live)] == [None, None, "prod"]
    assert [Path(each["folder"]).name for each in (books, toys, live)] == ["books", "toys", "toys"]
    assert [each["path"] for each in (books, live)] == ["/api/items/a%20b", "/live/items/a%20b"]
    assert (books["item"], books["query"]) == ("a%20b", {"x": "1"})
    ids = {each["api"] for each in (books, toys, live)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{10}", each) for each in ids)


def test_root_of_an_app_is_its_stage(two: Run) -> None:
    assert two.get("books-dev/api") == (200, "books")
    assert two.get("books-dev/api/") == (200, "books")


def test_bodies_and_methods_are_passed_on(two: Run) -> None:
    status, answer = two.get(
        "books-dev/api/items/1",
        data="ä".encode() * 100_000,
        headers={"Content-Type": "application/json"},
    )
    assert (status, answer["body"]) == (200, "ä" * 100_000)

    head = urllib.request.Request(f"{two.rest}/books-dev/api/items/1", method="HEAD")
    with urllib.request.urlopen(head, timeout=WITHIN_S) as response:
        assert int(response.headers["Content-Length"]) > 50
        assert response.read() == b""


@pytest.mark.parametrize("path", ["", "magic/api/items/1", "books-dev-more/api", "?x=books-dev"])
def test_unknown_app_is_forbidden(two: Run, path: str) -> None:
    assert two.get(path) == (403, {"message": "Forbidden"})


@pytest.mark.parametrize("path", ["books-dev/live/items/1", "books-dev", "items/1"])
def test_another_stage_is_not_found(two: Run, path: str) -> None:
    assert two.get(path)[0] == 403


def test_malformed_request_is_answered_by_the_router(two: Run) -> None:
    status, answer = two.get("books-dev/api", headers={"Host": "a", "X": "y" * 20_000})

    assert (status, answer["message"]) == (
        431,
        "The request headers are larger than 10,240 bytes",
    )


def test_sockets_reach_their_app_and_can_be_posted_to(two: Run) -> None:
    with two.connect("books-dev/api") as books, two.connect("toys-prod/live") as toys:
        for socket, name in ((books, "books"), (toys, "toys")):
            socket.send("hello")
            assert socket.recv(WITHIN_S) == f"{name}: hello"
            socket.send("where")
            assert socket.recv(WITHIN_S) == name


def test_large_messages_pass_in_both_directions(two: Run) -> None:
    with two.connect("books-dev/api") as books:
        for length in (1, 30_000, 32_000):
            books.send("x" * length)
            assert books.recv(WITHIN_S) == f"books: {'x' * length}"


def test_refused_handshake_is_passed_on(two: Run) -> None:
    with pytest.raises(InvalidStatus, match="401"), two.connect("books-dev/api?refuse=1"):
        pass
    with pytest.raises(InvalidStatus, match="403"), two.connect("books-dev/other"):
        pass


def test_signed_posts_pass_the_router(two: Run) -> None:
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=f"{two.sockets}/books-dev/api",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with two.connect("books-dev/api") as books:
        books.send("id")
        connection_id = books.recv(WITHIN_S)
        client.post_to_connection(ConnectionId=connection_id, Data=b"from outside")
        assert books.recv(WITHIN_S) == "from outside"
        client.delete_connection(ConnectionId=connection_id)
        with pytest.raises(ConnectionClosed) as closed:
            books.recv(WITHIN_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000
    with pytest.raises(client.exceptions.GoneException):
        client.get_connection(ConnectionId=connection_id)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "books-dev/api/signed"), ("GET", "books-dev/api/signed/"), ("PUT", "books-dev/api")],
)
def test_signed_requests_pass_the_router(two: Run, method: str, path: str) -> None:
    request = AWSRequest(method, f"{two.rest}/{path}")
    SigV4Auth(Credentials("local", "local"), "execute-api", "us-east-1").add_auth(request)

    assert two.get(path, method=method, headers=dict(request.headers)) == (200, "books")
    assert two.get(path, method=method)[0] == 403


def test_functions_are_invoked_by_name_through_one_address(two: Run) -> None:
    client = boto3.client(
        "lambda",
        endpoint_url=two.sockets,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )
    for name in ("books", "toys"):
        answer = client.invoke(FunctionName=f"{name}-dev-whoami", Payload=b"1")
        assert json.load(answer["Payload"]) == [name, 1]
    arn = "arn:aws:lambda:us-east-1:123456789012:function:toys-prod-whoami"
    assert json.load(client.invoke(FunctionName=arn, Payload=b"2")["Payload"]) == ["toys", 2]
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="toys-dev-other")


def test_stopping_closes_sockets_with_1001_and_ends_every_process(tmp_path: Path) -> None:
    folders = [str(write_app(tmp_path / name, name)) for name in ("one", "two")]
    with started(*folders) as run, run.connect("one-dev/api") as socket:
        socket.send("hello")
        assert socket.recv(WITHIN_S) == "one: hello"
        assert run.process.stdout is not None
        assert run.process.stdout.readline() == "one-dev: received hello\n"

        run.process.send_signal(signal.SIGTERM)

        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(WITHIN_S)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert run.process.wait(WITHIN_S) == 0
        # Its end: no process still holds it open.
        assert run.process.stdout.read() == ""


def test_app_that_can_not_be_loaded_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fine = write_app(tmp_path / "fine", "fine")
    empty = tmp_path / "empty"
    empty.mkdir()

    assert main(["run", str(fine), str(empty), "--port", "0", "--ws-port", "0"]) == 1
    assert f"chalice-gateway: {empty}: There is no app.py" in capfd.readouterr().err


def test_two_apps_of_one_name_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folders = [str(write_app(tmp_path / name, "same")) for name in ("one", "two")]

    assert main(["run", *folders, "--port", "0", "--ws-port", "0"]) == 1
    assert "Two apps have the name same-dev" in capfd.readouterr().err


def test_arguments_name_a_stage_for_each_app(tmp_path: Path) -> None:
    odd = tmp_path / "odd@name"
    odd.mkdir()
    options = read_arguments(
        ["run", "a", "b@prod", str(odd), "--stage", "beta", "--port", "1", "--idle-seconds", "2"]
    )

    assert isinstance(options, SeveralApps)
    assert (options.host, options.port, options.ws_port) == ("127.0.0.1", 1, 8001)
    assert [(str(each.folder), each.stage) for each in options.apps] == [
        ("a", "beta"),
        ("b", "prod"),
        (str(odd), "beta"),
    ]
    assert {each.port for each in options.apps} == {0}
    assert all(each.behind_router for each in options.apps)
    assert {each.limits.idle_ms for each in options.apps} == {2000}
    assert read_arguments(["run", "a@prod"]) == Options(Path("a"), stage="prod")


def test_tls_is_for_one_app(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_arguments(["run", "a", "b", "--tls"])
    assert "--tls is for one app" in capsys.readouterr().err
