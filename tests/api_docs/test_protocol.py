"""What docs/protocol.md lists is what the two documents have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api_docs import error_codes as codes
from chalicelib.api_docs.messages import GATEWAY_FAILURE
from chalicelib.api_docs.operations import OPERATIONS
from chalicelib.auth.policy import RIGHTS, Action, Right
from chalicelib.schemas.errors import STATUS
from chalicelib.settings import Settings

from .conformance import asyncapi_document, openapi_document

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
SESSION = "/v1/sessions/{session_id}"


def section(heading: str) -> str:
    """What stands under a heading of any level."""
    found = re.search(rf"^#+ {heading}\n(.*?)(?=^#+ |\Z)", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The rows of the tables in a text, each as its cells."""
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]


def quoted(text: str) -> str:
    return " ".join(re.findall(r"`([^`]*)`", text))


def words(text: str) -> set[str]:
    """The names in a text's code, with the question marks of those that may be absent."""
    return set(re.findall(r"\w+\??", quoted(text)))


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def fields(described: dict[str, Any]) -> set[str]:
    """The properties of a schema, written as the protocol writes them."""
    required = described["required"]
    return {name if name in required else f"{name}?" for name in described["properties"]}


# REST


def test_operations() -> None:
    described = set()
    for call, _, _ in [row for row in rows(section("REST API")) if len(row) == 3]:
        first, *others = re.findall(r"`([^`]+)`", call) or [""]
        method, _, path = first.partition(" ")
        path = path.replace("{id}", "{session_id}")
        described |= {(method, path)} if path else set()
        described |= {(method, f"{SESSION}{name}") for name in others}

    assert described == {(one.method, one.path) for one in OPERATIONS}


def test_statuses_of_success() -> None:
    for call, _, answers in [row for row in rows(section("REST API")) if len(row) == 3]:
        for method, path in re.findall(r"`(GET|POST|DELETE) (/\S*)`", call):
            path_ = path.replace("{id}", "{session_id}")
            (operation,) = [one for one in OPERATIONS if (one.method, one.path) == (method, path_)]
            described = {int(status) for status in re.findall(r"\b\d\d\d\b", answers)}
            assert described == set(operation.answers), operation.view


def test_errors() -> None:
    described = {
        # Of several the first is the application's, the others are the gateway's.
        code: int(status[:3])
        for status, named, _ in rows(section("Errors"))
        if status[:3].isdigit()
        for code in words(named)
    }
    documented = {code for one in OPERATIONS for code in one.codes}
    # Returned where there is no operation, and sent by the socket alone.
    elsewhere = {"NOT_FOUND", "METHOD_NOT_ALLOWED"}

    assert documented <= described.keys()
    assert documented | elsewhere == set(STATUS)
    assert described.keys() == set(STATUS)
    assert all(STATUS.get(code, status) == status for code, status in described.items())
    assert codes.DESCRIPTIONS.keys() >= STATUS.keys()


def test_limits() -> None:
    settings = Settings()
    described = {
        words(setting).pop(): int(limit.partition(" ")[0])
        for _, limit, setting in [row for row in rows(section("Rate limits")) if len(row) == 3]
        if words(setting)
    }

    assert described == {
        name: getattr(settings, name.lower())
        for name in ("RATE_LIMIT_GENERAL", "RATE_LIMIT_SWITCH", "RATE_LIMIT_MESSAGE")
    }


def test_rights_of_roles() -> None:
    table = [row for row in rows(section("Roles")) if len(row) == 5][1:]
    described = {
        Action(action): tuple(Right(one) for one in rights)
        for named, *rights in table
        if rights[0] in set(Right)
        for action in re.findall(r"`([a-z_]+)`", named)
    }

    assert described == dict(RIGHTS)


def test_fields_of_a_creation() -> None:
    described = {
        words(row[0]).pop() for row in rows(section("Creating a session")) if words(row[0])
    }

    assert described == set(schema(openapi_document(), "CreateSession")["properties"])


def test_fields_of_states_and_switch_results() -> None:
    text = section("State")
    whole, _, rest = text.partition("in per_group also")
    state = words(whole) | words(rest.partition("Status is")[0])
    participant = words(text.partition("A participant:")[2].partition("To show a clock")[0])
    result = section("Commands").partition("The switch result:")[2].partition("\n\n")[0]

    assert state == set(schema(openapi_document(), "SessionState")["properties"])
    assert participant == set(schema(openapi_document(), "ParticipantState")["properties"])
    assert words(result) == set(schema(openapi_document(), "SwitchResult")["properties"])


def test_statuses_of_sessions() -> None:
    described = section("State").partition("Status is")[2].partition(".")[0]

    assert words(described) == set(schema(openapi_document(), "Status")["enum"])


def test_events() -> None:
    document = openapi_document()
    kinds = [
        schema(document, one["$ref"].rpartition("/")[2])
        for one in schema(document, "Event")["oneOf"]
    ]
    documented = {one["properties"]["type"]["const"]: fields(one) - {"type", "at"} for one in kinds}
    described = {
        kind: {word for word in words(also) if word != "at"}
        for named, also in rows(section("Events"))
        for kind in words(named)
    }

    assert described == documented


# The socket


@pytest.mark.parametrize(
    ("heading", "always"),
    [("Server messages", {"type", "timestamp"}), ("Client messages", {"type"})],
)
def test_messages(heading: str, always: set[str]) -> None:
    document = asyncapi_document()
    described = {
        words(row[0]).pop(): words(row[1]) for row in rows(section(heading)) if words(row[0])
    }
    documented = {}
    for name in described:
        payload = document["components"]["messages"][name]["payload"]["$ref"]
        documented[name] = fields(schema(document, payload.rpartition("/")[2])) - always

    assert described == documented


def test_every_message_is_documented() -> None:
    both = section("Server messages") + section("Client messages")
    described = {words(row[0]).pop() for row in rows(both) if words(row[0])}

    # The gateway's own has no type, and no row.
    assert described == asyncapi_document()["components"]["messages"].keys() - {
        GATEWAY_FAILURE.name
    }


def test_messages_of_the_gateway() -> None:
    described = section("WebSocket API").partition("API Gateway itself")[2]
    named = set(re.findall(r'"(\w+)"', described.partition("}")[0]))

    assert named == fields(schema(asyncapi_document(), GATEWAY_FAILURE.shape.__name__))


def test_commands_of_the_socket() -> None:
    (described,) = [row[2] for row in rows(section("Client messages")) if row[0] == "`COMMAND`"]
    command = schema(asyncapi_document(), "CommandMessage")["properties"]["command"]

    assert words(described) - {"args"} == set(command["enum"])
