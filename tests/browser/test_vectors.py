"""A library for vectors: names without sound, found by each other."""

from __future__ import annotations

import re

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, Library
from audiosearch.gateway.v1.clips_pb2 import NewVector
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.pages import clips, expect_found, results
from tests.browser.site import Site
from tests.browser.test_accessibility import UNBOUND, judge

MODEL = "models/glove-3"
WORDS = {
    "frog": ("animal", [1, 2, 0]),
    "toad": ("animal", [1, 2.1, 0]),
    "newt": ("animal", [1, 1.8, 0.2]),
    "king": ("person", [0, 0.1, 3]),
    "queen": ("person", [0.2, 0, 3]),
}


@pytest.fixture(scope="module")
def words(shared: Site) -> str:
    """A library of five words, which no test changes."""
    library = Library(model=MODEL, dimension=3, display_name="Some words")
    request = CreateLibraryRequest(library_id="words", library=library)
    shared.client.call(shared.client.stubs.libraries.CreateLibrary, request)
    vectors = [
        NewVector(clip=Clip(display_name=word, label=label), values=values)
        for word, (label, values) in WORDS.items()
    ]
    shared.client.upload_vectors("words", MODEL, vectors)
    return "words"


def test_the_library_is_shown_as_what_it_is(visit: Visit, words: str) -> None:
    """Its clips are names; there is no place for sounds, and nothing that only sounds have."""
    page = visit("#/library")
    card = page.get_by_role("listitem").filter(has_text="Some words")
    expect(card).to_contain_text("vectors of 3 numbers")
    card.get_by_role("link").click()
    expect(page.get_by_role("heading", name="This library holds vectors")).to_be_visible()
    expect(page.get_by_text("vectors of 3 numbers, which the model glove-3 made")).to_be_visible()
    expect(clips(page)).to_have_count(5)
    expect(clips(page).first).to_contain_text("frog")
    for name in ("Play", "Whose voice", "Choose a file", "Bring it up to date", "Look for"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
        expect(page.get_by_role("link", name=name)).to_have_count(0)
    expect(page.get_by_text("Add sounds")).to_have_count(0)
    clips(page).first.get_by_role("link", name="Search with frog").click()
    expect_found(page, 4, "toad")


def test_its_clips_are_searched_with_by_name(visit: Visit, words: str, filled: str) -> None:
    """Chosen from those that begin as it is typed; results are names, narrowed like all others."""
    page = visit(f"#/search?library={words}")
    expect(page.get_by_role("button", name="Choose a file")).to_have_count(0)
    expect(page.get_by_role("button", name="Record")).to_have_count(0)
    box = page.get_by_role("region", name="Clip to search with")
    expect(box.get_by_role("listitem")).to_have_count(5)
    box.get_by_label("Name begins with").fill("qu")
    expect(box.get_by_role("listitem")).to_have_count(1)
    box.get_by_role("link", name="queen").click()
    expect_found(page, 4, "king")
    expect(box.get_by_role("heading", name="queen")).to_be_visible()
    expect(results(page).first.get_by_role("button")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(box.get_by_role("heading", name="king")).to_be_visible()
    expect_found(page, 4, "queen")
    page.get_by_label("Label").select_option("animal")
    expect(results(page)).to_have_count(3)
    box.get_by_label("Name begins with").fill("zebra")
    expect(box).to_contain_text("No clip has a name that begins so")
    page.get_by_label("Library").select_option(filled)
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    page.get_by_label("Library").select_option(words)
    expect(box.get_by_role("heading", name="Search with one of its clips")).to_be_visible()


def test_its_map_is_silent_and_it_has_no_voices(visit: Visit, words: str) -> None:
    """The map leads to searches; the page of speakers says why there are none."""
    page = visit(f"#/map/{words}")
    rows = page.get_by_role("region", name=re.compile("middle")).get_by_role("listitem")
    expect(rows).to_have_count(5)
    expect(page.get_by_label("Hear what the pointer rests on")).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Hear|^Play"))).to_have_count(0)
    page.get_by_role("button", name="Search with toad").click()
    expect_found(page, 4, "frog")
    page.get_by_role("link", name="Speakers").click()
    expect(page.get_by_role("heading", name="No voices here")).to_be_visible()
    expect(page.get_by_role("button", name="Enroll somebody")).to_have_count(0)


def test_it_is_told_in_chinese(visit: Visit, words: str) -> None:
    """On each of these pages."""
    page = visit(f"#/library/{words}", locale="zh-CN")
    expect(page.get_by_role("heading", name="这个库存放向量")).to_be_visible()
    page.get_by_role("link", name="检索这个库").click()
    expect(page.get_by_role("heading", name="用其中一个片段检索")).to_be_visible()
    page.get_by_role("link", name="说话人").click()
    expect(page.get_by_role("heading", name="这里没有声音")).to_be_visible()


def test_axe_finds_nothing(visit: Visit, words: str) -> None:
    """On the pages that only such a library has."""
    page = visit(f"#/library/{words}", **UNBOUND)
    expect(clips(page)).to_have_count(5)
    judge(page, "a library of vectors")
    clips(page).first.get_by_role("link", name="Search with frog").click()
    expect_found(page, 4, "toad")
    judge(page, "a search with a vector")
