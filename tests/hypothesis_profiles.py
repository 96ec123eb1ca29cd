"""Hypothesis profiles: ``fast``, ``thorough`` and ``mutants``.

Importing this module loads the one that HYPOTHESIS_PROFILE names, by default ``fast``. None has a
deadline or a health check of speed: how long an example takes depends on the machine.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

# The laptop profile is deterministic; the other one explores.
settings.register_profile(
    "fast",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    max_examples=1_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# No shrinking and explaining of failures.
settings.register_profile(
    "mutants",
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
