"""The page at /docs: its content security policy, offline use, and trying out operations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Route, expect

from chalicelib.api_docs import asyncapi, examples
from chalicelib.api_docs.operations import OPERATIONS
from tests.e2e.instances import Instance

TIMEOUT_MS = 20_000
OPERATION = "#operations-{0.tag}-{0.view}"

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (violation) =>
  console.error("policy", violation.violatedDirective, violation.blockedURI));
"""


@dataclass
class DocsPage:
    """A page that can reach only the stack; its errors, and its requests to other hosts."""

    page: Page
    errors: list[str] = field(default_factory=list)
    external_requests: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def on_page_error(self, error: Error) -> None:
        self.errors.append(str(error))

    def operation(self, view: str) -> Locator:
        """The block of an operation, expanded."""
        (found,) = (one for one in OPERATIONS if one.view == view)
        block = self.page.locator(OPERATION.format(found))
        block.locator(".opblock-summary-control").click()
        return block


def execute(block: Locator) -> tuple[str, Any]:
    """Try an operation out; returns the status and the body of the response."""
    block.get_by_role("button", name="Execute").click()
    live = block.locator(".live-responses-table .response").first
    status = live.locator(".response-col_status").inner_text()
    return status.strip(), json.loads(live.locator("pre code").first.inner_text())


@pytest.fixture(params=["/docs", "/docs/"])
def docs(request: pytest.FixtureRequest, chromium: Browser, stack: Instance) -> Iterator[DocsPage]:
    context = chromium.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(REPORT_VIOLATIONS)
    docs = DocsPage(context.new_page())
    docs.page.on("console", docs.on_console)
    docs.page.on("pageerror", docs.on_page_error)
    stack_host = urlsplit(stack.rest_url).netloc

    def block_other_hosts(route: Route) -> None:
        if urlsplit(route.request.url).netloc == stack_host:
            route.continue_()
        else:
            docs.external_requests.append(route.request.url)
            route.abort()

    context.route("**/*", block_other_hosts)
    docs.page.goto(f"{stack.rest_url}{request.param}")
    yield docs
    context.close()
    assert (docs.errors, docs.external_requests) == ([], [])


def test_every_operation_and_message_is_listed(docs: DocsPage) -> None:
    for one in OPERATIONS:
        expect(docs.page.locator(OPERATION.format(one))).to_be_visible(timeout=TIMEOUT_MS)
    messages = asyncapi.document()["components"]["messages"]
    expect(docs.page.locator("#socket article")).to_have_count(len(messages))
    styled = docs.page.locator(".opblock").first.evaluate("one => getComputedStyle(one).display")
    assert styled == "block"


def test_operations_can_be_tried_out(docs: DocsPage) -> None:
    status, time = execute(docs.operation("get_time"))
    assert (status, time["drift_tolerance_ms"]) == ("200", 50)

    # The suggested body is the example's, whose session can be created only once.
    status, created = execute(docs.operation("create_session"))
    assert status in ("200", "201")
    assert created["data"]["session_id"] == examples.SESSION_ID

    block = docs.operation("get_session")
    block.get_by_placeholder("session_id").fill(examples.SESSION_ID)
    status, found = execute(block)
    assert (status, found["data"]["version"]) == ("200", created["data"]["version"])


def test_error_responses_are_shown(docs: DocsPage) -> None:
    block = docs.operation("get_session")
    block.get_by_placeholder("session_id").fill("6f0e1d9c-5a2b-4c7d-8e3f-0000000000ff")

    status, response = execute(block)

    assert (status, response["error"]["code"]) == ("404", "SESSION_NOT_FOUND")
    # Browsers log error responses on the console.
    docs.errors = [one for one in docs.errors if "404" not in one]


def test_policy_violations_are_detected(docs: DocsPage) -> None:
    with docs.page.expect_console_message(
        lambda message: message.text.startswith("policy img-src")
    ):
        docs.page.evaluate("new Image().src = 'https://example.com/picture.png'")

    assert any("Content Security Policy" in one for one in docs.errors)
    docs.errors.clear()
