"""The AsyncAPI document is valid and matches the WebSocket's models."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any, cast, get_args

import jsonschema_rs
import pytest

from chalice_gateway.websocket_integration import FAILED, TIMED_OUT, error_message
from chalicelib.api_docs import asyncapi
from chalicelib.api_docs.messages import (
    CLIENT_MESSAGES,
    ERROR_CODES,
    GATEWAY_FAILURE,
    SERVER_MESSAGES,
)
from chalicelib.api_docs.operations import OPERATIONS
from chalicelib.auth.policy import ACTIONS
from chalicelib.schemas.commands import COMMANDS, CommandName
from chalicelib.schemas.fields import Request
from chalicelib.schemas.messages import (
    MESSAGES,
    CommandMessage,
    InvalidMessage,
    read_message,
    session_forbidden,
)
from chalicelib.schemas.requests import NoFields
from tests.rest.client import RestClient

from .conformance import (
    asyncapi_document,
    check_client_message,
    check_server_message,
    closed,
    problems,
    validator,
)

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def specification() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads((HERE / "asyncapi" / "3.0.0.json").read_text()))


def test_document_is_valid(specification: jsonschema_rs.Validator) -> None:
    found = [error.message for error in specification.iter_errors(asyncapi_document())]

    assert found == []


@pytest.mark.parametrize("part", ["info", "channels", "operations", "components"])
def test_invalid_document_is_detected(specification: jsonschema_rs.Validator, part: str) -> None:
    broken = copy.deepcopy(asyncapi_document())
    broken[part]["nonsense"] = 5

    assert not specification.is_valid(broken)


def test_every_reference_resolves() -> None:
    document = asyncapi_document()
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        inner: Any = document
        for key in reference.split("/"):
            inner = inner[key]


def test_document_is_generated_once(rest: RestClient) -> None:
    answer = rest.get("/asyncapi.json")

    assert answer.json == json.loads(json.dumps(asyncapi.document()))
    assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_every_client_message_is_documented() -> None:
    assert {one.name for one in CLIENT_MESSAGES} == MESSAGES.keys()


def test_every_message_has_a_valid_example() -> None:
    messages = asyncapi_document()["components"]["messages"]

    assert messages.keys() == {
        one.name for one in (*SERVER_MESSAGES, GATEWAY_FAILURE, *CLIENT_MESSAGES)
    }
    for names, check in (
        (SERVER_MESSAGES, check_server_message),
        (CLIENT_MESSAGES, check_client_message),
    ):
        for name in [one.name for one in names]:
            examples = [one["payload"] for one in messages[name]["examples"]]
            assert examples, name
            for example in examples:
                assert example["type"] == name
                check(example)


def sent_unprompted() -> set[str]:
    operations = asyncapi_document()["operations"].values()
    return {
        message["$ref"].rpartition("/")[2]
        for operation in operations
        if operation["action"] == "send"
        for message in operation["messages"]
    }


def test_documented_pushes_are_exactly_those_sent_unprompted() -> None:
    # Sent when another client revokes the connection's token.
    forbidden = json.loads(session_forbidden(0))
    # Sent for a frame that is not a message.
    with pytest.raises(InvalidMessage) as nonsense:
        read_message("nonsense")

    assert forbidden["type"] in sent_unprompted()
    assert {forbidden["code"], nonsense.value.code} <= set(ERROR_CODES)


@pytest.mark.parametrize("reason", [FAILED, TIMED_OUT])
def test_gateway_failure_message_is_documented(reason: str) -> None:
    document = asyncapi_document()
    schemas = document["components"]["schemas"]
    message = document["components"]["messages"][GATEWAY_FAILURE.name]
    check = validator(closed(message["payload"], schemas), {})
    said = json.loads(error_message("PJqB0fHsqRcCHlw=", reason, "PJqB1Gz8DoECHlw=").data)

    assert GATEWAY_FAILURE.name in sent_unprompted()
    for one in (said, *(example["payload"] for example in message["examples"])):
        assert problems(check, one) == []


def test_every_client_example_parses() -> None:
    messages = asyncapi_document()["components"]["messages"]
    for one in CLIENT_MESSAGES:
        for example in messages[one.name]["examples"]:
            assert isinstance(read_message(json.dumps(example["payload"])), one.model)


def test_command_args_match_the_rest_body() -> None:
    named = get_args(CommandMessage.model_fields["command"].annotation)
    of_rest: dict[str, type[Request] | None] = {
        str(one.action): one.request for one in OPERATIONS if one.action in ACTIONS.values()
    }

    assert set(named) == of_rest.keys()
    schemas = asyncapi_document()["components"]["schemas"]
    check = validator(schemas[CommandMessage.__name__], schemas)
    for command, takes in of_rest.items():
        spec = COMMANDS[cast(CommandName, command)]
        # In REST, the path may have some of the fields.
        assert takes is (spec.body if "{" in (spec.path or "") else spec.model)
        wrong = {"participant_id": 5, "current_participant_id": 5, "delta_ms": 0}
        message = {"type": "COMMAND", "id": "1", "command": command, "args": wrong}
        assert bool(problems(check, message)) is (spec.model is not NoFields), command
