"""Parts of the pages, found by their names."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect


def results(page: Page) -> Locator:
    """The matches of a search, the most similar first."""
    return page.get_by_role("list", name="Results").get_by_role("listitem")


def clips(page: Page) -> Locator:
    """The clips of a library, the oldest first."""
    return page.get_by_role("list", name="Clips").get_by_role("listitem")


def speakers(page: Page) -> Locator:
    """The speakers of a library, by their ids."""
    return page.get_by_role("list", name="Enrolled").get_by_role("listitem")


def enrollments(page: Page) -> Locator:
    """The recordings that a speaker is enrolled with."""
    return page.get_by_role("list", name="Enrollments").get_by_role("listitem")


def outcome(page: Page, name: str) -> Locator:
    """The outcome of a recording that was to be enrolled."""
    listed = page.get_by_role("list", name="What became of the recordings")
    return listed.get_by_role("listitem").filter(has_text=name)


def identity(page: Page) -> Locator:
    """Whose voice a sound is."""
    return page.get_by_role("region", name="Whose voice it is")


def importing(page: Page) -> Locator:
    """The part of a library's page where sounds are dropped and imports tell how far they are."""
    return page.get_by_role("region", name="Imports")


def names(rows: Locator) -> list[str]:
    """The names of the sounds in rows of a list."""
    return [row.locator(".sound-name").inner_text() for row in rows.all()]


def scores(rows: Locator) -> list[float]:
    """The scores of matches."""
    return [float(row.locator(".score-number").inner_text().split()[-1]) for row in rows.all()]


def places(row: Locator) -> list[tuple[float, float]]:
    """The stretches of a match that are like the query, in seconds, the best first."""
    buttons = row.locator(".stretch button").all()
    clocks = [re.findall(r"[\d.]+:[\d.]+", button.inner_text())[-2:] for button in buttons]
    return [(_seconds(start), _seconds(end)) for start, end in clocks]


def _seconds(clock: str) -> float:
    minutes, seconds = clock.split(":")
    return 60 * int(minutes) + float(seconds)


def query(page: Page) -> Locator:
    """The part of the page with the sound to search with."""
    return page.get_by_role("region", name="Sound to search with")


def painted(page: Page) -> None:
    """Waits until what has been asked for is on the screen: the frame after the next one."""
    frame = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    page.evaluate(f"() => {frame}")


def expect_recorded(place: Locator) -> None:
    """Waits until the microphone has been heard for two seconds or longer."""
    expect(place).to_contain_text(re.compile(r"(?:[2-9]|\d\d)\.\d\d? s"))


def choose(page: Page, button: str, *paths: Path) -> None:
    """Chooses files in the dialog that a button opens."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button).click()
    chooser.value.set_files(paths)


def expect_found(page: Page, count: int, first: str) -> None:
    """Waits for so many results, of which the first one's name begins with `first`."""
    expect(results(page)).to_have_count(count)
    expect(results(page).first.locator(".sound-name")).to_have_text(re.compile(f"^{first}"))
    expect(page.get_by_role("heading", name=f"{count} result")).to_be_visible()


def expect_heard(page: Page, row: Locator) -> None:
    """Waits until a sound plays: its audio moves on, and its button offers to stop it."""
    audio = row.locator("audio")
    expect(row.get_by_role("button", name="Pause ")).to_be_visible()
    page.wait_for_function("audio => audio.currentTime > 0.2", arg=audio.element_handle())


def expect_heard_from(page: Page, row: Locator, start: float) -> None:
    """Waits until a sound plays that was begun at a place, which is just over."""
    expect(row.get_by_role("button", name="Pause ")).to_be_visible()
    page.wait_for_function(
        "([audio, start]) => audio.currentTime > start + 0.2 && audio.currentTime < start + 30",
        arg=[row.locator("audio").element_handle(), start],
    )


def expect_silence(page: Page) -> None:
    """Waits until no sound plays."""
    page.wait_for_function("[...document.querySelectorAll('audio')].every(each => each.paused)")
