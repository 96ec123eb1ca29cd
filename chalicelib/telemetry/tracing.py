"""Tracing with AWS X-Ray: spans of an invocation.

Disabled, it costs nothing and imports nothing. Enabled, it requires ``aws-xray-sdk``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from .log_context import log_keys

LOG = logging.getLogger("tickless")


class Tracing(Protocol):
    """Records spans. Safe for many threads."""

    @property
    def span(self) -> Callable[[str], AbstractContextManager[object]]:
        """A span of the given name for the block."""


class NoTracing:
    """Spans that record nothing."""

    def __init__(self) -> None:
        self.span: Callable[[str], AbstractContextManager[object]] = nullcontext


class XRayTracing:
    """Subsegments of the segment that Lambda opens for each invocation."""

    def __init__(self, service: str) -> None:
        from aws_lambda_powertools import Tracer  # noqa: PLC0415

        # No patching: the SDK supports neither hiredis nor pycurl, and its botocore
        # patch would import botocore.
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
    """X-Ray tracing if ``on``; without its SDK, no tracing and an error log line."""
    if not on:
        return NoTracing()
    try:
        return XRayTracing(service)
    except ImportError as error:
        LOG.error("TRACING is on, but aws-xray-sdk is missing: %s", error)
        return NoTracing()
