"""Chromium as tests and screenshots drive it: no screen, no sound card, a pretended microphone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

PATIENCE_MS = 60_000
"""Longest wait for anything on a page; a busy machine needs it, a quiet one never does."""

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}


@contextmanager
def chromium(microphone: Path) -> Iterator[Browser]:
    """Runs Debian's Chromium.

    Args:
        microphone: WAV file that the microphone hears, from its start whenever a page opens it.
    """
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",  # which root can't have
                "--disable-gpu",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}",
            ],
        )
        try:
            yield browser
        finally:
            browser.close()


def drop(page: Page, target: Locator, *paths: Path) -> None:
    """Drops files and folders as from the desktop: a folder can be opened, as in a real drop."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box, "nothing to drop on"
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    session.detach()


def slow_down(page: Page, bytes_per_second: int) -> None:
    """Sends from now on as slowly as a bad connection does."""
    session = page.context.new_cdp_session(page)
    limits = {"latency": 20, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    session.send("Network.emulateNetworkConditions", {"offline": False, **limits})
