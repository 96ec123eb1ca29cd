"""``python -m tests.browser.screenshots``: take the README's screenshots of the page.

Uses the installed fonts; the screenshots in the repository were taken with Inter.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.instances import ROOT, instances

from .screens import Screens, running_chromium
from .session_page import PHONE, VIEWER, card, create_session, link_for, press, wait_until_live

FOLDER = ROOT / "docs" / "pictures"
SCREEN: Mapping[str, Any] = {"viewport": {"width": 1280, "height": 720}}
QUALITY = 0.86

# Playwright does not write WebP; Chromium's canvas does.
AS_WEBP = """
    async ([png, quality]) => {
        const image = new Image();
        image.src = `data:image/png;base64,${png}`;
        await image.decode();
        const canvas = new OffscreenCanvas(image.width, image.height);
        canvas.getContext('2d').drawImage(image, 0, 0);
        const blob = await canvas.convertToBlob({ type: 'image/webp', quality });
        const bytes = new Uint8Array(await blob.arrayBuffer());
        return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    }
"""


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as working,
        instances(1, None, Path(working)) as (stack,),
        sync_playwright() as playwright,
        running_chromium(playwright) as browser,
    ):
        screens = Screens(browser)
        converter = screens.open("about:blank")
        host = create_session(
            screens,
            stack.rest_url,
            "Blitz",
            context=SCREEN,
            names="Judit\nMagnus",
            title="Final, board 1",
        )
        viewer = screens.open(link_for(host, VIEWER), color_scheme="dark", **SCREEN)
        phone = screens.open(link_for(host, "Judit"), device_scale_factor=2, **PHONE)
        link_for(host, VIEWER)
        press(host, "Start")
        for following in ("Magnus", "Judit"):
            host.wait_for_timeout(3_000)
            press(host, "Pass turn")
            expect(card(host, following)).to_have_attribute("data-active", "true")
            # The activity log is loaded within a second.
        host.wait_for_timeout(2_000)
        for name, page in (("host", host), ("viewer", viewer), ("phone", phone)):
            wait_until_live(page)
            image = _webp(converter, page.screenshot())
            path = FOLDER / f"page-{name}.webp"
            path.write_bytes(image)
            sys.stdout.write(f"{path.relative_to(ROOT)} ({len(image) / 1000:.0f} KB)\n")
        screens.close()
    return 0


def _webp(converter: Page, png: bytes) -> bytes:
    return base64.b64decode(converter.evaluate(AS_WEBP, [base64.b64encode(png).decode(), QUALITY]))


if __name__ == "__main__":
    sys.exit(main())
