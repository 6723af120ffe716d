"""The duplicates of a library, on its page."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

from tests.browser.chromium import PHONE
from tests.browser.conftest import Visit
from tests.browser.site import Site
from tests.browser.test_accessibility import UNBOUND, judge
from tests.vowels import RATE, say

VOICES = (0, 1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def library(shared: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library of a recording, a copy, a cut, and a recording of the same voices."""
    folder, name = tmp_path_factory.mktemp("duplicates"), shared.library()
    talk = np.concatenate([say(voice, 1, 2.5) for voice in VOICES])
    other = np.concatenate([say(voice, 2, 2.5) for voice in VOICES[::-1]])
    sounds = {"talk": talk, "copy": 0.2 * talk, "cut": talk[int(4.5 * RATE) :], "other": other}
    for title, samples in sounds.items():
        soundfile.write(folder / f"{title}.wav", samples, RATE)
        shared.upload(name, folder / f"{title}.wav")
    return name


def test_duplicates_are_looked_for_and_listed(visit: Visit, library: str) -> None:
    """In groups, each clip with its place, a button to hear it and a way to search with it."""
    page = visit(f"#/library/{library}", **UNBOUND)
    card = page.get_by_role("region", name="Duplicates")
    card.get_by_role("button", name="Look for duplicates").click()
    expect(card.get_by_role("status")).to_have_text("1 group of 3 clips")
    rows = card.get_by_role("listitem")
    expect(rows).to_have_count(3)
    expect(card).not_to_contain_text("other.wav")
    cut = rows.filter(has_text="cut.wav")
    expect(cut).to_contain_text("0.00 s to 10.5 s, in the longest from 4.")
    judge(page, "duplicates")
    cut.get_by_role("button", name="Play cut.wav").click()
    expect(cut.get_by_role("button", name="Pause cut.wav")).to_be_visible()
    cut.get_by_role("link", name="Search with cut.wav").click()
    expect(page).to_have_url(re.compile(f"#/search.*{library}"))


def test_a_library_without_duplicates_says_so(visit: Visit, shared: Site, sounds: Path) -> None:
    """In Chinese and on a phone too."""
    name = shared.library()
    shared.upload(name, sounds / "bronze_bell_1.wav")
    page = visit(f"#/library/{name}", locale="zh-CN", viewport=PHONE)
    page.get_by_role("button", name="查找重复录音").click()
    expect(page.get_by_text("库中没有重复的片段。").first).to_be_visible()
    expect(page.get_by_role("button", name="重新查找")).to_be_enabled()
