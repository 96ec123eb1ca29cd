"""Gateway responses: the errors that API Gateway itself returns, without a Lambda.

Owns the response types with their defaults, and reading their customisations in a
CloudFormation template. Must never know which error applies.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from .http_messages import Response


class ResponseType(StrEnum):
    DEFAULT_4XX = "DEFAULT_4XX"
    DEFAULT_5XX = "DEFAULT_5XX"
    ACCESS_DENIED = "ACCESS_DENIED"
    API_CONFIGURATION_ERROR = "API_CONFIGURATION_ERROR"
    AUTHORIZER_CONFIGURATION_ERROR = "AUTHORIZER_CONFIGURATION_ERROR"
    AUTHORIZER_FAILURE = "AUTHORIZER_FAILURE"
    BAD_REQUEST_BODY = "BAD_REQUEST_BODY"
    BAD_REQUEST_PARAMETERS = "BAD_REQUEST_PARAMETERS"
    EXPIRED_TOKEN = "EXPIRED_TOKEN"
    INTEGRATION_FAILURE = "INTEGRATION_FAILURE"
    INTEGRATION_TIMEOUT = "INTEGRATION_TIMEOUT"
    INVALID_API_KEY = "INVALID_API_KEY"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    MISSING_AUTHENTICATION_TOKEN = "MISSING_AUTHENTICATION_TOKEN"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    THROTTLED = "THROTTLED"
    UNAUTHORIZED = "UNAUTHORIZED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    WAF_FILTERED = "WAF_FILTERED"


class InvalidTemplate(ValueError):
    """A template with what the emulator doesn't support; the message names the resource."""


@dataclass(frozen=True, slots=True)
class GatewayError:
    """An error of API Gateway itself, with the values that a template may show.

    A customisation may replace ``status``. ``error_type`` goes into ``x-amzn-ErrorType``.
    AWS's own body has the message in ``key``.
    """

    type: ResponseType
    status: int
    message: str | None
    error_type: str
    key: str = "message"


# Messages and error types as captured from AWS. A failed Lambda and a malformed result are
# both 502 there, although the table of response types says 504 and 500.
# [?] Their response types are not documented.
MISSING_AUTHENTICATION_TOKEN: Final = GatewayError(
    ResponseType.MISSING_AUTHENTICATION_TOKEN,
    403,
    "Missing Authentication Token",
    "MissingAuthenticationTokenException",
)
REQUEST_TOO_LARGE: Final = GatewayError(
    ResponseType.REQUEST_TOO_LARGE, 413, "Request Too Long", "RequestEntityTooLargeException"
)
# Lambda's limit, not API Gateway's, as captured.
EVENT_TOO_LARGE: Final = GatewayError(
    ResponseType.REQUEST_TOO_LARGE, 413, "Request Too Long", "BadRequestException"
)
FUNCTION_FAILED: Final = GatewayError(
    ResponseType.INTEGRATION_FAILURE, 502, "Internal server error", "InternalServerErrorException"
)
MALFORMED_RESULT: Final = GatewayError(
    ResponseType.API_CONFIGURATION_ERROR,
    502,
    "Internal server error",
    "InternalServerErrorException",
)
FUNCTION_TIMED_OUT: Final = GatewayError(
    ResponseType.INTEGRATION_TIMEOUT,
    504,
    "Endpoint request timed out",
    "InternalServerErrorException",
)
# As captured: the key is capitalised, and a failed authorizer has no message.
IMPLICITLY_DENIED: Final = GatewayError(
    ResponseType.ACCESS_DENIED,
    403,
    "User is not authorized to access this resource",
    "AccessDeniedException",
    key="Message",
)
EXPLICITLY_DENIED: Final = GatewayError(
    ResponseType.ACCESS_DENIED,
    403,
    "User is not authorized to access this resource with an explicit deny",
    "AccessDeniedException",
    key="Message",
)
AUTHORIZER_FAILED: Final = GatewayError(
    ResponseType.AUTHORIZER_CONFIGURATION_ERROR, 500, None, "AuthorizerConfigurationException"
)
INVALID_API_KEY: Final = GatewayError(
    ResponseType.INVALID_API_KEY, 403, "Forbidden", "ForbiddenException"
)


def unauthorized(message: str = "Unauthorized") -> GatewayError:
    """The error for a token that is missing or that the authorizer refuses."""
    return GatewayError(ResponseType.UNAUTHORIZED, 401, message, "UnauthorizedException")


def unsigned(message: str, error_type: str) -> GatewayError:
    """The error for a request whose signature is invalid."""
    return GatewayError(ResponseType.INVALID_SIGNATURE, 403, message, error_type)


def no_such_method(authorization: str | None) -> GatewayError:
    """The error for an unknown path or method: AWS treats it as a request that must be signed."""
    if authorization is None:
        return MISSING_AUTHENTICATION_TOKEN
    digest = base64.b64encode(hashlib.sha256(authorization.encode()).digest()).decode()
    return GatewayError(
        # [?] Neither the response type nor what exactly is hashed is documented.
        ResponseType.INVALID_SIGNATURE,
        403,
        "Invalid key=value pair (missing equal-sign) in Authorization header"
        f" (hashed with SHA-256 and encoded with Base64): '{digest}'.",
        "IncompleteSignatureException",
    )


def bad_request(status: int, reason: str) -> GatewayError:
    """The error for a request that can't be parsed."""
    return GatewayError(ResponseType.DEFAULT_4XX, status, reason, "BadRequestException")


def internal_error(reason: str) -> GatewayError:
    return GatewayError(ResponseType.DEFAULT_5XX, 500, reason, "InternalServerErrorException")


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """The customised response of one response type.

    ``headers`` and ``body`` may contain ``$context`` variables. ``status`` defaults to the
    error's.
    """

    body: str = '{"message":$context.error.messageString}'
    content_type: str = "application/json"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


_PLAIN: Final = GatewayResponse()
_EXTENSION: Final = "x-amazon-apigateway-gateway-responses"
_VARIABLE: Final = re.compile(r"\$context((?:\.[A-Za-z]+)+)")


def gateway_response(
    error: GatewayError,
    responses: Mapping[ResponseType, GatewayResponse],
    context: Mapping[str, str],
) -> Response:
    """The response to ``error``: its type's, else DEFAULT_4XX or DEFAULT_5XX, else AWS's.

    ``context`` has the request's values by their names after ``$context.``. As on AWS, an
    unknown variable is empty.
    """
    fallback = ResponseType.DEFAULT_4XX if error.status < 500 else ResponseType.DEFAULT_5XX
    response = responses.get(error.type) or responses.get(fallback)
    if response is None:
        response = GatewayResponse(body=f'{{"{error.key}":$context.error.messageString}}')
    known = {
        **context,
        "error.message": error.message or "",
        "error.messageString": json.dumps(error.message),
        "error.responseType": error.type.value,
    }

    def rendered(template: str) -> str:
        return _VARIABLE.sub(lambda match: known.get(match[1][1:], ""), template)

    own = {"content-type": response.content_type, "x-amzn-errortype": error.error_type}
    names = {"content-type": "Content-Type", "x-amzn-errortype": "x-amzn-ErrorType"}
    for name, value in response.headers.items():
        names.setdefault(name.lower(), name)
        own[name.lower()] = rendered(value)
    return Response(
        response.status or error.status,
        tuple((names[key], value) for key, value in own.items()),
        rendered(response.body).encode(),
    )


def read_gateway_responses(template: Mapping[str, Any]) -> dict[ResponseType, GatewayResponse]:
    """The customised gateway responses in a CloudFormation template.

    They are resources of type ``AWS::ApiGateway::GatewayResponse``, or entries in the
    ``DefinitionBody`` of an API.

    Raises:
        InvalidTemplate: One of them has what the emulator doesn't support.
    """
    responses = {}
    for name, resource in template.get("Resources", {}).items():
        properties = resource.get("Properties", {})
        if resource.get("Type") == "AWS::ApiGateway::GatewayResponse":
            kind = _response_type(name, properties.get("ResponseType"))
            responses[kind] = _read_one(name, properties)
        for type_name, customised in (
            properties.get("DefinitionBody", {}).get(_EXTENSION, {}).items()
        ):
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html
            capitalised = {key[:1].upper() + key[1:]: value for key, value in customised.items()}
            kind = _response_type(name, type_name)
            responses[kind] = _read_one(f"{name}, {type_name}", capitalised)
    return responses


def _response_type(name: str, type_name: object) -> ResponseType:
    try:
        return ResponseType(str(type_name))
    except ValueError as error:
        raise InvalidTemplate(f"{name}: unknown ResponseType: {error}") from None


def _read_one(name: str, properties: Mapping[str, Any]) -> GatewayResponse:
    status = properties.get("StatusCode")
    if status is not None and not re.fullmatch(r"[1-5]\d\d", str(status)):
        raise InvalidTemplate(f"{name}: StatusCode {status!r} is not a status")
    templates = properties.get("ResponseTemplates") or {"application/json": _PLAIN.body}
    # AWS selects by the request's Accept and falls back to JSON. No template has several, so
    # here it is JSON, or the only one.
    content_type = "application/json" if "application/json" in templates else next(iter(templates))
    body = templates[content_type]
    if not isinstance(body, str):
        raise InvalidTemplate(f"{name}: ResponseTemplates must be plain strings here")
    return GatewayResponse(
        body=body,
        content_type=content_type,
        status=None if status is None else int(status),
        headers=dict(
            _read_parameter(name, key, value)
            for key, value in (properties.get("ResponseParameters") or {}).items()
        ),
    )


def _read_parameter(name: str, key: str, value: Any) -> tuple[str, str]:
    prefix = "gatewayresponse.header."
    if not key.startswith(prefix) or not isinstance(value, str):
        raise InvalidTemplate(f"{name}: only headers with plain values are supported, not {key}")
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return key[len(prefix) :], value[1:-1]
    if value.startswith("context."):
        return key[len(prefix) :], f"${value}"
    raise InvalidTemplate(f"{name}: {key} must be 'quoted' or context.something, not {value}")
