"""The whole story: from nothing to hearing the sound that is most like another one."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.chromium import drop
from tests.browser.conftest import Visit
from tests.browser.pages import (
    choose,
    clips,
    expect_found,
    expect_heard,
    expect_heard_from,
    importing,
    places,
    query,
    results,
)


def test_from_an_empty_library_to_hearing_a_result(
    visit: Visit, folder: Path, new_bell: Path
) -> None:
    """Makes a library, drops a folder, reads which file failed and why, searches, and listens."""
    page = visit("#/library", expected="status of 400")
    page.get_by_role("button", name="Make a library").click()
    dialog = page.get_by_role("dialog", name="A new library")
    dialog.get_by_label("Name").fill("Kitchen & sword")
    dialog.get_by_role("button", name="Make a library").click()
    expect(page.get_by_role("heading", name="Kitchen & sword")).to_be_visible()
    expect(page.get_by_text("Nothing in here yet")).to_be_visible()

    drop(page, page.get_by_text("Drop files or folders here"), folder)
    expect(page.get_by_role("progressbar", name="Progress of the import")).to_be_visible()
    imports = importing(page)
    expect(imports).to_contain_text("Imported, except for some files")
    expect(imports).to_contain_text("21 of 21 · 20 imported · 1 failed")
    expect(imports).to_contain_text("1 file skipped: 1 .txt")
    failed = imports.get_by_role("listitem")
    expect(failed).to_have_count(1)
    expect(failed).to_contain_text("My sounds/Things/broken.wav")
    expect(failed).to_contain_text("This is text, not audio: send wav")
    expect(clips(page)).to_have_count(20)
    expect(page.get_by_role("definition").first).to_have_text("20")

    page.get_by_role("link", name="Search this library").click()
    choose(page, "Choose a file", new_bell)
    expect_found(page, 10, "bronze_bell_")
    results(page).first.get_by_role("button", name="Play bronze_bell_").click()
    expect_heard(page, results(page).first)


def test_a_voice_is_found_within_a_long_recording(
    visit: Visit, talks: str, new_voice: Path
) -> None:
    """Dropped, found at 1:12, and heard from there: by the button, by its place, by the mark."""
    page = visit(f"#/search?library={talks}")
    drop(page, query(page), new_voice)
    expect_found(page, 6, "Morning talk")
    row = results(page).first
    start, end = places(row)[0]
    assert 70.5 <= start <= 73.5
    assert start + 3 <= end <= 85.5
    expect(row.locator(".wave.drawn")).to_be_visible()

    row.get_by_role("button", name="Play Morning talk").click()
    expect_heard_from(page, row, start)
    row.get_by_role("button", name="Pause Morning talk").click()
    row.get_by_role("button", name=re.compile("^Hear Morning talk.wav at 01:1")).first.click()
    expect_heard_from(page, row, start)
    row.get_by_role("button", name="Pause Morning talk").click()
    row.locator(".mark.best").click()
    expect_heard_from(page, row, start)
    row.get_by_role("button", name="Pause Morning talk").click()

    row.get_by_role("link", name=re.compile("^Search with Morning talk.wav, 01:1")).first.click()
    expect(query(page).get_by_label("From")).to_have_value(re.compile("^01:1[0-3]"))
    expect(query(page).get_by_role("heading", name="Morning talk.wav")).to_be_visible()
    expect_found(page, 5, "")
    expect(page).to_have_url(re.compile(r"clip=.*&from=7[0-3][.0-9]*&to=[78]"))
