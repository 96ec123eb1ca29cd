"""Limits of what a session may contain; schemas and rules both take them from here."""

from __future__ import annotations

MAX_PARTICIPANTS = 1_000
"""How many can take part in a session, withdrawn ones included."""

MAX_GROUPS = 1_000

MAX_INDEX = 2**53 - 1
"""The greatest ``participant_index``, so that JavaScript reads it exactly."""

MAX_NAME_CHARACTERS = 80

MIN_DURATION_MS = 1_000
MAX_CLOCK_MS = 31 * 24 * 60 * 60_000
"""The most time that a clock can be given: 31 days."""

MAX_INCREMENT_MS = 600_000
MAX_DELAY_MS = 600_000
MAX_PERIOD_MS = 3_600_000
MAX_PERIODS = 100
MAX_STAGES = 10
MAX_STAGE_CYCLES = 500

MIN_TIME_FACTOR, MAX_TIME_FACTOR = 0.1, 10

MAX_WARNINGS = 10
MAX_WARNING_MS = 24 * 60 * 60_000

MIN_EXTEND_TO_MS, MAX_EXTEND_TO_MS = 1_000, 3_600_000
"""The range of a soft close's ``extend_to_ms``."""

MAX_MESSAGE_CHARACTERS = 500
MAX_REASON_CHARACTERS = 200

MAX_METADATA_BYTES = 4_096
MAX_ACTION_DATA_BYTES = 1_024
MAX_NESTING = 32
"""Levels of JSON; well within what every parser between us and the client accepts."""
