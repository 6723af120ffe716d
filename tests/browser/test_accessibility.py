"""Axe-core's findings on every page and dialog, in both themes and both sizes."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.chromium import DESKTOP, PHONE, drop
from tests.browser.conftest import Visit
from tests.browser.pages import choose, expect_found, identity, importing, outcome, query
from tests.browser.site import Site

LOOKS = [(theme, size) for theme in ("light", "dark") for size in (DESKTOP, PHONE)]
# Axe measures with styles that the policy refuses.
UNBOUND = {"bypass_csp": True}


def judge(page: Page, where: str) -> None:
    """Fails with what axe-core finds in either theme and size: what is half in sight is small."""
    for theme, size in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(size)
        whole = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": max(whole, size["height"])})
        found = axe.violations(page)
        assert not found, f"{where}, {theme}, {size['width']} wide:\n{found}"
    page.set_viewport_size(DESKTOP)


def test_searching(visit: Visit, filled: str, new_bell: Path) -> None:
    """Before, while recording, with results, one of them chosen and playing, and the keys."""
    page = visit(f"#/search?library={filled}", **UNBOUND)
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
    page.evaluate("for (const each of document.querySelectorAll('audio')) each.loop = true")
    judge(page, "results")
    page.keyboard.press("?")
    judge(page, "keys")


def test_places_in_long_recordings(visit: Visit, talks: str, new_voice: Path) -> None:
    """Marks and places of results, and a stretch of the query."""
    page = visit(f"#/search?library={talks}", **UNBOUND)
    drop(page, query(page), new_voice)
    expect_found(page, 6, "Morning talk")
    expect(query(page).locator(".wave.drawn")).to_be_visible()
    query(page).get_by_label("From").fill("0:01")
    page.keyboard.press("Tab")
    expect(query(page).get_by_role("button", name="Search with all of it")).to_be_visible()
    expect_found(page, 6, "Morning talk")
    page.get_by_role("combobox", name="Speaker").select_option("Morning")
    expect_found(page, 1, "Morning talk")
    judge(page, "places, narrowed")
    query(page).get_by_label("From").fill("1:00")
    page.keyboard.press("Tab")
    expect(query(page).get_by_role("alert")).to_be_visible()
    judge(page, "no stretch")


def test_libraries(visit: Visit, shared: Site, folder: Path) -> None:
    """The list, an empty library, one after an import with a failed file, and the dialogs."""
    page = visit("#/library", expected="status of 400", **UNBOUND)
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


def test_speakers(visit: Visit, choir: str, recordings: Path) -> None:
    """An answer and the calibration, one speaker with both decisions, and the dialogs."""
    page = visit(f"#/speakers/{choir}", **UNBOUND)
    choose(page, "Choose a file", recordings / "Ann 4.wav")
    expect(identity(page)).to_contain_text("It is Ann")
    expect(page.get_by_role("slider", name="Threshold of decisions")).to_be_visible()
    judge(page, "it is Ann")
    choose(page, "Another file", recordings / "Cem 4.wav")
    expect(identity(page)).to_contain_text("Nobody enrolled matches")
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


def test_enrolling(visit: Visit, shared: Site, recordings: Path) -> None:
    """Nobody yet, somebody who is to be, and what became of recordings."""
    library = shared.library()
    page = visit(f"#/speakers/{library}", expected="status of 40[04]", **UNBOUND)
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


def test_map_and_status(visit: Visit, filled: str) -> None:
    """The map with a clip chosen, the status with its table, a failure, and the list of pages."""
    page = visit(f"#/map/{filled}", expected="status of 404", **UNBOUND)
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
