"""One invocation of a function by Lambda's ``Invoke``: its result or its error, as JSON.

Owns the form of both. Must never know who invokes.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

from __future__ import annotations

import json
import traceback
from typing import Any

from . import ids
from .lambdas import (
    RESPONSE_BYTES,
    ExecutionEnvironments,
    FunctionError,
    FunctionTimeout,
    LambdaFunction,
)


async def run_function(
    environments: ExecutionEnvironments, function: LambdaFunction, event: Any, request_id: str
) -> tuple[bool, bytes]:
    """Whether the function failed, and the payload: its result or its error."""
    try:
        result = await environments.invoke(function, event)
    except FunctionTimeout as timeout:
        return True, _payload({"errorMessage": f"{ids.uuid()} {timeout}"})
    except FunctionError as error:
        return True, _error_payload(error.__cause__ or error, request_id)
    try:
        payload = _payload(result)
    except (TypeError, ValueError) as error:
        return True, _payload(
            {
                "errorMessage": f"Unable to marshal response: {error}",
                "errorType": "Runtime.MarshalError",
                "requestId": request_id,
                "stackTrace": [],
            }
        )
    if len(payload) > RESPONSE_BYTES:
        return True, _payload(
            {
                "errorMessage": "Response payload size exceeded maximum allowed payload size"
                f" ({RESPONSE_BYTES} bytes).",
                "errorType": "Function.ResponseSizeTooLarge",
            }
        )
    return False, payload


def _error_payload(error: BaseException, request_id: str) -> bytes:
    # The first frame is the environment's; the handler's follow.
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return _payload(
        {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "requestId": request_id,
            "stackTrace": traceback.format_list(frames),
        }
    )


def _payload(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
