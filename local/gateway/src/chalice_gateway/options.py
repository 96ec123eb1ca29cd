"""The options of each command. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .websocket_limits import Faults, Limits, MessageOrder


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve the app in the directory ``folder``.

    ``behind_router`` also serves it below its name and stage, as one of ``SeveralApps``.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8000
    ws_port: int = 8001
    stage: str = "dev"
    environments: int = 32
    verify_signatures: bool = True
    api_keys: tuple[str, ...] = ()
    cognito_jwks: tuple[Path, ...] = ()
    allow_unchecked_authorizers: bool = False
    tls: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    schedules: bool = True
    reload: bool = False
    order: MessageOrder = MessageOrder.CONCURRENT
    limits: Limits = field(default_factory=Limits)
    faults: Faults = field(default_factory=Faults)
    behind_router: bool = False


@dataclass(frozen=True, slots=True)
class SeveralApps:
    """Apps that a router serves on two ports, each below its own path."""

    apps: tuple[Options, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    ws_port: int = 8001


@dataclass(frozen=True, slots=True)
class InvokeOptions:
    """What to invoke, and where.

    Without an ``event`` it is a sample of the function's kind; ``-`` is stdin. With an
    ``endpoint_url`` the function runs in the gateway there, whose app is that in ``folder``.
    """

    name: str
    event: Path | None = None
    folder: Path = Path()
    stage: str = "dev"
    endpoint_url: str | None = None
