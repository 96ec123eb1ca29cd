"""The fixtures of the pytest plugin, in projects of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

APP = """
from chalice import Chalice
app = Chalice("counter", configure_logs=False)
runs = []

@app.lambda_function()
def count(event, context):
    runs.append(event)
    return [context.function_name, len(runs)]
"""


def test_fixture_serves_the_app_of_the_rootdir_for_each_test(pytester: pytest.Pytester) -> None:
    pytester.makefile(".py", app=APP)
    pytester.makeini("[pytest]")
    pytester.makepyfile(
        """
        import httpx, pytest

        @pytest.mark.parametrize("number", [1, 2])
        def test_function(chalice_gateway, number):
            assert chalice_gateway.invoke("count") == ["counter-dev-count", 1]
            assert httpx.get(chalice_gateway.rest_url).status_code == 403
        """
    )

    pytester.inline_run().assertoutcome(passed=2)


def test_session_fixture_keeps_the_app(pytester: pytest.Pytester) -> None:
    pytester.mkdir("service").joinpath("app.py").write_text(APP)
    pytester.makeini("[pytest]\nchalice_app = service\nchalice_stage = prod")
    pytester.makepyfile(
        """
        def test_first(chalice_gateway_session):
            assert chalice_gateway_session.invoke("count") == ["counter-prod-count", 1]

        def test_second(chalice_gateway_session):
            assert chalice_gateway_session.invoke("count") == ["counter-prod-count", 2]
        """
    )

    pytester.inline_run().assertoutcome(passed=2)


def test_app_and_options_can_be_overridden(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")
    pytester.makeconftest(
        """
        import pytest
        from chalice import Chalice

        @pytest.fixture
        def chalice_app():
            app = Chalice("own", configure_logs=False)

            @app.lambda_function()
            def name(event, context):
                return context.function_name

            return app

        @pytest.fixture(scope="session")
        def chalice_gateway_options():
            return {"stage": "beta"}
        """
    )
    pytester.makepyfile(
        """
        def test_own_app(chalice_gateway):
            assert chalice_gateway.invoke("name") == "own-beta-name"
        """
    )

    pytester.inline_run().assertoutcome(passed=1)


def test_plugin_costs_a_run_without_it_next_to_nothing() -> None:
    code = "import sys, chalice_gateway.pytest_plugin; print('chalice' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
