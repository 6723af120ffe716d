"""A gateway that asks for API keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Locator, Page, expect

from gateway.access import api_key, key_file
from gateway.access.rights import Right
from tests.browser import voices
from tests.browser.chromium import drop
from tests.browser.conftest import Visit
from tests.browser.pages import (
    expect_found,
    expect_heard,
    expect_heard_from,
    places,
    query,
    results,
)
from tests.browser.site import Site

REFUSED = "status of 40[13]"


@dataclass(frozen=True)
class Keyed:
    """A gateway's URL, a key that only reads, and one that sees no library."""

    url: str
    reader: str
    stranger: str


@pytest.fixture(scope="module")
def lecture(shared: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library with a recording of 2:24 and 27 MB, in which Ann speaks from 1:12 on."""
    library = shared.library("lecture")
    turns = [voices.person(60 + turn) for turn in range(12)]
    turns[6] = voices.CAST["Ann"]
    path = voices.record_talk(tmp_path_factory.mktemp("lecture") / "Lecture.wav", turns)
    sound, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, np.repeat(sound, 3)[:, None].repeat(2, axis=1), 3 * rate)
    shared.upload(library, path)
    return library


@pytest.fixture(scope="module")
def keyed(
    shared: Site, filled: str, lecture: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keyed]:
    """A second gateway, which wants a key."""
    keyring = tmp_path_factory.mktemp("keys") / "keys"
    reader, read = api_key.make("reader", {filled: Right.read, lecture: Right.read})
    stranger, other = api_key.make("stranger", {"not-made-yet": Right.manage})
    both = {reader.id: reader, stranger.id: stranger}
    key_file.change(keyring, lambda known: known.update(both))
    with shared.second_gateway(AUDIOSEARCH_KEYRING=str(keyring)) as url:
        yield Keyed(url, read, other)


def prompt(page: Page) -> Locator:
    """The question for a key."""
    return page.get_by_role("dialog", name="This server asks for a key")


def give(page: Page, key: str) -> None:
    """Types a key."""
    prompt(page).get_by_label("API key").fill(key)
    page.keyboard.press("Enter")


def test_a_wrong_key_is_asked_for_again(visit: Visit, keyed: Keyed) -> None:
    """The dialog says what was wrong; the right key shows the page as if nothing had been."""
    page = visit("#/search", expected=REFUSED, url=keyed.url)
    expect(prompt(page)).to_contain_text("Enter the API key")
    expect(prompt(page).get_by_label("API key")).to_be_focused()
    give(page, keyed.reader[:-4] + "wxyz")
    expect(prompt(page)).to_contain_text("The server doesn't know this key")
    give(page, keyed.reader)
    expect(prompt(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()


def test_the_key_goes_with_all_that_is_asked(visit: Visit, keyed: Keyed, new_bell: Path) -> None:
    """Searching, waveforms and playing; it is kept for this tab, also when it is loaded again."""
    page = visit("#/search", expected=REFUSED, url=keyed.url)
    give(page, keyed.reader)
    drop(page, query(page), new_bell)
    expect_found(page, 10, "bronze_bell_")
    expect(results(page).first.locator(".wave.drawn")).to_be_visible()
    results(page).first.get_by_role("button", name="Play").click()
    expect_heard(page, results(page).first)
    page.reload()
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    expect(prompt(page)).to_have_count(0)
    assert keyed.reader not in str(page.context.storage_state())


def test_a_long_recording_plays_while_it_comes(
    visit: Visit, keyed: Keyed, lecture: str, new_voice: Path
) -> None:
    """From the matched place, in parts that the key goes with, and that name it nowhere."""
    page = visit(f"#/search?library={lecture}", expected=REFUSED, url=keyed.url)
    give(page, keyed.reader)
    drop(page, query(page), new_voice)
    expect_found(page, 1, "Lecture")
    row = results(page).first
    start, _ = places(row)[0]
    assert 70.5 <= start <= 73.5
    answers: list[tuple[str, int]] = []
    page.on("response", lambda answer: answers.append((answer.url, answer.status)))
    with page.expect_response(re.compile("/audio$")):
        row.get_by_role("button", name="Play Lecture").click()
    expect_heard_from(page, row, start)
    assert {status for url, status in answers if url.endswith("/audio")} == {206}
    assert not any(keyed.reader in url for url, _ in answers)


def test_a_key_without_the_right_is_told_so(visit: Visit, keyed: Keyed, new_bell: Path) -> None:
    """The refusal is in words, at the place of the question."""
    page = visit("#/search", expected=REFUSED, url=keyed.url)
    give(page, keyed.reader)
    drop(page, query(page), new_bell)
    expect_found(page, 10, "bronze_bell_")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("'reader' lacks the right to write")).to_be_visible()


def test_who_may_only_read_sees_the_speakers(visit: Visit, keyed: Keyed) -> None:
    """Enrolling and calibrating are refused in words."""
    page = visit("#/speakers", expected="status of 40[134]", url=keyed.url)
    give(page, keyed.reader)
    page.get_by_role("button", name="Calibrate").click()
    expect(page.get_by_role("alert")).to_contain_text("Your API key doesn't allow this")
    page.get_by_role("button", name="Enroll somebody").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Ann")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The first recording does it")).to_be_visible()


def test_who_has_no_library_is_led_to_make_one(visit: Visit, keyed: Keyed) -> None:
    """Every page says so instead of being empty; then the library can be made."""
    page = visit("#/search", expected=REFUSED, url=keyed.url)
    give(page, keyed.stranger)
    expect(page.get_by_role("heading", name="No library yet")).to_be_visible()
    page.get_by_role("link", name="Map", exact=True).click()
    expect(page.get_by_text("There is no library yet.")).to_be_visible()
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_role("button", name="Make a library").click()
    page.get_by_role("dialog").get_by_label("Name").fill("not-made-yet")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing in here yet")).to_be_visible()
