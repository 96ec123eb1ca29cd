"""Tickless: timers that stay in step on every screen.

Dependencies point inwards: rest -> container -> websocket -> store | broadcast -> engine ->
schemas -> auth -> core. ``make check`` enforces it.
"""

__version__ = "0.1.0"
