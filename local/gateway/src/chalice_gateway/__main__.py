"""``python -m chalice_gateway``: the same as the command ``chalice-gateway``."""

from __future__ import annotations

import sys

from .command_line import main

sys.exit(main())
