"""The examples of the Python client's README print what it says, on the real stack."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from tests.e2e.instances import instances
from tests.servers import RedisProcess

README = Path(__file__).parents[2] / "client" / "python" / "README.md"


def test_examples_print_what_the_readme_says(valkey: RedisProcess, tmp_path: Path) -> None:
    text = README.read_text()
    examples = re.findall(r"```python\n(.*?)```\n\nprints (.*?)[.:]\s", text, re.DOTALL)
    assert len(examples) == text.count("```python")
    namespace: dict[str, Any] = {}
    with instances(1, valkey.url, tmp_path) as (instance,):
        for code, prints in examples:
            here = code.replace("http://127.0.0.1:8000", instance.rest_url)
            here = here.replace("ws://127.0.0.1:8001/dev", instance.websocket_url)
            output = StringIO()
            with redirect_stdout(output):
                exec(here, namespace)
            assert output.getvalue().splitlines() == re.findall(r"`([^`]*)`", prints)
