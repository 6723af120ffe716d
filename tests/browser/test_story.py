"""The whole story: from nothing to hearing the sound that is most like another one."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.chromium import drop
from tests.browser.conftest import Visit
from tests.browser.pages import choose, clips, expect_found, expect_heard, importing, results


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
    expect(imports).to_contain_text("Imported, but for some files")
    expect(imports).to_contain_text("21 of 21 · 20 imported · 1 failed")
    expect(imports).to_contain_text("1 file passed over, not sounds: 1 .txt")
    failed = imports.get_by_role("listitem")
    expect(failed).to_have_count(1)
    expect(failed).to_contain_text("My sounds/Things/broken.wav")
    expect(failed).to_contain_text("This is text, not audio: send wav")
    expect(clips(page)).to_have_count(20)
    expect(page.get_by_role("definition").first).to_have_text("20")

    page.get_by_role("link", name="Search in it").click()
    choose(page, "Choose a file", new_bell)
    expect_found(page, 10, "bronze_bell_")
    results(page).first.get_by_role("button", name="Play bronze_bell_").click()
    expect_heard(page, results(page).first)
