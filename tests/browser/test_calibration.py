"""The calibration of a library on the page Speakers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import voices
from tests.browser.conftest import Visit
from tests.browser.site import Site

UNKNOWN = "status of 40[04]"
PEOPLE = 12


@pytest.fixture(scope="module")
def crowd(shared: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library of twelve speakers, some of them alike, with four recordings each."""
    folder = tmp_path_factory.mktemp("crowd")
    library = shared.library()
    for number in range(PEOPLE):
        voice = voices.person(number)
        paths = [
            voices.record(folder / f"{number}-{take}.wav", voice, take, 2) for take in range(4)
        ]
        for path in paths:
            shared.upload(library, path, speaker=f"voice-{number}")
    return library


def card(page: Page) -> Locator:
    """The card of the calibration."""
    return page.get_by_role("region", name="Calibration")


def said(page: Page) -> tuple[float, float]:
    """Miss and false-alarm rate at the threshold that the slider is at, in percent."""
    rates = page.locator(".rate").all_inner_texts()
    miss, alarm = (float(re.findall(r"[\d.]+(?=%)", each)[0]) for each in rates)
    return miss, alarm


def test_too_few_speakers_are_told_what_to_do(visit: Visit, shared: Site, recordings: Path) -> None:
    """No calibration is there, then, and the default threshold goes on deciding."""
    library = shared.library()
    shared.enroll(library, "Ann", recordings / "Ann 1.wav", recordings / "Ann 2.wav")
    page = visit(f"#/speakers/{library}", expected=UNKNOWN)
    expect(card(page)).to_contain_text("This library has no calibration")
    page.get_by_role("button", name="Calibrate").click()
    expect(card(page).get_by_role("alert")).to_contain_text("too few recordings of known speakers")
    expect(card(page).get_by_role("alert")).to_contain_text("SPEAKERS_TOO_FEW")
    expect(card(page)).to_contain_text("This library has no calibration")


def test_a_library_is_calibrated(visit: Visit, crowd: str) -> None:
    """Fitted by a button, shown with its figures, moved by keys, kept, and removed."""
    page = visit(f"#/speakers/{crowd}", expected=UNKNOWN)
    page.get_by_role("button", name="Calibrate").click()
    slider = card(page).get_by_role("slider", name="Threshold of decisions")
    expect(slider).to_be_visible()
    expect(card(page)).to_contain_text("Equal error rate")
    expect(card(page)).to_contain_text(f"Speakers{PEOPLE}")
    expect(card(page)).to_contain_text(f"Clips{4 * PEOPLE}")
    expect(card(page)).to_contain_text("99 times likelier than a stranger (4.60)")
    expect(card(page).get_by_role("img", name="Share of wrong decisions")).to_be_visible()
    keep = card(page).get_by_role("button", name="Use this threshold")
    expect(keep).to_be_disabled()
    before = said(page)
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    after = said(page)
    assert after[0] <= before[0]
    assert after[1] > before[1]
    expect(slider).to_have_attribute(
        "aria-valuetext", re.compile(r"threshold -?\d.* wrongly rejected")
    )
    keep.click()
    expect(page.get_by_text("This threshold decides from now on.")).to_be_visible()
    expect(card(page)).to_contain_text(f"at most {after[1]:g}% false alarms")
    kept = said(page)  # of thresholds with as many false alarms, the one with the fewest misses
    assert kept[0] <= after[0]
    assert kept[1] == after[1]
    page.reload()
    expect(card(page)).to_contain_text(f"at most {after[1]:g}% false alarms")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(card(page)).to_contain_text("This library has no calibration")


def test_a_threshold_without_false_alarms_is_kept_by_costs(visit: Visit, crowd: str) -> None:
    """The highest one; calibrating again keeps the choice."""
    page = visit(f"#/speakers/{crowd}", expected=UNKNOWN)
    page.get_by_role("button", name="Calibrate").click()
    slider = card(page).get_by_role("slider", name="Threshold of decisions")
    use = card(page).get_by_role("button", name="Use this threshold")
    for key in ("Home", "End"):
        slider.focus()
        page.keyboard.press(key)
        use.click()
        expect(use).to_be_disabled()
    assert said(page)[1] == 0
    expect(card(page)).to_contain_text("equal costs")
    expect(card(page)).not_to_contain_text("(4.60)")
    again = page.get_by_role("button", name="Calibrate again")
    again.click()
    expect(card(page)).not_to_contain_text("(4.60)")
    expect(card(page)).to_contain_text("equal costs")


def test_how_it_is_measured_can_be_chosen(visit: Visit, crowd: str) -> None:
    """Recordings per speaker, and normalised scores."""
    page = visit(f"#/speakers/{crowd}", expected=UNKNOWN)
    page.get_by_text("How it is measured").click()
    page.get_by_label("Recordings per speaker").fill("2")
    page.get_by_label("Scores").select_option("Normalised (AS-norm)")
    page.get_by_role("button", name=re.compile("^Calibrate")).click()
    expect(card(page)).to_contain_text("Recordings per speaker2")
    expect(card(page)).to_contain_text("ScoresNormalised (AS-norm)")
