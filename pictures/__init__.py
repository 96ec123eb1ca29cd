"""Draws the pictures of docs/clocks.md: clocks over time, computed by the core.

Each picture shows the session of the example request above it, played by the core and read
from its view; there is no clock arithmetic here. A package of its own, and not in docs,
because it is code: linted, typed and tested. Only ``draw`` needs matplotlib, so the tests
need none.
"""
