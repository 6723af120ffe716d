"""The page Speakers: whose voice a sound is, one speaker, and upkeep."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser import voices
from tests.browser.chromium import PHONE, drop
from tests.browser.conftest import Visit
from tests.browser.pages import (
    choose,
    clips,
    enrollments,
    expect_heard,
    identity,
    names,
    query,
    results,
    speakers,
)
from tests.browser.site import Site

UNKNOWN = "status of 404"
"""Said by the browser where there is no calibration or no such speaker yet."""
REFUSED = f"{UNKNOWN}|status of 40[09]"


def match(page: Page) -> Locator:
    """The speakers that it may be, the most likely first."""
    return page.get_by_role("list", name="Speakers it may be").get_by_role("listitem")


def test_who_it_is(visit: Visit, pair: str, recordings: Path) -> None:
    """The right one, with a score; by default threshold, which it says plainly."""
    page = visit(f"#/speakers/{pair}", expected=UNKNOWN)
    choose(page, "Choose a file", recordings / "Ben 4.wav")
    expect(identity(page)).to_contain_text("It is Ben")
    expect(match(page)).to_have_count(1)
    score = match(page).locator(".score-number").inner_text()
    assert float(score.split()[-1]) > 0.6
    expect(identity(page)).to_contain_text("Decided by the default threshold, a score of 0.500")
    expect(identity(page)).to_contain_text("how often that is wrong is not known")
    told = page.get_by_role("status").filter(has_text="It is Ben")
    expect(told).to_have_count(1)
    match(page).get_by_role("link", name="Ben").click()
    expect(page.get_by_role("heading", name="Ben", exact=True)).to_be_visible()
    page.go_back()
    expect(identity(page)).to_contain_text("It is Ben")


def test_a_stranger_is_nobody_and_can_be_enrolled(
    visit: Visit, pair: str, recordings: Path
) -> None:
    """With the best score of all; the recording that was asked with is the first enrollment."""
    page = visit(f"#/speakers/{pair}", expected=UNKNOWN)
    drop(page, page.get_by_role("region", name="Sound to tell"), recordings / "Cem 1.wav")
    expect(identity(page)).to_contain_text("Nobody enrolled matches")
    expect(identity(page)).to_contain_text(
        re.compile(r"best of 2 speakers is not good enough: score -?0\.[0-4]")
    )
    page.get_by_role("button", name="Enroll this voice").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Cem")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 of 1 recording enrolled")).to_be_visible()
    expect(enrollments(page)).to_contain_text("Cem 1.wav")
    page.get_by_role("link", name="All speakers").click()
    expect(speakers(page)).to_have_count(3)
    choose(page, "Another file", recordings / "Cem 2.wav")
    expect(identity(page)).to_contain_text("It is Cem")
    page.get_by_role("button", name="Add this recording to the enrollments of Cem").click()
    expect(enrollments(page)).to_have_count(2)


def test_calibrated_answers_say_how_likely_they_are(
    visit: Visit, choir: str, recordings: Path
) -> None:
    """The likelihood in words, the threshold, and the errors to expect of it."""
    page = visit(f"#/speakers/{choir}")
    choose(page, "Choose a file", recordings / "Ann 4.wav")
    expect(match(page).first).to_contain_text("Ann")
    expect(match(page).first).to_contain_text("times likelier than a stranger")
    expect(identity(page)).to_contain_text("log-likelihood ratio 0.00")
    expect(identity(page)).to_contain_text(
        re.compile(r"Expected errors: [\d.]+% of a speaker's own")
    )
    expect(identity(page)).to_contain_text("A stranger is taken for one of 2 speakers in at most")
    choose(page, "Another file", recordings / "Cem 4.wav")
    expect(identity(page)).to_contain_text("Nobody enrolled matches")
    expect(identity(page)).to_contain_text("a stranger is")


def test_is_it_her(visit: Visit, pair: str, recordings: Path) -> None:
    """ACCEPT and REJECT in words, each with a mark of its own, read out; nothing is enrolled."""
    page = visit(f"#/speakers/{pair}?speaker=ann")
    choose(page, "Choose a file", recordings / "Ann 4.wav")
    decision = page.get_by_role("region", name="Decision")
    expect(decision.get_by_role("heading")).to_have_text("ACCEPT")
    expect(decision).to_contain_text("It is the voice of Ann.")
    expect(decision.locator(".icon-check")).to_be_visible()
    right = page.get_by_role("region", name="Sound to compare with Ann")
    drop(page, right, recordings / "Ben 4.wav")
    expect(decision.get_by_role("heading")).to_have_text("REJECT")
    expect(decision).to_contain_text("It is not the voice of Ann.")
    expect(decision.locator(".icon-close")).to_be_visible()
    told = page.get_by_role("status").filter(has_text="REJECT. It is not the voice of Ann.")
    expect(told).to_have_count(1)
    expect(enrollments(page)).to_have_count(2)


def test_a_speaker_is_renamed_and_deleted(visit: Visit, pair: str) -> None:
    """The recordings stay, or go with it, as it is asked."""
    page = visit(f"#/speakers/{pair}?speaker=ann", expected=UNKNOWN)
    page.get_by_role("button", name="Rename this speaker").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The id stays ann.")
    dialog.get_by_label("Name").fill("Anna")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Anna")).to_be_visible()
    page.get_by_role("button", name="Delete this speaker").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Anna is deleted.")).to_be_visible()
    expect(speakers(page)).to_have_count(1)
    speakers(page).get_by_role("link", name="Ben").click()
    page.get_by_role("button", name="Delete this speaker").click()
    dialog.get_by_label("Delete the 2 recordings, too, for good").check()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Nobody is enrolled yet")).to_be_visible()
    page.get_by_role("link", name="Library", exact=True).click()
    expect(clips(page)).to_have_count(2)
    assert names(clips(page)) == ["Ann 1.wav", "Ann 2.wav"]


def test_clips_show_whose_they_are_and_ask_who_it_is(
    visit: Visit, pair: str, shared: Site, recordings: Path
) -> None:
    """In the library and among results: whose enrollment one is, and a way to ask."""
    shared.upload(pair, recordings / "Ann 5.wav")
    page = visit(f"#/library/{pair}", expected=UNKNOWN)
    expect(clips(page).first.get_by_role("link", name="ann", exact=True)).to_be_visible()
    page.get_by_role("link", name="Whose voice is Ann 5.wav?").click()
    expect(identity(page)).to_contain_text("It is Ann")
    page.get_by_role("link", name="Search", exact=True).click()
    drop(page, query(page), recordings / "Ann 4.wav")
    expect(
        results(page).filter(has_text="Ann 1.wav").get_by_role("link", name="ann", exact=True)
    ).to_be_visible()
    page.get_by_role("link", name="Whose voice is Ann 5.wav?").click()
    expect(identity(page)).to_contain_text("It is Ann")
    page.get_by_role("button", name="Add this recording to the enrollments of Ann").click()
    expect(enrollments(page)).to_have_count(3)


def test_many_speakers_have_pages_and_are_found(visit: Visit, shared: Site, tmp_path: Path) -> None:
    """A hundred a page; found by a part of the name, wherever they are."""
    library = shared.library()

    def enroll(number: int) -> None:
        path = voices.record(tmp_path / f"{number}.wav", voices.person(number), 1, 0.5)
        shared.enroll(library, f"Voice-{number:03}", path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enroll, range(102)))
    page = visit(f"#/speakers/{library}", expected=UNKNOWN)
    expect(speakers(page)).to_have_count(100)
    page.get_by_role("button", name="Next").click()
    expect(speakers(page)).to_have_count(2)
    page.get_by_role("searchbox", name="Find by name or id").fill("CE-01")
    expect(speakers(page)).to_have_count(10)
    page.get_by_role("searchbox", name="Find by name or id").fill("xyz")
    expect(page.get_by_text("Nobody of that name")).to_be_visible()
    page.get_by_role("searchbox", name="Find by name or id").fill("")
    expect(speakers(page)).to_have_count(2)
    page.get_by_role("button", name="Previous").click()
    expect(speakers(page)).to_have_count(100)


def test_all_of_it_in_chinese_on_a_phone(visit: Visit, pair: str, recordings: Path) -> None:
    """From the list to a decision, within the width of the screen."""
    look = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "locale": "zh-CN"}
    page = visit(f"#/speakers/{pair}", expected=REFUSED, **look)
    expect(page.get_by_role("heading", name="说话人")).to_be_visible()
    choose(page, "选择文件", recordings / "Cem 1.wav")
    expect(page.get_by_role("heading", name="不是任何已登记的人")).to_be_visible()
    page.get_by_role("link", name="Ann").tap()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="选择文件").first.tap()
    chooser.value.set_files(recordings / "Ben 3.wav")
    expect(page.get_by_text("是另一个声音")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="选择文件").nth(1).tap()
    chooser.value.set_files(recordings / "Ben 3.wav")
    expect(page.get_by_role("heading", name="拒绝")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_speakers_by_keyboard(visit: Visit, choir: str) -> None:
    """Keys go from one to the next; Enter opens it."""
    page = visit(f"#/speakers/{choir}")
    expect(speakers(page)).to_have_count(2)
    page.keyboard.press("j")
    expect(speakers(page).first.get_by_role("link")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ben", exact=True)).to_be_visible()
    expect(enrollments(page)).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press(" ")
    expect_heard(page, enrollments(page).first)
