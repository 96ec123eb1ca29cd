"""Relay: forwards updates published in the store to one endpoint's connections.

A thread of a long-running process that only receives and forwards; RelayMaintenance
does the rest. Its only state is the subscription: recipients are read again for every
message. A lost subscription is replaced; because messages may have been missed, every
connection of the endpoint is then sent a fresh snapshot.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event, Thread
from typing import Protocol

from ..core.errors import StoreUnavailable
from ..engine.sync_engine import SyncEngine
from ..ports import ConnectionRegistry
from ..schemas.pushes import is_final_message
from ..telemetry.metrics import SILENT, Telemetry
from .connections_api.ports import ConnectionsApi
from .gone_connections import GoneConnections
from .recipients import recipients_of
from .relay_maintenance import RelayMaintenance
from .relay_sender import RelaySender

LOG = logging.getLogger("tickless")

LISTEN_SECONDS = 0.25
RETRY_AFTER_SECONDS = 0.1
LOG_EVERY = 100
"""Log one in this many consecutive failures."""


class Subscription(Protocol):
    """Receives the updates of every session."""

    def next(self, within_seconds: float) -> tuple[str, bytes] | None:
        """The next session id and message; None after ``within_seconds`` without one.

        Raises:
            StoreUnavailable: The subscription is lost.
        """


class Relay:
    """Forwards updates to the connections of ``endpoint``, from ``start`` to ``stop``."""

    def __init__(
        self,
        subscribe: Callable[[], AbstractContextManager[Subscription]],
        registry: ConnectionRegistry,
        engine: SyncEngine,
        api: ConnectionsApi,
        endpoint: str,
        *,
        sweep_every_seconds: float = 30.0,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._subscribe = subscribe
        self._registry = registry
        self._endpoint = endpoint
        gone = GoneConnections(registry)
        self._sender = RelaySender(api, endpoint, gone, telemetry)
        self._maintenance = RelayMaintenance(
            registry, engine, self._sender, gone, endpoint, sweep_every_seconds
        )
        self._stopping = Event()
        self._listening = Event()
        self._thread = Thread(target=self._run, name="relay", daemon=True)

    def start(self, within_seconds: float = 5.0) -> bool:
        """Start; returns whether the subscription is established."""
        self._thread.start()
        self._maintenance.start()
        return self._listening.wait(within_seconds)

    def is_ready(self) -> bool:
        return self._listening.is_set()

    def stop(self, within_seconds: float = 2.0) -> None:
        stop_at_s = time.monotonic() + within_seconds
        self._stopping.set()
        self._thread.join(within_seconds)
        self._maintenance.stop(max(0.0, stop_at_s - time.monotonic()))

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                with self._subscribe() as subscription:
                    # Also on the first start: this relay may replace one that was killed.
                    self._maintenance.refresh(report_loss=failures > 0)
                    if failures:
                        LOG.warning("relay: subscribed again; sending snapshots")
                    failures = 0
                    self._listening.set()
                    self._listen(subscription)
            except StoreUnavailable as error:
                if failures % LOG_EVERY == 0:
                    LOG.warning("relay: %s", error)
            except Exception:
                # A relay that stops would be worse than any error.
                if failures % LOG_EVERY == 0:
                    LOG.exception("relay: restarting")
            failures += 1
            self._listening.clear()
            self._stopping.wait(RETRY_AFTER_SECONDS)

    def _listen(self, subscription: Subscription) -> None:
        while not self._stopping.is_set():
            update = subscription.next(LISTEN_SECONDS)
            if update is not None:
                self._forward(*update)

    def _forward(self, session_id: str, message: bytes) -> None:
        received_s = time.monotonic()
        self._maintenance.cancel_snapshot(session_id)
        recipients = recipients_of(self._registry, session_id, self._endpoint)
        # An empty message posts nothing; it only closes revoked connections.
        if message:
            self._sender.send(recipients, [message], received_s)
        self._sender.close_revoked(recipients)
        if is_final_message(message):
            self._sender.close_connections(
                session_id, [one.connection_id for one in recipients.subscribers]
            )
