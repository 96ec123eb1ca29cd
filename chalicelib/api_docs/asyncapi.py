"""AsyncAPI 3.0 document, generated from the table of messages.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from typing import Any, Final

from .. import __version__
from ..schemas.commands import COMMANDS
from ..schemas.fields import UUID_PATTERN
from ..schemas.messages import CommandMessage, ErrorMessage
from . import error_codes as codes
from . import examples
from .components import Schema, component_schemas, ref
from .messages import CLIENT_MESSAGES, ERROR_CODES, GATEWAY_FAILURE, SERVER_MESSAGES
from .openapi import TITLE

CHANNEL = {"$ref": "#/channels/session"}

TOKENS: Final = {
    "subprotocol": {
        "type": "httpApiKey",
        "name": "Sec-WebSocket-Protocol",
        "in": "header",
        "description": "`bearer.<token>`, for browsers; the server selects it in the handshake.",
    },
    "query": {
        "type": "httpApiKey",
        "name": "token",
        "in": "query",
        "description": "The token.",
    },
}
"""Where a client can put its token."""

ABOUT = """\
A connection subscribes to one session, which need not exist yet. Every message is a JSON text frame
with a `type`, except failures of the gateway. Server messages also have `timestamp`, the store's
time in milliseconds at which their content is valid, and are at most 32 KB. REST is described in
`openapi.json`."""

CONNECTING = """\
The handshake fails with 400 if `sessionId` is missing or not a UUID, and with 503 if the store is
unavailable. Where AUTH is on, it fails with 401 if the token is missing or not valid, with 403 if
the token is for another session or the page's origin is not allowed, and with 503 if the signing
keys are unavailable, which does not affect open connections.

**Close codes.** The server closes a connection with 1000 when the session is deleted, the
connection has been silent for too long, or its token is no longer valid; with 1003 after a binary
frame, 1007 after invalid UTF-8, and 1009 after a frame above 32 KB or a message above 128 KB. 1001
comes from API Gateway, and from the local stack when it stops.

**Tokens.** When a connection's token expires or is revoked, the server sends ERROR
`SESSION_FORBIDDEN` and closes the connection. A command that the role does not allow gets ERROR
`FORBIDDEN`.

**Heartbeat.** A client sends PING every `heartbeatIntervalMs`. The server closes a connection that
has sent nothing for three intervals; a client closes one that has received nothing for three.

**Reconnecting.** After any close code, reconnect after a random part of a delay that doubles with
each failure. 1001 is normal: API Gateway closes every connection after two hours, and every idle
one after ten minutes. Once open, send RECONNECT with the version you have; send it again if there
is no reply within two seconds. Do not queue commands while disconnected.

**Versions** count within an `epoch`, one incarnation of the session. After a failover that lost a
version, another version may have the same number: `updatedAt`, the `updated_at` of the state,
distinguishes them. Apply an update of the same epoch if its version is newer. Send RECONNECT after
an update of another epoch, or after a partial one whose `baseVersion` and `baseUpdatedAt` are not
yours. The STATE_SYNC that replies replaces your state."""


def document() -> dict[str, Any]:
    """The document, ready for JSON."""
    schemas = _schemas()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": TITLE,
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "{host}",
                "pathname": "/{stage}",
                "protocol": "wss",
                "description": "API Gateway; the local stack uses `ws`.",
                "security": [{"$ref": f"#/components/securitySchemes/{one}"} for one in TOKENS],
                "variables": {
                    "host": {"description": "The WebSocket API's host."},
                    "stage": {"description": "Its stage.", "default": "dev"},
                },
            }
        },
        "channels": {
            "session": {
                "address": "/",
                "title": "A session",
                "description": CONNECTING,
                "messages": {
                    one.name: {"$ref": f"#/components/messages/{one.name}"}
                    for one in (*SERVER_MESSAGES, GATEWAY_FAILURE, *CLIENT_MESSAGES)
                },
                "bindings": {"ws": {"method": "GET", "query": _query()}},
            }
        },
        "operations": _operations(),
        "components": {
            "messages": _messages(schemas),
            "securitySchemes": TOKENS,
            "schemas": examples.attach(schemas),
        },
    }


def _query() -> Schema:
    return {
        "type": "object",
        "properties": {
            "sessionId": {
                "type": "string",
                "format": "uuid",
                "pattern": f"^{UUID_PATTERN}$",
                "description": "The session to subscribe to.",
            },
            "token": {
                "type": "string",
                "description": "Where AUTH is on, a token for the session, unless the"
                " subprotocol has it.",
            },
        },
        "required": ["sessionId"],
    }


def _operations() -> dict[str, Any]:
    pushes = {
        "push": {
            "action": "send",
            "channel": CHANNEL,
            "summary": "Send updates to every subscriber.",
            "messages": [
                _of_channel(name)
                for name in ("CONNECTED", "STATE_SYNC", "STATE_UPDATE", "SESSION_DELETED")
            ],
        },
        "refuse": {
            "action": "send",
            "channel": CHANNEL,
            "summary": "Reject an invalid message, or report why the connection is closed.",
            "messages": [_of_channel("ERROR"), _of_channel(GATEWAY_FAILURE.name)],
        },
    }
    requests = {
        one.name.lower(): {
            "action": "receive",
            "channel": CHANNEL,
            "summary": one.when,
            "messages": [_of_channel(one.name)],
            "reply": {
                "channel": CHANNEL,
                "messages": [_of_channel(name) for name in one.answers],
            },
        }
        for one in CLIENT_MESSAGES
    }
    return {**pushes, **requests}


def _of_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/session/messages/{name}"}


def _messages(schemas: dict[str, Schema]) -> dict[str, Any]:
    shapes = {one.name: one.shape.__name__ for one in (*SERVER_MESSAGES, GATEWAY_FAILURE)}
    shapes |= {one.name: one.model.__name__ for one in CLIENT_MESSAGES}
    return {
        one.name: {
            "name": one.name,
            "summary": one.when,
            "payload": ref(shapes[one.name]),
            "examples": [{"payload": example} for example in examples.of(shapes[one.name])],
        }
        for one in (*SERVER_MESSAGES, GATEWAY_FAILURE, *CLIENT_MESSAGES)
    }


def _schemas() -> dict[str, Schema]:
    arguments = {
        name: (spec.model, any(one.is_required() for one in spec.model.model_fields.values()))
        for name, spec in COMMANDS.items()
    }
    sent = [one.shape for one in (*SERVER_MESSAGES, GATEWAY_FAILURE)]
    received = [one.model for one in CLIENT_MESSAGES]
    _, schemas = component_schemas([*sent, *received, *(model for model, _ in arguments.values())])
    schemas = {name: _without_discriminators(schema) for name, schema in schemas.items()}
    schemas[ErrorMessage.__name__]["properties"]["code"] = {
        "enum": list(ERROR_CODES),
        "description": "\n".join(f"- `{code}`: {codes.DESCRIPTIONS[code]}" for code in ERROR_CODES),
    }
    # The command determines the fields of `args`, as the path does in REST.
    schemas[CommandMessage.__name__]["allOf"] = [
        {
            "if": {"properties": {"command": {"const": command}}},
            "then": _with_args(ref(model.__name__), required=required),
        }
        for command, (model, required) in arguments.items()
    ]
    return schemas


def _without_discriminators(schema: Any) -> Any:
    """A schema without the discriminators of OpenAPI, which are no AsyncAPI."""
    if isinstance(schema, list):
        return [_without_discriminators(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    is_union = "oneOf" in schema
    return {
        name: _without_discriminators(one)
        for name, one in schema.items()
        if not (is_union and name == "discriminator")
    }


def _with_args(arguments: Schema, *, required: bool) -> Schema:
    if required:
        return {"properties": {"args": arguments}, "required": ["args"]}
    return {"properties": {"args": {"anyOf": [arguments, {"type": "null"}]}}}
