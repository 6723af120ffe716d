"""The page Search: a sound in, the sounds most like it out."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs

from playwright.sync_api import Page, Request, expect

from tests.browser import voices
from tests.browser.axe import violations
from tests.browser.chromium import drop
from tests.browser.conftest import Visit
from tests.browser.pages import (
    choose,
    expect_found,
    expect_heard,
    expect_heard_from,
    expect_recorded,
    expect_silence,
    names,
    places,
    query,
    results,
    scores,
)
from tests.browser.site import Site
from tests.calls import record_call


def asked(page: Page) -> dict[str, str]:
    """The parameters of the search in the address."""
    return {name: values[0] for name, values in parse_qs(page.url.partition("?")[2]).items()}


def test_a_chosen_file_finds_its_like(visit: Visit, filled: str, new_bell: Path) -> None:
    """Ten results, bells first; each has a waveform, a score, a label, a length, in order."""
    page = visit(f"#/search?library={filled}")
    choose(page, "Choose a file", new_bell)
    expect_found(page, 10, "bronze_bell_")
    assert scores(results(page)) == sorted(scores(results(page)), reverse=True)
    assert {name[:-6] for name in names(results(page))[:3]} == {"bronze_bell"}
    for row in (query(page), results(page).first):
        expect(row.locator(".wave.drawn canvas").first).to_be_visible()
    expect(results(page).first).to_contain_text("bronze bell")
    expect(results(page).first).to_contain_text("2.20 s")
    expect(query(page)).to_contain_text("a new bell.wav")
    expect(query(page)).to_contain_text("5.00 s")


def test_a_dropped_file_finds_its_like(visit: Visit, filled: str, new_bell: Path) -> None:
    """Dropped anywhere on the page; the next drop takes its place."""
    page = visit(f"#/search?library={filled}")
    drop(page, query(page), new_bell)
    expect_found(page, 10, "bronze_bell_")
    drop(page, results(page).nth(2), new_bell.with_name("a new fire.wav"))
    expect_found(page, 10, "crackling_fire_")
    expect(query(page)).to_contain_text("a new fire.wav")


def test_a_recording_finds_its_like(visit: Visit, filled: str) -> None:
    """A recording of the browser's own is searched with and can be played."""
    page = visit(f"#/search?library={filled}")
    page.get_by_role("button", name="Record").click()
    expect_recorded(query(page))
    page.get_by_role("button", name="Stop and search").click()
    expect_found(page, 10, "bronze_bell_")
    expect(page.get_by_text("webm")).to_be_visible()
    query(page).get_by_role("button", name="Play").click()
    expect_heard(page, query(page))


def test_recording_can_be_given_up(visit: Visit, filled: str) -> None:
    """Nothing is searched, and there is the place to drop again."""
    page = visit(f"#/search?library={filled}")
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    expect(results(page)).to_have_count(0)


def test_results_are_heard_and_searched_by_keyboard(
    visit: Visit, filled: str, new_bell: Path
) -> None:
    """J and K move, the blank plays, B plays the query before, Enter searches again."""
    page = visit(f"#/search?library={filled}")
    drop(page, query(page), new_bell)
    expect_found(page, 10, "bronze_bell_")
    for key in "jjk":
        page.keyboard.press(key)
    expect(results(page).first).to_be_focused()
    page.keyboard.press(" ")
    expect_heard(page, results(page).first)
    page.keyboard.press(" ")
    expect_silence(page)
    page.keyboard.press("j")
    page.keyboard.press("b")
    expect_heard(page, query(page))
    page.evaluate("document.querySelector('.query audio').currentTime = 4.9")
    expect_heard(page, results(page).nth(1))
    second = names(results(page))[1]
    page.keyboard.press("Enter")
    expect(query(page)).to_contain_text(second)
    expect_found(page, 10, "bronze_bell_")
    assert second not in names(results(page))


def test_one_sound_plays_at_a_time(visit: Visit, filled: str, new_bell: Path) -> None:
    """Another one stops it; leaving the page, too."""
    page = visit(f"#/search?library={filled}")
    drop(page, query(page), new_bell)
    expect_found(page, 10, "bronze_bell_")
    query(page).get_by_role("button", name="Play").click()
    expect_heard(page, query(page))
    results(page).first.get_by_role("button", name="Play").click()
    expect_heard(page, results(page).first)
    expect(query(page).get_by_role("button", name="Play")).to_be_visible()
    page.get_by_role("link", name="Library").click()
    expect(results(page)).to_have_count(0)
    page.go_back()
    expect_found(page, 10, "bronze_bell_")
    expect_silence(page)


def test_results_are_searched_with(visit: Visit, filled: str, new_bell: Path) -> None:
    """The address names the clip; going back and forth finds both searches again."""
    page = visit(f"#/search?library={filled}")
    drop(page, query(page), new_bell)
    expect_found(page, 10, "bronze_bell_")
    page.get_by_role("link", name="Search with bronze_bell_1.wav").click()
    expect(query(page)).to_contain_text("bronze_bell_1.wav")
    expect_found(page, 10, "bronze_bell_[23]")
    assert "clip" in asked(page)
    page.get_by_role("link", name="Search with bronze_bell_2.wav").click()
    expect(query(page)).to_contain_text("bronze_bell_2.wav")
    page.go_back()
    expect(query(page)).to_contain_text("bronze_bell_1.wav")
    expect_found(page, 10, "bronze_bell_[23]")


def test_number_and_score_limit_the_results(visit: Visit, filled: str, new_bell: Path) -> None:
    """They stand in the address, and reach what is there already."""
    page = visit(f"#/search?library={filled}")
    drop(page, query(page), new_bell)
    expect_found(page, 10, "bronze_bell_")
    page.get_by_label("Results at most").fill("20")
    page.keyboard.press("Tab")
    expect_found(page, 20, "bronze_bell_")
    limit = page.get_by_role("slider", name="Score at least")
    above = sum(score >= 0.5 for score in scores(results(page)))
    limit.fill("0.5")
    expect_found(page, above, "bronze_bell_")
    assert asked(page)["k"] == "20"
    assert float(asked(page)["minScore"]) == 0.5
    limit.fill("1")
    expect(page.get_by_text("No sound scores that high")).to_be_visible()


def test_a_link_shows_the_same_search_to_others(
    visit: Visit, filled: str, shared: Site, sounds: Path
) -> None:
    """In a browser that has never seen the page, with its number and its least score."""
    clip = shared.client.search(filled, sounds / "sword_swing_1.wav", k=1).matches[0].clip
    page = visit(
        f"#/search?library={filled}&clip={clip.name.split('/')[-1]}&k=5&minScore=0.1",
        permissions=["clipboard-read", "clipboard-write"],
    )
    expect_found(page, 5, "sword_swing_")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("The link to this search is copied.")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    other = visit(link.removeprefix(f"{shared.url}/"))
    expect_found(other, 5, "sword_swing_")
    expect(query(other)).to_contain_text("sword_swing_1.wav")
    assert names(results(other)) == names(results(page))
    assert asked(other) == asked(page)


def test_a_file_can_be_shared(visit: Visit, shared: Site, sounds: Path) -> None:
    """Others hear it and find the same; no search finds it; a link that is over says so."""
    library = shared.library()
    for variant in (1, 2):
        shared.upload(library, sounds / f"bronze_bell_{variant}.wav")
    permissions = ["clipboard-read", "clipboard-write"]
    page = visit(f"#/search?library={library}&k=5", permissions=permissions)
    drop(page, query(page), sounds / "bronze_bell_3.wav")
    expect_found(page, 2, "bronze_bell_")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("The link to this search is copied. It works until ")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    other = visit(link.removeprefix(f"{shared.url}/"), permissions=permissions)
    expect(query(other)).to_contain_text("bronze_bell_3.wav")
    expect_found(other, 2, "bronze_bell_")
    assert names(results(other)) == names(results(page))
    assert asked(other) == asked(page)
    query(other).get_by_role("button", name="Play bronze_bell_3.wav").click()
    expect_heard(other, query(other))
    other.get_by_role("button", name="Copy link").click()
    expect(other.get_by_text("The link to this search is copied.")).to_be_visible()
    assert other.evaluate("navigator.clipboard.readText()") == link
    absent = re.sub(r"query=\w+", "query=00000000", link.removeprefix(f"{shared.url}/"))
    gone = visit(absent, expected="status of 404")
    expect(gone.get_by_role("alert")).to_contain_text("was kept for a time, and is gone")


def test_what_is_no_sound_is_refused_in_words(visit: Visit, filled: str, tmp_path: Path) -> None:
    """The reason and what to do stand on the page; the next file is searched as ever."""
    page = visit(f"#/search?library={filled}", expected="status of 400")
    wrong = tmp_path / "letter.wav"
    wrong.write_text("Dear Sir or Madam, " * 500)
    drop(page, query(page), wrong)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("can't be read as a sound")
    expect(alert).to_contain_text("AUDIO_UNDECODABLE")
    expect(results(page)).to_have_count(0)


def test_a_link_to_what_is_gone_says_so(visit: Visit, filled: str) -> None:
    """Clip or library: what is missing is named, and the page can be used."""
    page = visit(f"#/search?library={filled}&clip=0" + 25 * "0", expected="status of 404")
    expect(page.get_by_role("alert")).to_contain_text("This clip isn't there any more")
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    page = visit("#/search?library=absent", expected="status of 404")
    page.get_by_label("Library").select_option("filled")
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()


def test_one_side_of_a_call(visit: Visit, filled: str, tmp_path: Path) -> None:
    """Two voices that were mixed are told, and one of them can be searched with instead."""
    page = visit(f"#/search?library={filled}")
    choose(page, "Choose a file", record_call(tmp_path, 0, 3))
    expect(page.get_by_text("such as the two sides of a call")).to_be_visible()
    expect(page.get_by_role("radio", name="Mixed")).to_be_checked()
    page.get_by_role("radio", name="Right").check()
    expect(page.get_by_text("such as the two sides of a call")).to_have_count(0)
    expect(page.get_by_role("radio", name="Right")).to_be_checked()
    expect(results(page)).to_have_count(10)
    page.get_by_role("radio", name="Mixed").check()
    expect(page.get_by_text("such as the two sides of a call")).to_be_visible()


def test_a_file_of_one_channel_has_no_choice(visit: Visit, filled: str, new_bell: Path) -> None:
    """There is nothing to choose."""
    page = visit(f"#/search?library={filled}")
    choose(page, "Choose a file", new_bell)
    expect_found(page, 10, "bronze_bell_")
    expect(page.get_by_role("radio", name="Left")).to_have_count(0)


def drag_over(page: Page, begin: float, end: float) -> None:
    """Drags over the query's waveform, between two shares of its width."""
    wave = query(page).locator(".wave")
    wave.scroll_into_view_if_needed()
    box = wave.bounding_box()
    assert box, "no waveform"
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + begin * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + (begin + end) / 2 * box["width"], middle)
    page.mouse.move(box["x"] + end * box["width"], middle)
    page.mouse.up()


def test_a_stretch_of_the_query_is_chosen_by_dragging(
    visit: Visit, choir: str, tmp_path: Path
) -> None:
    """It alone is searched with; it stands in the address and is let go with one button."""
    cast = voices.CAST
    both = voices.record_talk(tmp_path / "both.wav", [cast["Ann"], cast["Ben"]], seconds=10)
    page = visit(f"#/search?library={choir}")
    drop(page, query(page), both)
    expect(results(page)).to_have_count(6)
    told = results(page).filter(has_text="Ben 1").get_by_text("of the query")
    expect(told.first).to_contain_text(re.compile("like 00:(0[89]|1[0-9]) . 00:"))
    drag_over(page, 0.55, 0.75)
    expect(page).to_have_url(re.compile(r"from=1[01].*&to=1[45]"))
    expect_found(page, 6, "Ben ")
    expect(told).to_have_count(0)
    drag_over(page, 0.25, 0.05)
    expect_found(page, 6, "Ann ")
    assert 0.5 <= float(asked(page)["from"]) <= 1.5
    query(page).get_by_role("button", name="Search with all of it").click()
    expect(told.first).to_be_visible()
    assert "from" not in asked(page)


def test_a_stretch_of_the_query_is_chosen_in_two_fields(
    visit: Visit, shared: Site, talks: str, new_voice: Path
) -> None:
    """By keyboard alone, of a stored clip; a link has it; what is no stretch is told."""
    clip = shared.client.search(talks, new_voice, k=1).matches[0].clip
    page = visit(f"#/search?library={talks}&clip={clip.name.split('/')[-1]}")
    expect_found(page, 5, "")
    page.get_by_label("From").fill("1:12")
    page.keyboard.press("Tab")
    expect(page).to_have_url(re.compile("from=72"))
    page.get_by_label("To", exact=True).fill("1:18.5")
    with page.expect_request(re.compile(r"startOffset=72s&range.endOffset=78.5s")):
        page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("to=78.5"))
    expect_found(page, 5, "")
    other = visit(page.url.removeprefix(f"{shared.url}/"))
    expect(other.get_by_label("From")).to_have_value("01:12")
    expect(other.get_by_label("To", exact=True)).to_have_value("01:18.5")
    expect_found(other, 5, "")
    assert scores(results(other)) == scores(results(page))
    page.get_by_label("From").fill("2:00")
    page.keyboard.press("Tab")
    expect(query(page).get_by_role("alert")).to_contain_text("the start before the end")
    assert asked(page)["from"] == "72"


def test_a_recording_of_many_minutes_is_never_fetched_whole(
    visit: Visit, shared: Site, new_voice: Path, tmp_path: Path
) -> None:
    """The server draws its waveform; it is marked, and plays from there by byte ranges."""
    library = shared.library()
    turns = [voices.person(turn) for turn in range(56)]
    turns[50] = voices.CAST["Ann"]
    shared.upload(library, voices.record_talk(tmp_path / "meeting.wav", turns))
    page = visit(f"#/search?library={library}")
    fetched = list[str]()

    def note(request: Request) -> None:
        if request.url.endswith("/audio"):
            fetched.append(request.headers.get("range", "all of it"))

    page.on("request", note)
    drop(page, query(page), new_voice)
    expect_found(page, 1, "meeting")
    row = results(page).first
    expect(row.locator(".wave.drawn canvas").first).to_be_visible()
    assert not fetched
    start, _ = places(row)[0]
    assert abs(start - 600) <= 1.5
    fetched.clear()
    row.locator(".mark.best").click()
    expect_heard_from(page, row, start)
    assert str(row.locator("audio").get_attribute("src")).endswith("/audio")
    assert fetched
    assert "all of it" not in fetched
    row.locator(".wave").click(position={"x": 4, "y": 10})
    expect_heard_from(page, row, 0)
    assert "all of it" not in fetched


def test_results_are_narrowed(visit: Visit, shared: Site, talks: str, new_voice: Path) -> None:
    """By label and speaker, with their counts, by name and length; a link has it."""
    page = visit(f"#/search?library={talks}")
    drop(page, query(page), new_voice)
    expect_found(page, 6, "Morning talk")
    filters = page.get_by_role("group", name="Narrow the results")
    options = filters.get_by_label("Label").locator("option")
    expect(options).to_have_text(["any", "sample (4)", "talk (2)"])
    filters.get_by_label("Label").select_option("sample")
    expect(results(page)).to_have_count(4)
    filters.get_by_label("Speaker").select_option("Ben")
    expect_found(page, 2, "Ben ")
    assert (asked(page)["label"], asked(page)["speaker"]) == ("sample", "Ben")
    filters.get_by_role("button", name="Clear filters").click()
    expect_found(page, 6, "Morning talk")
    assert set(asked(page)) == {"library"}
    filters.get_by_label("Name contains").fill("TALK")
    expect_found(page, 2, "Morning talk")
    filters.get_by_label("Longest").fill("1:00")
    page.keyboard.press("Tab")
    expect(page.get_by_text("No sound fits these filters")).to_be_visible()
    filters.get_by_label("Name contains").fill("")
    expect(results(page)).to_have_count(4)
    assert asked(page)["longest"] == "60"


def test_a_link_has_what_results_are_narrowed_to(
    visit: Visit, shared: Site, talks: str, choir: str, new_voice: Path
) -> None:
    """Going back lets go of it; another library begins without."""
    clip = shared.client.search(talks, new_voice, k=1).matches[0].clip
    page = visit(f"#/search?library={talks}&clip={clip.name.split('/')[-1]}")
    expect_found(page, 5, "")
    page.goto(page.url + "&speaker=Cem&shortest=2&called=cem")
    expect_found(page, 2, "Cem ")
    filters = page.get_by_role("group", name="Narrow the results")
    expect(filters.get_by_label("Speaker")).to_have_value("Cem")
    expect(filters.get_by_label("Name contains")).to_have_value("cem")
    expect(filters.get_by_label("Shortest")).to_have_value("00:02")
    page.go_back()
    expect_found(page, 5, "")
    expect(filters.get_by_label("Speaker")).to_have_value("")
    page.go_forward()
    expect_found(page, 2, "Cem ")
    page.get_by_label("Library").select_option(choir)
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    assert set(asked(page)) == {"library"}


def test_eight_results_fit_in_the_compact_view(visit: Visit, filled: str, new_bell: Path) -> None:
    """Without scrolling, and three in the usual one; it is kept over a reload."""
    page = visit(f"#/search?library={filled}", bypass_csp=True)
    drop(page, query(page), new_bell)
    expect_found(page, 10, "bronze_bell_")
    expect(results(page).nth(2)).to_be_in_viewport(ratio=1)
    page.get_by_role("checkbox", name="Compact").check()
    expect(results(page).nth(7)).to_be_in_viewport(ratio=1)
    for field in (
        page.get_by_role("group", name="Narrow the results").locator(".field:visible").all()
    ):
        input_width, overflow = field.evaluate(
            "it => [it.lastElementChild.clientWidth, it.scrollWidth - it.clientWidth]"
        )
        assert (input_width >= 80, overflow) == (True, 0), field.inner_text()
    expect(page.get_by_text("tells who is speaking. It hears no words")).to_have_count(1)
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as table:
        page.get_by_role("button", name="CSV").click()
    first, *rows = table.value.path().read_text().splitlines()
    assert first.startswith("rank,score,name")
    assert len(rows) == 10
    with page.expect_download() as playlist:
        page.get_by_role("button", name="M3U").click()
    assert playlist.value.path().read_text().count("/audio\n") == 10
    assert violations(page) == ""
    page.reload()
    expect(page.get_by_role("checkbox", name="Compact")).to_be_checked()


def test_header_content_and_map_begin_at_one_edge(visit: Visit, filled: str) -> None:
    """On a wide screen."""
    page = visit(f"#/map/{filled}", viewport={"width": 1600, "height": 900})
    expect(page.get_by_role("heading", name="Map", exact=True)).to_be_visible()
    edges = [page.get_by_role("link", name="Audiosearch"), page.locator("main h1")]
    lefts = {round(place.bounding_box()["x"]) for place in edges}  # type: ignore[index]
    page.get_by_role("link", name="Library", exact=True).click()
    expect(page.locator(".library-facts")).to_be_visible()  # the heading is made anew with them
    heading = page.get_by_role("heading", name=filled)
    lefts.add(round(heading.bounding_box()["x"]))  # type: ignore[index]
    assert len(lefts) == 1
