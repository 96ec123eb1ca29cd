"""Traces: which part of an invocation took how long, for AWS X-Ray.

Off, it costs nothing and imports nothing. On, it needs ``aws-xray-sdk``, which
nothing else imports.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from .log_context import log_keys

LOG = logging.getLogger("tickless")


class Tracing(Protocol):
    """Tells how long something took. Safe for many threads."""

    def span(self, name: str) -> AbstractContextManager[None]:
        """What happens within the block, under this name."""


class NoTracing:
    def span(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


class XRayTracing:
    """Subsegments of the segment that Lambda opens for each invocation."""

    def __init__(self, service: str) -> None:
        from aws_lambda_powertools import Tracer  # noqa: PLC0415

        # Nothing is patched: the SDK knows neither hiredis nor pycurl, and what it
        # knows of botocore would import that.
        self._tracer: Any = Tracer(service=service, auto_patch=False)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        with self._tracer.provider.in_subsegment(name=f"## {name}") as subsegment:
            try:
                yield
            finally:
                for fact, value in log_keys().items():
                    subsegment.put_annotation(fact, value)


def open_tracing(on: bool, service: str) -> Tracing:
    """Tracing as it is wanted, or, where its SDK is missing, none and a line that says so."""
    if not on:
        return NoTracing()
    try:
        return XRayTracing(service)
    except ImportError as error:
        LOG.error("TRACING is on, but cannot be: %s", error)
        return NoTracing()
