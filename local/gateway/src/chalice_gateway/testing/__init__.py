"""A gateway and its clients in one process, for tests: with faults, and a clock of its own.

``running_gateway`` starts an app; the pytest fixtures in ``pytest_plugin`` do nothing else.
Nothing here is needed to serve an app.
"""

from .clock import VirtualClock
from .gateway import FunctionFailed, RunningGateway, running_gateway
from .socket import Closed, HandshakeRefused, SocketClient

__all__ = [
    "Closed",
    "FunctionFailed",
    "HandshakeRefused",
    "RunningGateway",
    "SocketClient",
    "VirtualClock",
    "running_gateway",
]
