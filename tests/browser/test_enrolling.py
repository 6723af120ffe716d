"""Enrollment on the page Speakers: from files and by microphone, and out of it again."""

from __future__ import annotations

import re
from pathlib import Path

import soundfile
from audiosearch.catalog.v1.clip_pb2 import ListClipsRequest
from numpy import column_stack, zeros
from playwright.sync_api import Locator, Page, expect

from deploy.example_sounds import RATE
from tests.browser import voices
from tests.browser.chromium import drop
from tests.browser.conftest import Visit
from tests.browser.pages import (
    choose,
    clips,
    enrollments,
    expect_heard,
    expect_recorded,
    identity,
    names,
    outcome,
    speakers,
)
from tests.browser.site import Site

UNKNOWN = "status of 404"
"""Said by the browser where there is no calibration or no such speaker yet."""
REFUSED = f"{UNKNOWN}|status of 40[09]"


def begin(page: Page, name: str) -> Locator:
    """Opens the dialog to enroll somebody, and types the name; gives the dialog."""
    page.get_by_role("button", name="Enroll somebody").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    return dialog


def test_somebody_is_enrolled_from_files(visit: Visit, shared: Site, recordings: Path) -> None:
    """From nobody to a speaker: name, recordings, and how much more speech would help."""
    page = visit(f"#/speakers/{shared.library()}", expected=REFUSED)
    expect(page.get_by_text("Nobody is enrolled yet")).to_be_visible()
    dialog = begin(page, "Ann Löwe")
    expect(dialog.get_by_label("Id")).to_have_value("Ann-Lowe")
    dialog.get_by_label("Id").fill("ann")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ann Löwe")).to_be_visible()
    expect(page.get_by_text("Nobody is enrolled under this name yet")).to_be_visible()
    choose(page, "Choose files", *(recordings / f"Ann {number}.wav" for number in (1, 2)))
    expect(page.get_by_role("heading", name="2 of 2 recordings enrolled")).to_be_visible()
    expect(outcome(page, "Ann 2.wav")).to_contain_text(
        re.compile(r"agrees with the others by 0\.[89]")
    )
    expect(page.get_by_text("8.0 s of speech · 12.0 s more would help")).to_be_visible()
    expect(enrollments(page)).to_have_count(2)
    page.get_by_role("link", name="All speakers").click()
    expect(speakers(page)).to_have_count(1)
    expect(speakers(page)).to_contain_text("Ann Löwe")
    expect(speakers(page)).to_contain_text("2 recordings")
    expect(speakers(page)).to_contain_text("12.0 s more would help")


def test_recordings_that_are_dropped_are_told_apart(
    visit: Visit, pair: str, recordings: Path, tmp_path: Path
) -> None:
    """Each says what became of it; another voice is refused, and enrolled all the same if asked."""
    soundfile.write(tmp_path / "silence.wav", zeros(RATE), RATE)
    voices.record(tmp_path / "short.wav", voices.CAST["Ann"], 7, 0.15)
    page = visit(f"#/speakers/{pair}?speaker=ann", expected=REFUSED)
    left = page.get_by_role("region", name="Recordings to enroll with")
    paths = [recordings / "Ann 3.wav", recordings / "Ben 3.wav", recordings / "Ben 1.wav"]
    drop(page, left, *paths, tmp_path / "silence.wav", tmp_path / "short.wav")
    expect(page.get_by_role("heading", name="1 of 5 recordings enrolled")).to_be_visible()
    expect(outcome(page, "silence.wav")).to_contain_text("Nothing can be heard in it")
    expect(outcome(page, "short.wav")).to_contain_text("Too little speech in it")
    theirs, stranger = outcome(page, "Ben 1.wav"), outcome(page, "Ben 3.wav")
    expect(theirs).to_contain_text("Already an enrollment of somebody else")
    expect(theirs.get_by_role("link", name="ben")).to_be_visible()
    expect(stranger).to_contain_text(
        re.compile(r"Another voice: agrees with the others by -?0\.\d+")
    )
    stranger.get_by_role("button", name="Enroll it all the same").click()
    expect(stranger).to_contain_text("Enrolled, but agrees")
    expect(page.get_by_role("heading", name="2 of 5 recordings enrolled")).to_be_visible()
    assert names(enrollments(page)) == ["Ann 1.wav", "Ann 2.wav", "Ann 3.wav", "Ben 3.wav"]
    expect(page.get_by_text("16.0 s of speech")).to_be_visible()


def test_somebody_is_enrolled_by_microphone(visit: Visit, shared: Site) -> None:
    """The recording becomes the first enrollment."""
    page = visit(f"#/speakers/{shared.library()}", expected=UNKNOWN)
    begin(page, "Bell")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_text("Listening, for up to a minute")).to_be_visible()
    expect_recorded(page.get_by_role("region", name="Recordings to enroll with"))
    page.get_by_role("button", name="Stop and enroll").click()
    expect(page.get_by_role("heading", name="1 of 1 recording enrolled")).to_be_visible()
    expect(enrollments(page)).to_have_count(1)
    expect(enrollments(page)).to_contain_text("Recording")


def test_an_id_that_is_taken_is_not_mixed_up(visit: Visit, pair: str) -> None:
    """The dialog says so, and leads there; a name in Chinese has an id, too."""
    page = visit(f"#/speakers/{pair}", expected=UNKNOWN)
    dialog = begin(page, "王芳")
    expect(dialog.get_by_label("Id")).to_have_value("u738b-u82b3")
    dialog.get_by_label("Name").fill("ann")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text(
        "Somebody is enrolled under this id already"
    )
    dialog.get_by_role("link", name="Go to ann").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", name="Ann", exact=True)).to_be_visible()


def test_enrollments_are_heard_and_taken_out(visit: Visit, pair: str) -> None:
    """The clip stays in the library; it can be undone; without any there is no voice."""
    page = visit(f"#/speakers/{pair}?speaker=ann", expected=REFUSED)
    first = enrollments(page).first
    first.get_by_role("button", name="Play Ann 1.wav").click()
    expect_heard(page, first)
    page.get_by_role("button", name="Take Ann 1.wav out of the enrollments").click()
    expect(enrollments(page)).to_have_count(1)
    expect(page.get_by_text("4.0 s of speech · 16.0 s more would help")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(enrollments(page)).to_have_count(2)
    for name in ("Ann 1.wav", "Ann 2.wav"):
        page.get_by_role("button", name=f"Take {name} out of the enrollments").click()
    expect(page.get_by_text("No enrollments")).to_be_visible()
    expect(page.get_by_text("no voice yet")).to_be_visible()
    page.goto(page.url.partition("#")[0] + f"#/library/{pair}")
    expect(clips(page)).to_have_count(4)


def test_one_side_of_a_call_is_enrolled(
    visit: Visit, shared: Site, pair: str, recordings: Path, tmp_path: Path
) -> None:
    """The side that was asked with; a call that is enrolled as it is says that it was mixed."""
    sides = [soundfile.read(recordings / f"{name} 3.wav")[0] for name in ("Ben", "Ann")]
    call = tmp_path / "call.wav"
    soundfile.write(call, column_stack(sides), RATE)
    page = visit(f"#/speakers/{pair}", expected=UNKNOWN)
    choose(page, "Choose a file", call)
    expect(page.get_by_text("such as the two sides of a call")).to_be_visible()
    page.get_by_role("radio", name="Right").check()
    expect(identity(page)).to_contain_text("It is Ann")
    page.get_by_role("button", name="Add this recording to the enrollments of Ann").click()
    expect(outcome(page, "call.wav")).to_contain_text(
        re.compile(r"agrees with the others by 0\.[89]")
    )
    expect(outcome(page, "call.wav")).not_to_contain_text("the two sides of a call")
    [clip] = [it for it in shared.client.clips(pair, ListClipsRequest()) if it.channel]
    assert (clip.channel, clip.enrolled_speaker) == (2, f"libraries/{pair}/speakers/ann")
    page.goto(page.url.partition("#")[0] + f"#/speakers/{pair}?speaker=new")
    choose(page, "Choose files", call)
    expect(outcome(page, "call.wav")).to_contain_text("such as the two sides of a call")
    page.goto(page.url.partition("#")[0] + f"#/speakers/{pair}?speaker=other")
    page.get_by_label("Channel to hear").select_option("Left")
    choose(page, "Choose files", call)
    expect(page.get_by_role("heading", name="1 of 1 recording enrolled")).to_be_visible()
    expect(outcome(page, "call.wav")).not_to_contain_text("the two sides of a call")
    kept = {it.enrolled_speaker: it for it in shared.client.clips(pair, ListClipsRequest())}
    assert kept[f"libraries/{pair}/speakers/other"].channel == 1


def test_a_voice_of_a_call_becomes_somebody(
    visit: Visit, shared: Site, pair: str, recordings: Path, tmp_path: Path
) -> None:
    """The first enrollment of somebody new is the side that was asked with, too."""
    sides = [soundfile.read(recordings / f"{name} 3.wav")[0] for name in ("Cem", "Ann")]
    soundfile.write(tmp_path / "call.flac", column_stack(sides), RATE)
    page = visit(f"#/speakers/{pair}", expected=UNKNOWN)
    choose(page, "Choose a file", tmp_path / "call.flac")
    page.get_by_role("radio", name="Left").check()
    expect(identity(page)).to_contain_text("Nobody enrolled matches")
    page.get_by_role("button", name="Enroll this voice").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Cem")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 of 1 recording enrolled")).to_be_visible()
    assert [it.channel for it in shared.client.clips(pair, ListClipsRequest())].count(1) == 1
