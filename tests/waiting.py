"""How long tests wait."""

from __future__ import annotations

from collections.abc import Callable

HUNG_AFTER_S = 60
"""Whatever takes longer has hung; a slow machine takes less."""

Bound = Callable[[float], float]
"""``bound(seconds)``: how long something may take that is promised within so many seconds."""
