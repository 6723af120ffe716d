"""The page Library: libraries, imports into them, and their clips."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
from audiosearch.catalog.v1.clip_pb2 import ListClipsRequest
from audiosearch.embedding.v1.model_pb2 import PURPOSE_SOUNDS
from playwright.sync_api import Page, expect

from deploy import example_sounds
from tests.browser.axe import violations
from tests.browser.chromium import DESKTOP, PHONE, drop
from tests.browser.conftest import Visit
from tests.browser.pages import clips, enrollments, expect_found, expect_heard, importing, names
from tests.browser.proxy import Proxy
from tests.browser.site import Site
from tests.calls import record_call


@pytest.fixture
def library(shared: Site, sounds: Path) -> str:
    """A library of four clips."""
    name = shared.library()
    for sound, label in [
        ("bronze_bell_1", "bell"),
        ("bronze_bell_2", "bell"),
        ("sword_clash_1", "sword"),
        ("voice_low_1", ""),
    ]:
        shared.upload(name, sounds / f"{sound}.wav", label, "Ann" if "voice" in sound else "")
    return name


def filter_by(page: Page, **values: str) -> None:
    """Types into the filters of the clips."""
    for label, value in values.items():
        page.get_by_role("search").get_by_label(label.replace("_", " ")).fill(value)


def test_a_library_is_made_renamed_and_deleted(visit: Visit) -> None:
    """The id follows the name until it is typed; deleting asks for the id."""
    page = visit("#/library")
    page.get_by_role("button", name="Make a library").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Türen 1")
    expect(dialog.get_by_label("Id")).to_have_value("Turen-1")
    dialog.get_by_label("Id").fill("doors")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Türen 1")).to_be_visible()
    assert page.url.endswith("#/library/doors")
    page.get_by_role("button", name="Rename this library").click()
    dialog.get_by_label("Name").fill("Doors")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Doors")).to_be_visible()
    page.get_by_role("button", name="Delete this library").click()
    dialog.get_by_label("Type doors to go on").fill("door")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(dialog).to_be_visible()
    dialog.get_by_label("Type doors to go on").fill("doors")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Doors is deleted.")).to_be_visible()
    expect(page.get_by_role("heading", name="Libraries")).to_be_visible()
    expect(page.get_by_role("link", name="Doors")).to_have_count(0)


def test_a_clip_by_reference_tells_the_place_of_its_audio(
    visit: Visit, shared: Site, sounds: Path
) -> None:
    """As text among its details, and not as a link; one that is stored here has none."""
    name = shared.library()
    shared.upload(name, sounds / "bronze_bell_1.wav")
    there = shutil.copy(sounds / "sword_clash_1.wav", shared.imports / "a sword <far>.wav")
    uri = Path(there).as_uri()
    shared.client.refer(name, uri)
    page = visit(f"#/library/{name}")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Edit a sword").click()
    expect(dialog.get_by_text(f"The audio stays at {uri}")).to_be_visible()
    expect(dialog.get_by_role("link")).to_have_count(0)
    dialog.get_by_label("Label").fill("sword")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Edit a sword").click()
    expect(dialog.get_by_text(uri)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit bronze_bell_1.wav").click()
    expect(dialog.get_by_label("Label")).to_be_visible()
    expect(dialog.get_by_text("The audio stays at")).to_have_count(0)


def test_a_library_is_for_sounds_or_for_voices(visit: Visit) -> None:
    """Told apart when it is made and wherever it is shown; only one for voices has speakers."""
    page = visit("#/library", expected="status of 404")
    page.get_by_role("button", name="Make a library").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Sounds: what is heard")).to_be_checked()
    dialog.get_by_label("Name").fill("Creaks")
    page.keyboard.press("Enter")
    facts = page.locator(".library-facts")
    expect(facts).to_contain_text(re.compile("Made for ?Sounds.*panns_.*Scores ?0 to 1"))
    page.get_by_role("link", name="Speakers").click()
    expect(page.get_by_role("heading", name="No voices here")).to_be_visible()
    expect(page.get_by_text("This library is for sounds.")).to_be_visible()
    page.get_by_role("link", name="Make a library").click()
    expect(dialog.get_by_label("Voices: who is speaking")).to_be_checked()
    dialog.get_by_label("Name").fill("Talkers")
    page.keyboard.press("Enter")
    expect(facts).to_contain_text(re.compile("Made for ?Voices.*ecapatdnn_.*Scores ?.1 to 1"))
    page.get_by_role("link", name="Speakers").click()
    expect(page.get_by_role("button", name="Enroll somebody")).to_be_visible()
    offered = page.get_by_label("Library").get_by_role("option")
    expect(offered.filter(has_text="Talkers")).to_have_count(1)
    expect(offered.filter(has_text="Creaks")).to_have_count(0)
    page.get_by_role("link", name="Library", exact=True).click()
    page.get_by_role("link", name="All libraries").click()
    cards = page.get_by_role("listitem")
    expect(cards.filter(has_text="Creaks")).to_contain_text("scores 0 to 1")
    expect(cards.filter(has_text="Talkers")).to_contain_text("Voices")


def test_a_name_that_is_taken_is_refused_in_the_dialog(visit: Visit, library: str) -> None:
    """The typed name stays."""
    page = visit("#/library", expected="status of 409")
    page.get_by_role("button", name="Make a library").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(library)
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("There is a library of this name")
    expect(dialog.get_by_label("Name")).to_have_value(library)


def test_clips_are_filtered(visit: Visit, library: str) -> None:
    """By name, label, speaker and state; the filter stands in the address."""
    page = visit(f"#/library/{library}")
    expect(clips(page)).to_have_count(4)
    filter_by(page, Label="bell")
    expect(clips(page)).to_have_count(2)
    filter_by(page, Name_begins_with="bronze_bell_2")
    expect(clips(page)).to_have_count(1)
    page.reload()
    expect(clips(page)).to_have_count(1)
    expect(clips(page)).to_contain_text("bronze_bell_2.wav")
    filter_by(page, Name_begins_with="", Label="", Speaker="Ann")
    expect(clips(page)).to_have_count(1)
    expect(clips(page)).to_contain_text("voice_low_1.wav")
    filter_by(page, Speaker="Nobody")
    expect(page.get_by_text("No clip fits all of these filters")).to_be_visible()


def test_a_clip_is_named_and_labelled(visit: Visit, library: str) -> None:
    """The row shows it at once, and so does the next visitor's."""
    page = visit(f"#/library/{library}")
    page.get_by_role("button", name="Edit sword_clash_1.wav").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Two swords")
    dialog.get_by_label("Label").fill("fight")
    dialog.get_by_label("Speaker").fill("nobody")
    dialog.get_by_role("button", name="Save").click()
    for shown in (page, visit(f"#/library/{library}")):
        expect(clips(shown).nth(2)).to_contain_text("Two swords")
        expect(clips(shown).nth(2)).to_contain_text("fight")
        expect(clips(shown).nth(2)).to_contain_text("nobody")


def test_a_clip_is_deleted(visit: Visit, library: str) -> None:
    """It can be undone; then list and counts have one less."""
    page = visit(f"#/library/{library}")
    page.get_by_role("button", name="Delete voice_low_1.wav").click()
    expect(page.get_by_text("voice_low_1.wav deleted.")).to_be_visible()
    expect(clips(page)).to_have_count(3)
    page.get_by_role("button", name="Undo").click()
    expect(clips(page)).to_have_count(4)
    expect(page.get_by_role("definition").first).to_have_text("4")
    page.get_by_role("button", name="Delete voice_low_1.wav").click()
    expect(clips(page)).to_have_count(3)
    expect(page.get_by_role("definition").first).to_have_text("3")


def test_the_trash_gives_clips_back(visit: Visit, library: str) -> None:
    """After a reload too: one by its button with the keyboard, all at once, or none for good."""
    page = visit(f"#/library/{library}", bypass_csp=True)
    trash = page.get_by_role("region", name="Trash")
    expect(clips(page)).to_have_count(4)
    expect(trash).to_have_count(0)
    page.get_by_role("checkbox", name="Select ").first.check()
    page.get_by_role("button", name="Select all that fit the filter").click()
    page.get_by_role("group", name="Selected clips").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("4 clips deleted.", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_text("Nothing in here yet")).to_be_visible()
    expect(trash).to_contain_text("4 clips deleted")
    trash.get_by_role("button", name="Show").click()
    rows = trash.get_by_role("listitem")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("Kept until")
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        assert violations(page) == ""
    trash.get_by_role("button", name="Restore voice_low_1.wav").focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(3)
    expect(clips(page)).to_have_count(1)
    trash.get_by_role("button", name=" for good").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(rows).to_have_count(2)
    trash.get_by_role("button", name="Restore all").click()
    expect(trash).to_have_count(0)
    expect(clips(page)).to_have_count(3)
    page.get_by_role("button", name="Delete voice_low_1.wav").click()
    trash.get_by_role("button", name="Empty the trash").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    # The same words of the deletion before may still be there.
    expect(page.get_by_text("1 clip deleted for good.").last).to_be_visible()
    expect(trash).to_have_count(0)


def test_many_clips_are_labelled_downloaded_and_deleted(visit: Visit, library: str) -> None:
    """Selected by their boxes, as a range, or all of the filter; deleting them can be undone."""
    page = visit(f"#/library/{library}", bypass_csp=True)
    boxes = page.get_by_role("checkbox", name="Select ")
    boxes.first.check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.get_by_text("3 clips selected")).to_be_visible()
    assert violations(page) == ""
    page.get_by_role("button", name="Select all that fit the filter").click()
    expect(page.get_by_text("4 clips selected")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as zip").click()
    with ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 4
    page.get_by_role("button", name="Label or name").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Label").fill("attic")
    dialog.get_by_label("Name").fill("Box")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("4 clips changed.").first).to_be_visible()
    expect(clips(page).filter(has_text="attic")).to_have_count(4)
    expect(clips(page).filter(has_text="Box 4")).to_have_count(1)
    boxes.nth(1).check()
    boxes.nth(2).check()
    page.get_by_role("group", name="Selected clips").get_by_role("button", name="Delete").click()
    expect(clips(page)).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(clips(page)).to_have_count(4)


def test_many_clips_are_enrolled_and_moved(visit: Visit, shared: Site, recordings: Path) -> None:
    """A voice is enrolled with two clips; others go elsewhere, with all told about them."""
    library, other, third = shared.library(), shared.library(), shared.library()
    for take in (1, 2):
        shared.upload(library, recordings / f"Ben {take}.wav", "call", "")
    shared.upload(library, recordings / "Cem 1.wav", "call", "Cem")
    shared.upload(other, recordings / "Cem 1.wav")
    page = visit(f"#/library/{library}")
    chosen = page.get_by_role("group", name="Selected clips")
    for name in ("Ben 1.wav", "Ben 2.wav"):
        page.get_by_role("checkbox", name=f"Select {name}").check()
    chosen.get_by_role("button", name="Enroll").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Ben Müller")
    expect(dialog.get_by_label("Id")).to_have_value("Ben-Muller")
    dialog.get_by_role("button", name="Enroll").click()
    expect(page.get_by_text("2 clips enrolled as Ben Müller.").first).to_be_visible()
    page.get_by_role("button", name="Show the speaker").click()
    expect(page.get_by_role("heading", name="Ben Müller")).to_be_visible()
    expect(enrollments(page)).to_have_count(2)

    page.goto(f"{shared.url}/#/library/{library}")
    expect(clips(page)).to_have_count(3)
    page.get_by_role("checkbox", name="Select Ben 1.wav").check()
    page.get_by_role("checkbox", name="Select Cem 1.wav").check()
    chosen.get_by_role("button", name="Move").click()
    offered = dialog.get_by_label("To library").get_by_role("option")
    expect(offered.filter(has_text=third)).to_have_count(1)
    expect(offered.filter(has_text=library)).to_have_count(0)
    dialog.get_by_label("To library").select_option(other)
    dialog.get_by_role("button", name="Move").click()
    expect(page.get_by_text(f"1 clip moved to {other}.").first).to_be_visible()
    expect(page.get_by_text("1 clip failed. An enrollment can't be moved")).to_be_visible()
    expect(clips(page)).to_have_count(2)
    page.get_by_role("button", name="Show that library").click()
    expect(clips(page)).to_have_count(1)
    expect(clips(page)).to_contain_text("call")
    expect(clips(page)).to_contain_text("Cem")


def test_clips_are_heard_downloaded_and_searched_with(
    visit: Visit, shared: Site, library: str, sounds: Path
) -> None:
    """Each row has its waveform; the download is the file that came in, under its name."""
    page = visit()
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url.rpartition("/")[2]))
    page.goto(f"{shared.url}/#/library/{library}")
    row = clips(page).first
    expect(row.locator(".wave.drawn")).to_be_visible()
    assert ("peaks" in fetched, "audio" in fetched) == (True, False)  # a picture needs no recording
    row.get_by_role("button", name="Play bronze_bell_1.wav").click()
    expect_heard(page, row)
    with page.expect_download() as download:
        row.get_by_role("button", name="Download bronze_bell_1.wav").click()
    assert download.value.suggested_filename == "bronze_bell_1.wav"
    assert Path(download.value.path()).read_bytes() == (sounds / "bronze_bell_1.wav").read_bytes()
    row.get_by_role("link", name="Search with bronze_bell_1.wav").click()
    expect_found(page, 3, "bronze_bell_2")


def test_failed_clips_say_why(visit: Visit, shared: Site, folder: Path) -> None:
    """Behind the filter by state; importing again after mending it works."""
    library = shared.library()
    page = visit(f"#/library/{library}", expected="status of 400")
    drop(page, importing(page), folder)
    expect(importing(page)).to_contain_text("20 imported · 1 failed")
    remark = importing(page).get_by_role("listitem").filter(has_text="No speech was found here")
    expect(remark).to_have_count(1)  # the same of many files is told once
    expect(remark).to_contain_text(re.compile(r"^\d+ files"))
    page.get_by_role("search").get_by_label("State").select_option("Failed")
    expect(clips(page)).to_have_count(1)
    expect(clips(page)).to_contain_text("broken.wav")
    expect(clips(page)).to_contain_text("This is text, not audio: send wav")
    drop(page, importing(page), folder)
    expect(importing(page)).to_contain_text("20 there already")


def test_a_chosen_folder_labels_its_sounds(visit: Visit, shared: Site, folder: Path) -> None:
    """Each with the name of the folder that it lies in."""
    page = visit(f"#/library/{shared.library()}", expected="status of 400")
    page.get_by_label("Label each with its folder's name").check()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)
    expect(importing(page)).to_contain_text("20 imported · 1 failed")
    filter_by(page, Label="Voices")
    expect(clips(page)).to_have_count(3)


def test_a_folder_of_the_server_is_imported(visit: Visit, shared: Site, folder: Path) -> None:
    """The server reads it; the page shows how far it is, and which file failed."""
    shutil.copytree(folder, shared.imports / "shelf")
    (shared.imports / "shelf" / "._a.wav").write_bytes(bytes(100))
    record_call(shared.imports / "shelf", 0, 3)
    bell = next((shared.imports / "shelf").rglob("bronze_bell_1.wav"))
    shutil.copy(bell, bell.with_name("old bell.wav"))
    page = visit(
        f"#/library/{shared.library(purpose=PURPOSE_SOUNDS)}", expected="status of 40[034]"
    )
    page.get_by_text("Import a folder of the server").click()
    page.get_by_label("Folder on the server").fill("/etc")
    page.get_by_role("button", name="Import it").click()
    expect(page.get_by_role("alert")).to_contain_text("The server may not read this folder")
    page.get_by_label("Folder on the server").fill(str(shared.imports / "shelf"))
    page.get_by_role("button", name="Import it").click()
    imports = importing(page)
    expect(imports).to_contain_text("23 of 23 · 21 imported · 1 there already · 1 failed")
    expect(imports).to_contain_text("2 files skipped: 1 .txt, 1 hidden")
    told = imports.get_by_role("listitem")
    expect(told.first).to_contain_text("Things/broken.wav")
    expect(told.nth(1)).to_contain_text("1 fileThe channels of this recording hold")
    expect(told.nth(2)).to_contain_text(re.compile("bell.*the same audio as .*bell"))
    expect(clips(page)).to_have_count(21)


def test_a_folder_is_judged_by_content(visit: Visit, shared: Site, tmp_path: Path) -> None:
    """Sounds under any ending and name are imported; what is passed over is counted by kind."""
    top = tmp_path / "recorder"
    top.mkdir()
    sound = example_sounds.make("sword_clash", 3)
    example_sounds.write(top / "take.wav", sound).rename(top / "take.dat")
    example_sounds.write(top / "new\nline.wav", sound[100:])
    for name in (".DS_Store", "._take.wav", "notes.txt", "more.txt", "README"):
        (top / name).write_text("not audio")
    page = visit(f"#/library/{shared.library(purpose=PURPOSE_SOUNDS)}")
    drop(page, importing(page), top)
    expect(importing(page)).to_contain_text("2 of 2 · 2 imported")
    expect(importing(page)).to_contain_text("5 files skipped: 2 .txt, 2 hidden, 1 other")
    expect(clips(page)).to_have_count(2)
    expect(importing(page).get_by_role("listitem")).to_have_count(0)


def test_an_import_tells_what_is_to_be_known(visit: Visit, shared: Site, tmp_path: Path) -> None:
    """Sounds that were taken all the same: unlike channels, a file that is cut off."""
    call, part = record_call(tmp_path, 0, 3), tmp_path / "part.wav"
    part.write_bytes(call.read_bytes()[: call.stat().st_size // 2])
    whole = example_sounds.write(tmp_path / "whole.wav", example_sounds.make("sword_swing", 7))
    library = shared.library(purpose=PURPOSE_SOUNDS)
    page = visit(f"#/library/{library}")
    drop(page, importing(page), call, part, whole)
    expect(importing(page)).to_contain_text("3 of 3 · 3 imported")
    told = importing(page).get_by_role("listitem")
    expect(told.filter(has_text=call.name)).to_contain_text("such as the two sides of a call")
    expect(told.filter(has_text="part.wav").filter(has_text="is cut off")).to_have_count(1)
    expect(told.filter(has_text="whole.wav")).to_have_count(0)
    page = visit(f"#/library/{library}", locale="zh-CN")
    drop(page, page.get_by_role("region", name="导入"), call)
    told = page.get_by_role("region", name="导入").get_by_role("listitem")
    expect(told.filter(has_text=call.name)).to_contain_text("例如通话双方")


def test_one_channel_of_every_file_is_imported(visit: Visit, shared: Site, tmp_path: Path) -> None:
    """Of files that are dropped, and of a folder of the server; nothing was mixed then."""
    call, library = record_call(tmp_path, 0, 3), shared.library()
    calls = shared.imports / "calls"
    calls.mkdir()
    record_call(calls, 3, 0)
    page = visit(f"#/library/{library}")
    imports = importing(page)
    imports.get_by_label("Channel to hear").select_option("Right")
    drop(page, imports, call)
    expect(imports).to_contain_text("1 of 1 · 1 imported")
    imports.get_by_text("Add sounds").click()
    page.get_by_text("Import a folder of the server").click()
    page.get_by_label("Folder on the server").fill(str(calls))
    imports.get_by_label("Channel to hear").select_option("Left")
    page.get_by_role("button", name="Import it").click()
    expect(clips(page)).to_have_count(2)
    expect(imports.get_by_text("two sides of a call")).to_have_count(0)
    kept = shared.client.clips(library, ListClipsRequest())
    assert {clip.display_name: clip.channel for clip in kept} == {
        call.name: 2,
        "call-3-0-0.wav": 1,
    }


def test_an_import_goes_on_in_the_background(
    visit: Visit, shared: Site, proxied: Proxy, folder: Path
) -> None:
    """It can be paused, other pages shown meanwhile; cancelled, it keeps what is there."""
    proxied.hold(r"^POST .*/clips\?", after=7)
    page = visit(f"#/library/{shared.library()}", url=proxied.url, expected="status of 400|ABORT")
    drop(page, importing(page), folder)
    imports = importing(page)
    expect(imports).to_contain_text(re.compile(r"\d a second · \d+ s left"))
    imports.get_by_role("button", name="Pause").click()
    expect(imports.get_by_role("heading", name="Paused")).to_be_visible()
    imports.get_by_role("button", name="Go on").click()
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_role("link", name="Importing ").click()
    imports.get_by_role("button", name="Cancel").click()
    expect(imports).to_contain_text("Cancelled: what was imported stays")
    expect(page.get_by_role("link", name="Importing ")).to_have_count(0)


def test_long_lists_have_pages(visit: Visit, shared: Site, tmp_path: Path) -> None:
    """Twenty-five clips a page, and a way there and back; a reload stays where one is."""
    library = shared.library()
    for number in range(27):
        sound = example_sounds.make("sword_swing", 50 + number)
        shared.upload(library, example_sounds.write(tmp_path / f"{number:02}.wav", sound))
    page = visit(f"#/library/{library}")
    expect(clips(page)).to_have_count(25)
    page.get_by_role("button", name="Next").click()
    expect(clips(page)).to_have_count(2)
    page.reload()
    expect(clips(page)).to_have_count(2)
    assert names(clips(page)) == ["25.wav", "26.wav"]
    page.get_by_role("button", name="Previous").click()
    expect(clips(page)).to_have_count(25)
    page.get_by_role("search").get_by_label("Sort").select_option("Name, Z to A")
    expect(clips(page).first).to_contain_text("26.wav")
    page.get_by_role("button", name="Next").click()
    expect(clips(page)).to_have_count(2)
    page.reload()
    expect(clips(page)).to_have_count(2)
    assert names(clips(page)) == ["01.wav", "00.wav"]
    page.get_by_role("search").get_by_label("Sort").select_option("Longest first")
    expect(clips(page)).to_have_count(25)
    assert "sort=longest" in page.url
