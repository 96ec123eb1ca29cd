"""The page where AUTH is on: who makes sessions, whom their links let in, and who is told no."""

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
from .page import PHONE, VIEWER, card, clock, is_live, link_for, press
from .screens import Screens

KEY = new_key("of-the-test")
SHUT_OUT = "This link doesn\u2019t open the session"
NOT_ALLOWED = "This link doesn\u2019t allow that."
# Chromium logs what a server refuses.
REFUSED = r"the server responded with a status of 40[13]"
NO_SOCKET = "WebSocket connection to .* failed"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A stack on which nobody may do anything without a token."""
    environment = {"AUTH": "on", "AUTH_KEYS": json.dumps({"keys": [KEY]})}
    directory = tmp_path_factory.mktemp("guarded")
    with instances(1, None, directory, environment=environment) as [one]:
        yield one


def a_server_token() -> str:
    now_s = int(time.time())
    server = Bearer(Role.SERVER, EVERY_SESSION, "of-the-test", now_s - 60, now_s + 600)
    return tokens.sign(server, a_key_set(KEY))


def make_session(
    screens: Screens, guarded: Instance, preset: str, *, at: str | None = None, **filled: str
) -> Page:
    """A host's page of a new session, made with a server's token."""
    screens.expect(REFUSED)
    page = screens.open(at or f"{guarded.rest_url}/")
    page.get_by_role("radio", name=preset).press("Space")
    for field, text in filled.items():
        page.locator(f"[name={field}]").fill(text)
    page.get_by_role("button", name="Make the session").click()
    page.get_by_label("Server token").fill(a_server_token())
    page.get_by_label("Server token").press("Enter")
    is_live(page)
    return page


def link_with_token(host: Page, whose: str) -> str:
    link_for(host, whose)
    address = host.get_by_label("Link", exact=True)
    expect(address).to_have_value(re.compile("token="))
    return address.input_value()


def token_in(link: str) -> str:
    [token] = parse_qs(urlsplit(link).fragment)["token"]
    return token


def test_a_game_between_those_whom_the_host_s_links_let_in(
    screens: Screens, guarded: Instance
) -> None:
    host = make_session(screens, guarded, "Blitz", names="Ada\nBen")
    viewer = screens.open(link_with_token(host, VIEWER))
    ada = screens.open(link_with_token(host, "Ada"), **PHONE)
    ben = screens.open(link_with_token(host, "Ben"), **PHONE)
    for page in (viewer, ada, ben):
        is_live(page)

    press(host, "Start")
    ada.get_by_role("button", name=re.compile("Done")).tap()
    expect(card(viewer, "Ben")).to_have_attribute("data-active", "true")
    ben.get_by_role("button", name=re.compile("Done")).tap()
    expect(card(viewer, "Ada")).to_have_attribute("data-active", "true")
    press(host, "Undo")
    expect(card(viewer, "Ben")).to_have_attribute("data-active", "true")
    press(host, "Give time to Ada")
    log = host.get_by_role("group", name="Event log")
    expect(log.get_by_text("10 seconds more for Ada")).to_be_visible()
    press(host, "Delete")
    host.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for page in (host, viewer, ada):
        expect(page.get_by_role("heading", name="This session is gone")).to_be_visible()


def test_a_page_from_a_static_host_reaches_the_api_that_its_address_names(
    screens: Screens, guarded: Instance, files_url: str
) -> None:
    there = urlencode({"api": guarded.rest_url, "ws": guarded.websocket_url})
    page = f"{files_url}/client/web/?{there}"
    host = make_session(screens, guarded, "Blitz", at=page, names="Ada\nBen")
    ada = screens.open(link_with_token(host, "Ada"), **PHONE)
    assert ada.url.startswith(page)
    is_live(ada)

    press(host, "Start")
    ada.get_by_role("button", name=re.compile("Done")).tap()
    expect(card(host, "Ben")).to_have_attribute("data-active", "true")
    log = host.get_by_role("group", name="Event log")
    expect(log.get_by_text("Ben\u2019s turn")).to_be_visible()
    press(host, "Delete")
    host.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(ada.get_by_role("heading", name="This session is gone")).to_be_visible()


def test_the_host_s_own_link_makes_another_host_with_links_of_its_own(
    screens: Screens, guarded: Instance
) -> None:
    host = make_session(screens, guarded, "Blitz", names="Ada\nBen")

    other = screens.open(link_with_token(host, "Host: these controls"))
    is_live(other)
    viewer = screens.open(link_with_token(other, VIEWER))

    is_live(viewer)
    press(other, "Start")
    expect(card(viewer, "Ada")).to_have_attribute("data-active", "true")


def test_the_server_s_token_stands_in_no_link_and_is_kept_nowhere(
    screens: Screens, guarded: Instance
) -> None:
    host = make_session(screens, guarded, "Blitz")
    given = a_server_token()

    role = "JSON.parse(atob(new URLSearchParams(location.hash).get('token').split('.')[1])).role"
    assert host.evaluate(role) == "host"
    kept = host.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert given.split(".")[0] not in kept
    # But whoever makes one more in this tab isn't asked again.
    host.get_by_role("link", name="Tickless: new session").click()
    host.get_by_role("button", name="Make the session").click()
    is_live(host)


def test_who_has_no_token_or_a_wrong_one_is_asked_for_it(
    screens: Screens, guarded: Instance, stack: Instance, axe: Axe
) -> None:
    screens.expect(REFUSED)
    free = screens.open(f"{stack.rest_url}/", reduced_motion="reduce")
    expect(free.get_by_label("Server token")).to_be_hidden()
    page = screens.open(f"{guarded.rest_url}/", reduced_motion="reduce")
    expect(page.get_by_label("Server token")).to_be_hidden()

    page.get_by_role("button", name="Make the session").click()
    expect(page.get_by_label("Server token")).to_be_focused()
    expect(page.get_by_role("alert")).to_have_text("This server asks for a token.")
    assert axe.faults(page) == []
    page.get_by_label("Server token").fill("secret")
    page.get_by_role("button", name="Make the session").click()
    expect(page.get_by_role("alert")).to_contain_text("With this token")
    expect(page.get_by_label("Server token")).to_have_attribute("aria-invalid", "true")
    # Nor does a link's.
    page.get_by_label("Server token").fill(token_in(make_session(screens, guarded, "Blitz").url))
    page.get_by_role("button", name="Make the session").click()
    expect(page.get_by_role("alert")).to_contain_text("With this token")


@pytest.mark.parametrize("spoiled", ["without its token", "with a token of another session"])
def test_a_link_that_does_not_open_the_session_says_so(
    screens: Screens, guarded: Instance, spoiled: str
) -> None:
    screens.expect(NO_SOCKET)
    link = link_with_token(make_session(screens, guarded, "Blitz"), VIEWER)
    other = link_with_token(make_session(screens, guarded, "Blitz"), VIEWER)
    token = "" if spoiled == "without its token" else f"&token={token_in(other)}"

    page = screens.open(re.sub("&token=.*", token, link))

    expect(page.get_by_role("heading", name=SHUT_OUT)).to_be_visible()
    expect(page.get_by_text("Not connected")).to_be_visible()


def test_a_link_that_is_taken_back_closes_the_screen_it_opened(
    screens: Screens, guarded: Instance
) -> None:
    host = make_session(screens, guarded, "Blitz")
    link = link_with_token(host, VIEWER)
    viewer = screens.open(link)
    is_live(viewer)

    said = parse_qs(urlsplit(host.url).fragment)
    claims = viewer.evaluate("(token) => JSON.parse(atob(token.split('.')[1]))", token_in(link))
    revoked = httpx.delete(
        f"{guarded.rest_url}/v1/sessions/{said['s'][0]}/tokens/{claims['jti']}",
        headers={"Authorization": f"Bearer {said['token'][0]}"},
    )

    assert revoked.status_code == 204
    expect(viewer.get_by_role("heading", name=SHUT_OUT)).to_be_visible()


def test_a_link_with_less_rights_than_its_screen_is_told_no_in_place(
    screens: Screens, guarded: Instance
) -> None:
    host = make_session(screens, guarded, "Blitz", names="Ada\nBen")
    viewer = screens.open(link_with_token(host, VIEWER).replace("as=viewer", "as=host"))
    is_live(viewer)

    press(viewer, "Start")
    expect(viewer.locator(".controls [role=alert]")).to_have_text(NOT_ALLOWED)
    viewer.get_by_label("Link for", exact=True).select_option(label="Ada")
    expect(viewer.locator(".links [role=alert]")).to_have_text(NOT_ALLOWED)
    expect(viewer.get_by_label("Link", exact=True)).to_have_value("")


@pytest.mark.parametrize(
    ("preset", "filled", "label"),
    [
        ("Auction", {"names": "Ada\nBen"}, "Bid aloud"),
        ("Stopwatch", {"names": "Ben"}, "Running"),
    ],
)
def test_a_participant_is_offered_nothing_that_a_token_of_his_may_not_do(
    screens: Screens, guarded: Instance, preset: str, filled: dict[str, Any], label: str
) -> None:
    host = make_session(screens, guarded, preset, **filled)
    ben = screens.open(link_with_token(host, "Ben"), **PHONE)
    is_live(ben)
    press(host, "Start")

    expect(ben.get_by_role("button", name=label)).to_have_attribute("aria-disabled", "true")
    expect(clock(ben, "Ben")).to_have_text(re.compile(r"\d"))
