"""What checking a token costs: a switch on a stack with AUTH on, compared with one without."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from chalicelib.auth.jwks import new_key, read_keys
from chalicelib.auth.jwt import sign
from chalicelib.auth.policy import Bearer, Role

from .http_client import Connection, asking, request
from .lab import Lab, Stack
from .measure import Contender, Progress, Samples, latency_ratio, more_ms, one_by_one, take_turns
from .plan import Plan
from .report import Check, Result, Row
from .sessions import aged, creation

OFF = "switch, AUTH=off"
HS256, EDDSA = "switch, a token of HS256", "switch, a token of EdDSA"

AIM_MS = 0.15
HOURS = 12


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    keys: dict[str, dict[str, Any] | None] = {
        OFF: None,
        HS256: new_key("bench"),
        EDDSA: {**json.loads(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate())), "kid": "bench"},
    }
    with ExitStack() as parts:
        stacks = {
            name: parts.enter_context(lab.another_app(f"access-{at}", _environment(key)))
            for at, (name, key) in enumerate(keys.items())
        }
        samples = take_turns(
            {
                name: Contender(
                    one_by_one(_switching(lab, stack, keys[name], parts)),
                    {"server": stack.cpu_seconds},
                )
                for name, stack in stacks.items()
            },
            rounds=plan.overhead_rounds,
            count=plan.overhead_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    added_ms = {name: more_ms(samples[name], samples[OFF]) for name in (HS256, EDDSA)}
    return Result(
        "access",
        "Tokens",
        "Three local stacks side by side, of which one asks for no token, one call at a time. The"
        " signature is checked, the role, and in the script that loads the session whether the"
        " token still holds.",
        [_row(name, samples, None if name == OFF else OFF) for name in keys],
        [
            Check(
                "what a token of HS256 adds to a switch, p50",
                f"{added_ms[HS256]:+.3f} ms",
                f"<= {AIM_MS} ms",
                added_ms[HS256] <= AIM_MS,
            ),
            Check("what a token of EdDSA adds", f"{added_ms[EDDSA]:+.3f} ms"),
        ],
    )


def _environment(key: dict[str, Any] | None) -> dict[str, str]:
    if key is None:
        return {"AUTH": "off"}
    return {"AUTH": "on", "AUTH_KEYS": json.dumps(key)}


def _switching(
    lab: Lab, stack: Stack, key: dict[str, Any] | None, parts: ExitStack
) -> Callable[[], bytes]:
    session_id = aged(lab.valkey.url, creation(2))
    connection = Connection(stack.port)
    parts.callback(connection.close)
    headers = {}
    if key is not None:
        now_s = int(time.time())
        bearer = Bearer(Role.HOST, session_id, "bench", now_s - HOURS * 3600, now_s + HOURS * 3600)
        headers["Authorization"] = f"Bearer {sign(bearer, read_keys(json.dumps(key)))}"
    path = f"/v1/sessions/{session_id}/switch"
    return asking(connection, request("POST", path, b"{}", headers))


def _row(name: str, samples: dict[str, Samples], floor: str | None) -> Row:
    found = samples[name]
    return {
        "what": name,
        "count": found.count,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
        "cpu_ms": found.cpu_ms("server"),
        "floor": floor,
        "ratio": latency_ratio(found, samples[floor]) if floor else None,
    }
