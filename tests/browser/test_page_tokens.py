"""The page with AUTH=on: creating sessions, links with tokens, and refused links."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from chalicelib.auth import jwt as tokens
from chalicelib.auth.jwks import new_key
from chalicelib.auth.policy import EVERY_SESSION, Bearer, Role
from tests.auth.bearers import a_key_set
from tests.e2e.instances import Instance, instances

from .accessibility import Axe
from .screens import Screens
from .session_page import (
    HOST,
    PHONE,
    VIEWER,
    card,
    choose_preset,
    clock,
    link_for,
    press,
    wait_until_live,
)

KEY = new_key("of-the-test")
REFUSED_LINK = "This link doesn\u2019t work"
NOT_ALLOWED = "This link doesn\u2019t allow that."
# Chromium logs refused requests.
REFUSED_REQUEST = r"the server responded with a status of 40[13]"
REFUSED_SOCKET = "WebSocket connection to .* failed"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A stack that requires tokens."""
    environment = {"AUTH": "on", "AUTH_KEYS": json.dumps({"keys": [KEY]})}
    directory = tmp_path_factory.mktemp("guarded")
    with instances(1, None, directory, environment=environment) as [one]:
        yield one


def make_server_token() -> str:
    now_s = int(time.time())
    server = Bearer(Role.SERVER, EVERY_SESSION, "of-the-test", now_s - 60, now_s + 600)
    return tokens.sign(server, a_key_set(KEY))


def create_session(
    screens: Screens, guarded: Instance, preset: str, *, at: str | None = None, **fields: str
) -> Page:
    """The host's page of a new session, created with a server token."""
    screens.expect(REFUSED_REQUEST)
    page = screens.open(at or f"{guarded.rest_url}/")
    choose_preset(page, preset)
    for field, text in fields.items():
        page.locator(f"[name={field}]").fill(text)
    page.get_by_role("button", name="Create session").click()
    page.get_by_label("Server token").fill(make_server_token())
    page.get_by_label("Server token").press("Enter")
    wait_until_live(page)
    return page


def link_with_token(host: Page, recipient: str) -> str:
    link_for(host, recipient)
    link = host.get_by_label("Link", exact=True)
    expect(link).to_have_value(re.compile("token="))
    return link.input_value()


def token_in(link: str) -> str:
    [token] = parse_qs(urlsplit(link).fragment)["token"]
    return token


def test_game_with_links_that_contain_tokens(screens: Screens, guarded: Instance) -> None:
    host = create_session(screens, guarded, "Blitz", names="Ada\nBen")
    viewer = screens.open(link_with_token(host, VIEWER))
    ada = screens.open(link_with_token(host, "Ada"), **PHONE)
    ben = screens.open(link_with_token(host, "Ben"), **PHONE)
    for page in (viewer, ada, ben):
        wait_until_live(page)

    press(host, "Start")
    ada.get_by_role("button", name=re.compile("Pass turn")).tap()
    expect(card(viewer, "Ben")).to_have_attribute("data-active", "true")
    ben.get_by_role("button", name=re.compile("Pass turn")).tap()
    expect(card(viewer, "Ada")).to_have_attribute("data-active", "true")
    press(host, "Undo")
    expect(card(viewer, "Ben")).to_have_attribute("data-active", "true")
    press(host, "Add time to Ada")
    log = host.get_by_role("group", name="Activity log")
    expect(log.get_by_text("10 seconds added for Ada")).to_be_visible()
    press(host, "Delete")
    host.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for page in (host, viewer, ada):
        expect(page.get_by_role("heading", name="This session no longer exists")).to_be_visible()


def test_page_on_a_static_host_uses_the_api_in_its_query(
    screens: Screens, guarded: Instance, files_url: str
) -> None:
    query = urlencode({"api": guarded.rest_url, "ws": guarded.websocket_url})
    page = f"{files_url}/client/web/?{query}"
    host = create_session(screens, guarded, "Blitz", at=page, names="Ada\nBen")
    ada = screens.open(link_with_token(host, "Ada"), **PHONE)
    assert ada.url.startswith(page)
    wait_until_live(ada)

    press(host, "Start")
    ada.get_by_role("button", name=re.compile("Pass turn")).tap()
    expect(card(host, "Ben")).to_have_attribute("data-active", "true")
    log = host.get_by_role("group", name="Activity log")
    expect(log.get_by_text("Ben\u2019s turn")).to_be_visible()
    press(host, "Delete")
    host.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(ada.get_by_role("heading", name="This session no longer exists")).to_be_visible()


def test_host_link_opens_another_host_who_can_create_links(
    screens: Screens, guarded: Instance
) -> None:
    host = create_session(screens, guarded, "Blitz", names="Ada\nBen")

    other = screens.open(link_with_token(host, HOST))
    wait_until_live(other)
    viewer = screens.open(link_with_token(other, VIEWER))

    wait_until_live(viewer)
    press(other, "Start")
    expect(card(viewer, "Ada")).to_have_attribute("data-active", "true")


def test_server_token_is_in_no_link_and_not_stored(screens: Screens, guarded: Instance) -> None:
    host = create_session(screens, guarded, "Blitz")
    token = make_server_token()

    role = "JSON.parse(atob(new URLSearchParams(location.hash).get('token').split('.')[1])).role"
    assert host.evaluate(role) == "host"
    stored = host.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert token.split(".")[0] not in stored
    # The same tab can create another session without asking for the token again.
    host.get_by_role("link", name="Tickless: new session").click()
    host.get_by_role("button", name="Create session").click()
    wait_until_live(host)


def test_missing_or_invalid_server_token_is_asked_for(
    screens: Screens, guarded: Instance, stack: Instance, axe: Axe
) -> None:
    screens.expect(REFUSED_REQUEST)
    open_page = screens.open(f"{stack.rest_url}/", reduced_motion="reduce")
    expect(open_page.get_by_label("Server token")).to_be_hidden()
    page = screens.open(f"{guarded.rest_url}/", reduced_motion="reduce")
    expect(page.get_by_label("Server token")).to_be_hidden()

    page.get_by_role("button", name="Create session").click()
    expect(page.get_by_label("Server token")).to_be_focused()
    expect(page.get_by_role("alert")).to_have_text("This server requires a token.")
    assert axe.violations(page) == []
    page.get_by_label("Server token").fill("secret")
    page.get_by_role("button", name="Create session").click()
    expect(page.get_by_role("alert")).to_contain_text("This token can\u2019t create sessions.")
    expect(page.get_by_label("Server token")).to_have_attribute("aria-invalid", "true")
    # A host's token can't create sessions, either.
    page.get_by_label("Server token").fill(token_in(create_session(screens, guarded, "Blitz").url))
    page.get_by_role("button", name="Create session").click()
    expect(page.get_by_role("alert")).to_contain_text("This token can\u2019t create sessions.")


@pytest.mark.parametrize("defect", ["no token", "the token of another session"])
def test_link_without_access_shows_a_notice(
    screens: Screens, guarded: Instance, defect: str
) -> None:
    screens.expect(REFUSED_SOCKET)
    link = link_with_token(create_session(screens, guarded, "Blitz"), VIEWER)
    other = link_with_token(create_session(screens, guarded, "Blitz"), VIEWER)
    token = "" if defect == "no token" else f"&token={token_in(other)}"

    page = screens.open(re.sub("&token=.*", token, link))

    expect(page.get_by_role("heading", name=REFUSED_LINK)).to_be_visible()
    expect(page.get_by_text("Not connected")).to_be_visible()


def test_revoked_link_closes_its_screen(screens: Screens, guarded: Instance) -> None:
    host = create_session(screens, guarded, "Blitz")
    link = link_with_token(host, VIEWER)
    viewer = screens.open(link)
    wait_until_live(viewer)

    route = parse_qs(urlsplit(host.url).fragment)
    claims = viewer.evaluate("(token) => JSON.parse(atob(token.split('.')[1]))", token_in(link))
    revoked = httpx.delete(
        f"{guarded.rest_url}/v1/sessions/{route['s'][0]}/tokens/{claims['jti']}",
        headers={"Authorization": f"Bearer {route['token'][0]}"},
    )

    assert revoked.status_code == 204
    expect(viewer.get_by_role("heading", name=REFUSED_LINK)).to_be_visible()


def test_commands_that_the_token_does_not_allow_show_an_error(
    screens: Screens, guarded: Instance
) -> None:
    host = create_session(screens, guarded, "Blitz", names="Ada\nBen")
    viewer = screens.open(link_with_token(host, VIEWER).replace("as=viewer", "as=host"))
    wait_until_live(viewer)

    press(viewer, "Start")
    expect(viewer.locator(".controls [role=alert]")).to_have_text(NOT_ALLOWED)
    viewer.get_by_label("Link for", exact=True).select_option(label="Ada")
    expect(viewer.locator(".share-links [role=alert]")).to_have_text(NOT_ALLOWED)
    expect(viewer.get_by_label("Link", exact=True)).to_have_value("")


@pytest.mark.parametrize(
    ("preset", "fields", "label"),
    [
        ("Blitz", {"names": "Ada\nBen"}, "Not your turn"),
        ("Stopwatch", {"names": "Ben"}, "Running"),
    ],
)
def test_participant_is_offered_only_what_the_token_allows(
    screens: Screens, guarded: Instance, preset: str, fields: dict[str, Any], label: str
) -> None:
    host = create_session(screens, guarded, preset, **fields)
    ben = screens.open(link_with_token(host, "Ben"), **PHONE)
    wait_until_live(ben)
    press(host, "Start")

    expect(ben.get_by_role("button", name=label)).to_have_attribute("aria-disabled", "true")
    expect(clock(ben, "Ben")).to_have_text(re.compile(r"\d"))


def test_bidder_with_a_token_leads_the_auction(screens: Screens, guarded: Instance) -> None:
    host = create_session(screens, guarded, "Silent auction", names="Ada\nBen")
    ben = screens.open(link_with_token(host, "Ben"), **PHONE)
    wait_until_live(ben)
    press(host, "Start")

    ben.get_by_role("button", name=re.compile("Bid")).tap()

    expect(ben.get_by_role("button", name="You lead")).to_be_visible()
    press(host, "Complete")
    host.get_by_role("dialog").get_by_role("button", name="Complete").click()
    expect(ben.get_by_text("You have won the auction.")).to_be_visible()
