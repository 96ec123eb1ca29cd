"""Tickless: timers that stay in step on every screen.

Dependencies point inwards: routes -> wiring -> store | realtime -> engine ->
schemas -> core -> settings. ``make check`` enforces it.
"""

__version__ = "0.1.0"
