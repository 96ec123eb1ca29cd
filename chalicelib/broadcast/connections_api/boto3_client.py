"""boto3 transport: the reference implementation. Slower than libcurl; one thread per request.

The threads that send import boto3 on first use.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any

from .credentials import CurrentCredentials
from .ports import Post, TransportLimits
from .queue import NO_ANSWER, Queued
from .sigv4 import region_of

logger = logging.getLogger(__name__)

BAD_REQUEST = 400

REFERENCE_LIMITS = TransportLimits(in_flight=64, in_flight_per_endpoint=48)
"""One thread per request in flight; more threads make boto3 slower."""


class Boto3Transport:
    """A :class:`~.client.Transport` with one boto3 client per endpoint and a pool of threads."""

    def __init__(
        self,
        region: str,
        credentials: CurrentCredentials,
        limits: TransportLimits,
        ca_bundle: Path | None = None,
    ) -> None:
        self._region = region
        self._credentials = credentials
        self._limits = limits
        self._ca_bundle = ca_bundle
        self._lock = Lock()
        self._clients: dict[tuple[str, bool], Any] = {}
        self._to_do: SimpleQueue[Queued | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Queued, int] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._under_way = 0

    def start(self, queued: Queued) -> None:
        self._under_way += 1
        if self._under_way > len(self._threads):
            thread = Thread(target=self._work, name="management-api-boto3", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._to_do.put(queued)

    def wait(self, within_s: float) -> Iterable[tuple[Queued, int]]:
        answers = []
        try:
            # SimpleQueue.get rejects an infinite timeout.
            answer = self._answers.get(timeout=min(within_s, 3600))
            while True:
                if answer is not None:
                    answers.append(answer)
                    self._under_way -= 1
                answer = self._answers.get_nowait()
        except Empty:
            return answers

    def wake(self) -> None:
        self._answers.put(None)

    def close(self, within_s: float) -> None:
        for _ in self._threads:
            self._to_do.put(None)
        close_at_s = monotonic() + within_s
        for thread in self._threads:
            # boto3 can't be interrupted: a hanging call ends with its own timeout.
            thread.join(max(0.0, close_at_s - monotonic()))
        for client in self._clients.values():
            client.close()

    def _work(self) -> None:
        while (queued := self._to_do.get()) is not None:
            status = NO_ANSWER
            try:
                status = self._carry_out(queued)
            except Exception:
                # For example, credentials that can't be renewed. The caller awaits a status.
                logger.exception("request to %s could not be sent", queued.request.endpoint)
            self._answers.put((queued, status))

    def _carry_out(self, queued: Queued) -> int:
        from botocore.exceptions import (  # noqa: PLC0415
            BotoCoreError,
            ClientError,
            HTTPClientError,
        )

        request = queued.request
        try:
            client = self._client(request.endpoint, keeps_connections=not queued.failures)
            if isinstance(request, Post):
                answer = client.post_to_connection(
                    ConnectionId=request.connection_id, Data=request.data
                )
            else:
                answer = client.delete_connection(ConnectionId=request.connection_id)
        except ClientError as error:
            answer = error.response
        except HTTPClientError:
            return NO_ANSWER
        except (BotoCoreError, ValueError):
            # Rejected before it was sent: an invalid endpoint, for example.
            return BAD_REQUEST
        status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
        return status

    def _client(self, endpoint: str, *, keeps_connections: bool) -> Any:
        with self._lock:
            key = (endpoint, keeps_connections)
            if key not in self._clients:
                self._clients[key] = client = self._new_client(endpoint)
                if not keeps_connections:
                    client.meta.events.register("before-send", _close_afterwards)
            return self._clients[key]

    def _new_client(self, endpoint: str) -> Any:
        import boto3  # noqa: PLC0415
        import botocore.credentials  # noqa: PLC0415
        import botocore.session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        current = self._credentials

        class RenewedCredentials(botocore.credentials.Credentials):  # type: ignore[misc]
            def get_frozen_credentials(self) -> Any:
                return botocore.credentials.ReadOnlyCredentials(*current())

        class GivenCredentialsProvider(botocore.credentials.CredentialProvider):  # type: ignore[misc]
            METHOD = "tickless"

            def load(self) -> Any:
                return RenewedCredentials(*current())

        session = botocore.session.Session()
        session.get_component("credential_provider").insert_before(
            "env", GivenCredentialsProvider()
        )
        return boto3.Session(botocore_session=session).client(
            "apigatewaymanagementapi",
            endpoint_url=endpoint,
            region_name=region_of(endpoint, otherwise=self._region),
            verify=str(self._ca_bundle) if self._ca_bundle else None,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=self._limits.connect_within_s,
                read_timeout=self._limits.answer_within_s,
                max_pool_connections=self._limits.in_flight,
                tcp_keepalive=True,
            ),
        )


def _close_afterwards(request: Any, **_: object) -> None:
    # If one idle connection was dead, the next may be too, so a retry opens its own.
    request.headers["Connection"] = "close"
