"""Evaluation of the IAM policy that a Lambda authorizer returns.

Pure functions. Must never know where a policy comes from.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Any, Final

ACTION: Final = "execute-api:Invoke"


class InvalidPolicy(ValueError):
    """The policy is malformed, or has what the emulator doesn't support; the message says what."""


class Decision(Enum):
    ALLOW = "allow"
    IMPLICIT_DENY = "implicit deny"
    EXPLICIT_DENY = "explicit deny"


def evaluate(policy: Any, method_arn: str) -> Decision:
    """Whether ``policy`` allows to invoke ``method_arn``. A Deny wins over any Allow.

    Raises:
        InvalidPolicy: API Gateway would answer 500, or the emulator can't evaluate it.
    """
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise InvalidPolicy("policyDocument must be an object with a Statement")
    statements = policy["Statement"]
    effects = {
        _effect(statement)
        for statement in (statements if isinstance(statements, list) else [statements])
        if _applies(statement, method_arn)
    }
    if "Deny" in effects:
        return Decision.EXPLICIT_DENY
    return Decision.ALLOW if effects else Decision.IMPLICIT_DENY


def _applies(statement: Any, method_arn: str) -> bool:
    if not isinstance(statement, dict):
        raise InvalidPolicy(f"a Statement must be an object, got {statement!r}")
    unsupported = {"Condition", "NotAction", "NotResource"} & statement.keys()
    if unsupported:
        raise InvalidPolicy(f"the emulator can't evaluate {', '.join(sorted(unsupported))}")
    _effect(statement)
    # Names of actions are case-insensitive, ARNs are not.
    actions = [action.lower() for action in _texts(statement, "Action")]
    return _any_matches(actions, ACTION.lower()) and _any_matches(
        _texts(statement, "Resource"), method_arn
    )


def _effect(statement: dict[str, Any]) -> str:
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise InvalidPolicy(f"Effect must be Allow or Deny, got {effect!r}")
    return str(effect)


def _texts(statement: dict[str, Any], key: str) -> list[str]:
    value: Any = statement.get(key)
    texts: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in texts):
        raise InvalidPolicy(f"{key} must be a string or a list of strings, got {value!r}")
    return list(texts)


def _any_matches(patterns: list[str], value: str) -> bool:
    return any(_compiled(pattern).fullmatch(value) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    # An asterisk matches slashes and nothing too, as in IAM.
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in pattern), re.DOTALL)
