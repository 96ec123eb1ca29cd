"""IAM policies of Lambda authorizers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalice_gateway.policies import Decision, InvalidPolicy, evaluate

API = "arn:aws:execute-api:us-east-1:123456789012:local00000/dev"


def statement(resource: Any, effect: str = "Allow", action: Any = "execute-api:Invoke") -> Any:
    return {"Action": action, "Effect": effect, "Resource": resource}


def decide(*statements: Any, path: str = "GET/pets/1") -> Decision:
    return evaluate({"Version": "2012-10-17", "Statement": list(statements)}, f"{API}/{path}")


@pytest.mark.parametrize(
    "resource",
    [
        "*",
        f"{API}/*",
        f"{API}/*/pets/*",
        f"{API}/GET/pets/1",
        f"{API}/GET/pets/?",
        [f"{API}/POST/pets", f"{API}/GET/*"],
        "arn:aws:execute-api:*:*:*/dev/GET/pets/1",
    ],
)
def test_matching_resource_is_allowed(resource: Any) -> None:
    assert decide(statement(resource)) is Decision.ALLOW


@pytest.mark.parametrize(
    "resource",
    [
        f"{API}/POST/pets/1",
        f"{API}/GET/pets",
        f"{API}/GET/pets/{{id}}",
        f"{API}/get/pets/1",
        f"{API}/GET/pets/??",
        f"{API}/GET/pets.1",
        [],
    ],
)
def test_other_resource_is_denied_implicitly(resource: Any) -> None:
    assert decide(statement(resource)) is Decision.IMPLICIT_DENY


@pytest.mark.parametrize(
    ("action", "decision"),
    [
        ("execute-api:*", Decision.ALLOW),
        ("EXECUTE-API:invoke", Decision.ALLOW),
        ("*", Decision.ALLOW),
        (["s3:GetObject", "execute-api:Invoke"], Decision.ALLOW),
        ("execute-api:ManageConnections", Decision.IMPLICIT_DENY),
    ],
)
def test_action_matters(action: Any, decision: Decision) -> None:
    assert decide(statement("*", action=action)) is decision


def test_single_statement_needs_no_list() -> None:
    assert evaluate({"Statement": statement("*")}, f"{API}/GET/") is Decision.ALLOW


@given(st.lists(st.sampled_from(["Allow", "Deny"])))
def test_deny_wins_in_any_order(effects: list[str]) -> None:
    decision = decide(*(statement("*", effect) for effect in effects))
    if "Deny" in effects:
        assert decision is Decision.EXPLICIT_DENY
    else:
        assert decision is (Decision.ALLOW if effects else Decision.IMPLICIT_DENY)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (None, "must be an object with a Statement"),
        ({}, "must be an object with a Statement"),
        ({"Statement": ["x"]}, "must be an object, got 'x'"),
        ({"Statement": [statement("*", "allow")]}, "Effect must be Allow or Deny, got 'allow'"),
        ({"Statement": [{"Effect": "Allow", "Action": "*"}]}, "Resource must be a string"),
        ({"Statement": [{**statement("*"), "Condition": {}}]}, "can't evaluate Condition"),
        ({"Statement": [{**statement("*"), "NotAction": "x"}]}, "can't evaluate NotAction"),
    ],
)
def test_invalid_policy_is_an_error(policy: Any, message: str) -> None:
    with pytest.raises(InvalidPolicy, match=message):
        evaluate(policy, f"{API}/GET/")
