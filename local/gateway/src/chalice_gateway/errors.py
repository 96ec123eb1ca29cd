"""The error with which the gateway refuses to start."""

from __future__ import annotations


class StartupError(Exception):
    """The app can't be served as configured; the message says what to do."""
