"""What axe-core says of every page and dialog, in both themes and both sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.chromium import DESKTOP, PHONE, drop
from tests.browser.conftest import Visit
from tests.browser.pages import choose, expect_found, identity, importing, outcome, query
from tests.browser.site import Site

LOOKS = [
    pytest.param({"viewport": viewport, "color_scheme": theme}, id=f"{size}-{theme}")
    for size, viewport in (("desktop", DESKTOP), ("phone", PHONE))
    for theme in ("light", "dark")
]
# Axe measures with styles that the policy refuses.
UNBOUND = {"bypass_csp": True}


def judge(page: Page, where: str) -> None:
    """Fails with what axe-core finds in the whole page: what is half in sight is small."""
    whole = page.evaluate("document.documentElement.scrollHeight")
    size = page.viewport_size
    assert size
    page.set_viewport_size({"width": size["width"], "height": max(whole, size["height"])})
    found = axe.violations(page)
    page.set_viewport_size(size)
    assert not found, f"{where}:\n{found}"


@pytest.mark.parametrize("look", LOOKS)
def test_searching(visit: Visit, filled: str, new_bell: Path, look: dict[str, object]) -> None:
    """Before, while recording, with results, one of them chosen and playing, and the keys."""
    page = visit(f"#/search?library={filled}", **look, **UNBOUND)
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    judge(page, "before")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("button", name="Stop and search")).to_be_visible()
    judge(page, "recording")
    page.get_by_role("button", name="Cancel").click()
    drop(page, query(page), new_bell)
    expect_found(page, 10, "bronze_bell_")
    expect(query(page).locator(".wave.drawn")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press(" ")
    judge(page, "results")
    page.get_by_role("button", name="Keep and copy link").click()
    judge(page, "keeping a sound")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    judge(page, "keys")


@pytest.mark.parametrize("look", LOOKS)
def test_libraries(visit: Visit, shared: Site, folder: Path, look: dict[str, object]) -> None:
    """The list, an empty library, one after an import with a failed file, and the dialogs."""
    page = visit("#/library", expected="status of 400", **look, **UNBOUND)
    page.get_by_role("button", name="Make a library").click()
    judge(page, "making a library")
    page.keyboard.press("Escape")
    judge(page, "libraries")
    page.goto(page.url.partition("#")[0] + f"#/library/{shared.library()}")
    expect(page.get_by_text("Nothing in here yet")).to_be_visible()
    judge(page, "an empty library")
    drop(page, importing(page), folder / "Things")
    expect(importing(page)).to_contain_text("17 imported · 1 failed")
    expect(page.get_by_role("list", name="Clips").get_by_role("listitem")).to_have_count(17)
    judge(page, "an import")
    page.get_by_role("button", name="Edit ").first.click()
    judge(page, "editing a clip")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete this library").click()
    judge(page, "deleting a library")


@pytest.mark.parametrize("look", LOOKS)
def test_speakers(visit: Visit, choir: str, recordings: Path, look: dict[str, object]) -> None:
    """Who it is and the calibration, one speaker with both decisions, and the dialogs."""
    page = visit(f"#/speakers/{choir}", **look, **UNBOUND)
    choose(page, "Choose a file", recordings / "Ann 4.wav")
    expect(identity(page)).to_contain_text("It is Ann")
    expect(page.get_by_role("slider", name="Threshold of decisions")).to_be_visible()
    judge(page, "it is Ann")
    choose(page, "Another file", recordings / "Cem 4.wav")
    expect(identity(page)).to_contain_text("It is nobody who is enrolled")
    judge(page, "it is nobody")
    page.get_by_role("button", name="Enroll this voice").click()
    judge(page, "enrolling somebody")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Ann").first.click()
    choose(page, "Choose a file", recordings / "Ann 4.wav")
    expect(page.get_by_role("heading", name="ACCEPT")).to_be_visible()
    judge(page, "accepted")
    choose(page, "Another file", recordings / "Cem 4.wav")
    expect(page.get_by_role("heading", name="REJECT")).to_be_visible()
    judge(page, "rejected")
    page.get_by_role("button", name="Delete this speaker").click()
    judge(page, "deleting a speaker")


@pytest.mark.parametrize("look", LOOKS)
def test_enrolling(visit: Visit, shared: Site, recordings: Path, look: dict[str, object]) -> None:
    """Nobody yet, somebody who is to be, and what became of recordings."""
    library = shared.library()
    page = visit(f"#/speakers/{library}", expected="status of 40[04]", **look, **UNBOUND)
    expect(page.get_by_text("Nobody is enrolled yet")).to_be_visible()
    judge(page, "nobody")
    page.goto(page.url.partition("#")[0] + f"#/speakers/{library}?speaker=ann&name=Ann")
    expect(page.get_by_text("The first recording does it")).to_be_visible()
    judge(page, "somebody to be")
    choose(
        page,
        "Choose files",
        *(recordings / name for name in ("Ann 1.wav", "Ann 2.wav", "Ben 1.wav")),
    )
    expect(outcome(page, "Ben 1.wav")).to_contain_text("Another voice")
    judge(page, "enrolled")


@pytest.mark.parametrize("look", LOOKS)
def test_map_and_status(visit: Visit, filled: str, look: dict[str, object]) -> None:
    """The map with a clip chosen, the status with its table, a failure, and the list of pages."""
    page = visit(f"#/map/{filled}", expected="status of 404", **look, **UNBOUND)
    page.locator(".map-choose").first.click()
    judge(page, "map")
    page.get_by_role("button", name="Search with ").first.click()
    expect(page.get_by_role("heading", name="10 results")).to_be_visible()
    page.get_by_role("link", name="Status").click()
    page.get_by_text("As a table").click()
    judge(page, "status")
    page.goto(page.url.partition("#")[0] + "#/library/absent")
    expect(page.get_by_role("alert")).to_contain_text("This library isn't there")
    judge(page, "a failure")
