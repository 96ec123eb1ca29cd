"""The AsyncAPI 3.0 document, made from the table of messages.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from typing import Any, Final

from .. import __version__
from ..schemas.fields import UUID_PATTERN
from ..schemas.messages import CommandMessage, ErrorMessage
from . import error_codes as codes
from . import examples
from .components import Schema, component_schemas, ref
from .messages import BY_GATEWAY, ERROR_CODES, HEARD, SAID
from .openapi import TITLE
from .operations import OPERATIONS, SESSION

CHANNEL = {"$ref": "#/channels/session"}

TOKENS: Final = {
    "subprotocol": {
        "type": "httpApiKey",
        "name": "Sec-WebSocket-Protocol",
        "in": "header",
        "description": "`bearer.<token>`, as browsers can send it; it is answered with.",
    },
    "query": {
        "type": "httpApiKey",
        "name": "token",
        "in": "query",
        "description": "The token itself.",
    },
}
"""Where a token may stand that is needed where AUTH is on."""

ABOUT = """\
A connection watches one session, which need not exist yet. Every message is a text frame of JSON
with a `type`, but for a failure of the gateway; the server's also have `timestamp`, the store's
time in milliseconds at which what they say is right, and are no larger than 32 KB. REST is
described in `openapi.json` beside this document."""

CONNECTING = """\
A `sessionId` that is missing or is no UUID refuses the handshake with 400; 503 says that the
store can't be reached. Where AUTH is on, a token that is missing or does not hold refuses it with
401, one for another session with 403; so does a page whose origin is not allowed. 503 may also say
that the keys of tokens can't be had; whoever is connected notices nothing of that.

**Closing.** The server ends a connection with 1000 when the session is deleted, the connection has
been silent for too long, or its token holds no more; with 1003 after a binary frame, 1007 after
what is not UTF-8, 1009 after a frame above 32 KB or a message above 128 KB. 1001 is API Gateway's
own, and the local stack's when it stops.

**Tokens.** A connection whose token ends or is revoked is told nothing more but ERROR
`SESSION_FORBIDDEN`, and closed. A command that the role may not give is ERROR `FORBIDDEN`.

**Heartbeat.** A client sends PING every `heartbeatIntervalMs`. A connection that has sent nothing
for three intervals is closed; a client that has heard nothing for three ends it itself.

**Coming back.** A connection that ends, whatever the code, is opened again after a random part of
a delay that doubles with each failure: 1001 is a daily event, because API Gateway closes every
connection after two hours and every one that was idle for ten minutes. Once open, RECONNECT names
what is held. One without an answer within two seconds is sent again. Commands are not kept for
later.

**Versions** count within an `epoch`, which is one incarnation of the session. After a failover that
lost a version another one may be made of the same number: `updatedAt`, the `updated_at` of the
state, tells the two apart. An update of the held epoch is applied if its version is newer; an
update of another epoch, or a partial one whose `baseVersion` and `baseUpdatedAt` are not those
held, makes the client send RECONNECT. A STATE_SYNC that answers it replaces what is held."""


def document() -> dict[str, Any]:
    """The whole document, ready for JSON."""
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
                "description": "An API Gateway, or the local stack, where it is `ws`.",
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
                "title": "A session, watched",
                "description": CONNECTING,
                "messages": {
                    one.name: {"$ref": f"#/components/messages/{one.name}"}
                    for one in (*SAID, BY_GATEWAY, *HEARD)
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
                "description": "The session to watch.",
            },
            "token": {
                "type": "string",
                "description": "Where AUTH is on, a token for the session, unless it comes"
                " as the subprotocol.",
            },
        },
        "required": ["sessionId"],
    }


def _operations() -> dict[str, Any]:
    pushes = {
        "push": {
            "action": "send",
            "channel": CHANNEL,
            "summary": "What everybody who watches is sent without asking.",
            "messages": [
                _of_channel(name)
                for name in ("CONNECTED", "STATE_SYNC", "STATE_UPDATE", "SESSION_DELETED")
            ],
        },
        "refuse": {
            "action": "send",
            "channel": CHANNEL,
            "summary": "What answers something that is no message, and who is sent away is told.",
            "messages": [_of_channel("ERROR"), _of_channel(BY_GATEWAY.name)],
        },
    }
    asked = {
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
        for one in HEARD
    }
    return {**pushes, **asked}


def _of_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/session/messages/{name}"}


def _messages(schemas: dict[str, Schema]) -> dict[str, Any]:
    shapes = {one.name: one.shape.__name__ for one in (*SAID, BY_GATEWAY)}
    shapes |= {one.name: one.model.__name__ for one in HEARD}
    return {
        one.name: {
            "name": one.name,
            "summary": one.when,
            "payload": ref(shapes[one.name]),
            "examples": [{"payload": given} for given in examples.of(shapes[one.name])],
        }
        for one in (*SAID, BY_GATEWAY, *HEARD)
    }


def _schemas() -> dict[str, Schema]:
    arguments = {
        one.path.removeprefix(f"{SESSION}/"): (one.takes, not one.body_may_be_absent)
        for one in OPERATIONS
        if one.tag == "commands" and one.takes is not None
    }
    said = [one.shape for one in (*SAID, BY_GATEWAY)]
    heard = [one.model for one in HEARD]
    _, schemas = component_schemas([*said, *heard, *(model for model, _ in arguments.values())])
    schemas[ErrorMessage.__name__]["properties"]["code"] = {
        "enum": list(ERROR_CODES),
        "description": "\n".join(f"- `{code}`: {codes.MEANINGS[code]}" for code in ERROR_CODES),
    }
    # Which fields `args` has depends on the command, as it does on the path in REST.
    schemas[CommandMessage.__name__]["allOf"] = [
        {
            "if": {"properties": {"command": {"const": command}}},
            "then": _with_args(ref(model.__name__), required=required),
        }
        for command, (model, required) in arguments.items()
    ]
    return schemas


def _with_args(arguments: Schema, *, required: bool) -> Schema:
    if required:
        return {"properties": {"args": arguments}, "required": ["args"]}
    return {"properties": {"args": {"anyOf": [arguments, {"type": "null"}]}}}
