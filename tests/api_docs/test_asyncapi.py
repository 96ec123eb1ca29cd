"""The AsyncAPI document is valid, and says what the socket's models do."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest

from chalicelib.api_docs import asyncapi
from chalicelib.api_docs.messages import BY_GATEWAY, ERROR_CODES, HEARD, SAID
from chalicelib.api_docs.operations import OPERATIONS
from chalicelib.schemas.fields import Request
from chalicelib.schemas.messages import (
    MESSAGES,
    CommandMessage,
    InvalidMessage,
    read_message,
    session_forbidden,
)
from local.gateway.websocket_integration import FAILED, TIMED_OUT, error_message
from tests.rest.client import RestClient

from .conformance import asyncapi_document, check_heard, check_said, closed, problems, validator

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def specification() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads((HERE / "asyncapi" / "3.0.0.json").read_text()))


def test_the_document_is_valid(specification: jsonschema_rs.Validator) -> None:
    found = [error.message for error in specification.iter_errors(asyncapi_document())]

    assert found == []


@pytest.mark.parametrize("part", ["info", "channels", "operations", "components"])
def test_a_document_with_a_part_that_is_wrong_would_be_found(
    specification: jsonschema_rs.Validator, part: str
) -> None:
    broken = copy.deepcopy(asyncapi_document())
    broken[part]["nonsense"] = 5

    assert not specification.is_valid(broken)


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi_document()
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        inner: Any = document
        for key in reference.split("/"):
            inner = inner[key]


def test_every_request_for_the_document_gets_the_same_one(rest: RestClient) -> None:
    answer = rest.get("/asyncapi.json")

    assert answer.json == json.loads(json.dumps(asyncapi.document()))
    assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_every_message_that_can_be_read_is_told_of() -> None:
    assert {one.name for one in HEARD} == MESSAGES.keys()


def test_every_message_has_an_example_that_fits() -> None:
    messages = asyncapi_document()["components"]["messages"]

    assert messages.keys() == {one.name for one in (*SAID, BY_GATEWAY, *HEARD)}
    for names, check in ((SAID, check_said), (HEARD, check_heard)):
        for name in [one.name for one in names]:
            examples = [one["payload"] for one in messages[name]["examples"]]
            assert examples, name
            for example in examples:
                assert example["type"] == name
                check(example)


def sent_unasked() -> set[str]:
    operations = asyncapi_document()["operations"].values()
    return {
        message["$ref"].rpartition("/")[2]
        for operation in operations
        if operation["action"] == "send"
        for message in operation["messages"]
    }


def test_what_is_told_to_who_asked_for_nothing_is_something_that_is_sent() -> None:
    # Somebody else has revoked its token.
    sent_away = json.loads(session_forbidden(0))
    # This is no message, and so none that an answer could belong to.
    with pytest.raises(InvalidMessage) as nonsense:
        read_message("nonsense")

    assert sent_away["type"] in sent_unasked()
    assert {sent_away["code"], nonsense.value.code} <= set(ERROR_CODES)


@pytest.mark.parametrize("reason", [FAILED, TIMED_OUT])
def test_what_the_gateway_says_of_a_failed_function_is_told_of(reason: str) -> None:
    document = asyncapi_document()
    schemas = document["components"]["schemas"]
    message = document["components"]["messages"][BY_GATEWAY.name]
    check = validator(closed(message["payload"], schemas), {})
    said = json.loads(error_message("PJqB0fHsqRcCHlw=", reason, "PJqB1Gz8DoECHlw=").data)

    assert BY_GATEWAY.name in sent_unasked()
    for one in (said, *(example["payload"] for example in message["examples"])):
        assert problems(check, one) == []


def test_every_example_of_a_client_can_be_read() -> None:
    messages = asyncapi_document()["components"]["messages"]
    for one in HEARD:
        for example in messages[one.name]["examples"]:
            assert isinstance(read_message(json.dumps(example["payload"])), one.model)


def test_every_command_takes_over_the_socket_what_it_takes_in_rest() -> None:
    named = get_args(CommandMessage.model_fields["command"].annotation)
    of_rest: dict[str, type[Request] | None] = {
        one.path.rpartition("/")[2]: one.takes for one in OPERATIONS if one.tag == "commands"
    }

    assert set(named) == of_rest.keys()
    schemas = asyncapi_document()["components"]["schemas"]
    check = validator(schemas[CommandMessage.__name__], schemas)
    for command, takes in of_rest.items():
        assert takes is not None
        wrong = {"participant_id": 5, "current_participant_id": 5, "delta_ms": 0}
        message = {"type": "COMMAND", "id": "1", "command": command, "args": wrong}
        refused = takes.__name__ in ("SwitchCycle", "PauseSession", "AdjustTime")
        assert bool(problems(check, message)) is refused, command
