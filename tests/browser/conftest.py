"""Chromium on a real stack, and pages that fail their test when they complain."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page

from deploy import example_sounds
from tests.browser import voices
from tests.browser.chromium import DESKTOP, PATIENCE_MS, chromium
from tests.browser.proxy import Proxy, proxy
from tests.browser.site import Site, site
from tests.browser.watch import Watch
from tools.servers.debian import require

Visit = Callable[..., Page]
"""Opens a page: `visit("#/search", expected="status of 404", viewport=PHONE)`."""


@pytest.fixture(scope="package")
def new_bell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bell of five seconds that no library has, and beside it `a new fire.wav`."""
    folder = tmp_path_factory.mktemp("query")
    strokes = np.concatenate([example_sounds.make("bronze_bell", number) for number in (8, 9, 10)])
    example_sounds.write(folder / "a new fire.wav", example_sounds.make("crackling_fire", 8))
    return example_sounds.write(folder / "a new bell.wav", strokes[: 5 * example_sounds.RATE])


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, whose microphone hears a bell."""
    require({"chromium": "chromium"}, "fonts-noto-cjk")
    microphone = tmp_path_factory.mktemp("microphone") / "bell.wav"
    bell = example_sounds.make("bronze_bell", 7).repeat(3)
    soundfile.write(microphone, bell, 3 * example_sounds.RATE, subtype="PCM_16")
    with chromium(microphone) as running:
        yield running


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The stack of all tests; each works in a library of its own."""
    with site(tmp_path_factory.mktemp("stack")) as started:
        yield started


@pytest.fixture
def proxied(shared: Site) -> Iterator[Proxy]:
    """A proxy before the gateway: pages visit its `url`."""
    with proxy(shared.url) as running:
        yield running


@pytest.fixture(scope="package")
def filled(shared: Site, sounds: Path) -> str:
    """A library of the 20 example clips, with labels, which no test changes."""
    library = shared.library("filled")
    for path in sorted(sounds.iterdir()):
        kind = path.stem.rsplit("_", 1)[0]
        shared.upload(library, path, kind.replace("_", " "), kind if "voice" in kind else "")
    return library


@pytest.fixture(scope="package")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of Ann, Ben and Cem, five of each: `Ann 1.wav`."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, voice in voices.CAST.items():
        for take in range(1, 6):
            voices.record(folder / f"{name} {take}.wav", voice, take)
    return folder


@pytest.fixture(scope="package")
def choir(shared: Site, recordings: Path) -> str:
    """A calibrated library where Ann and Ben are enrolled, and Cem is not; no test changes it."""
    library = shared.library("choir")
    for name in ("Ann", "Ben"):
        shared.enroll(library, name, *(recordings / f"{name} {take}.wav" for take in (1, 2, 3)))
    shared.calibrate(library)
    return library


@pytest.fixture(scope="package")
def talks(shared: Site, recordings: Path) -> str:
    """A library with two talks of 2:24 and some short recordings; Ann speaks from 1:12 of one."""
    library, folder = shared.library("talks"), recordings / "talks"
    folder.mkdir()
    for number, name in enumerate(("Morning talk", "Evening talk")):
        turns = [voices.person(20 * number + turn) for turn in range(12)]
        if not number:
            turns[6] = voices.CAST["Ann"]
        path = voices.record_talk(folder / f"{name}.wav", turns)
        shared.upload(library, path, "talk", name.split()[0])
    for name in ("Ben", "Cem"):
        for take in (1, 2):
            shared.upload(library, recordings / f"{name} {take}.wav", "sample", name)
    return library


@pytest.fixture(scope="package")
def new_voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of Ann that no library has."""
    folder = tmp_path_factory.mktemp("voice")
    return voices.record(folder / "a voice.wav", voices.CAST["Ann"], 50, 5.0)


@pytest.fixture
def pair(shared: Site, recordings: Path) -> str:
    """A library where Ann and Ben are enrolled, with two recordings each."""
    name = shared.library()
    for speaker in ("Ann", "Ben"):
        shared.enroll(name, speaker, *(recordings / f"{speaker} {take}.wav" for take in (1, 2)))
    return name


@pytest.fixture
def visit(browser: Browser, shared: Site) -> Iterator[Visit]:
    """Opens pages of the stack, each in a new profile; at the end they must not have complained."""
    opened = []

    def open_page(fragment: str = "", expected: str = "(?!)", **options: Any) -> Page:
        url = options.pop("url", shared.url)
        wanted = {"viewport": DESKTOP, "locale": "en-GB", "reduced_motion": "reduce", **options}
        context = browser.new_context(**wanted)
        context.set_default_timeout(PATIENCE_MS)
        watch = Watch(context, url)
        watch.expect(expected)
        opened.append((context, watch))
        page = context.new_page()
        page.goto(f"{url}/{fragment}")
        return page

    yield open_page
    for context, watch in opened:
        context.close()
        watch.verdict()


@pytest.fixture
def folder(sounds: Path, tmp_path: Path) -> Path:
    """A folder as people have them: 20 sounds in two folders, one that is broken, and a text."""
    top = tmp_path / "My sounds"
    for path in sounds.iterdir():
        place = top / ("Voices" if "voice" in path.name else "Things")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / path.name)
    (top / "Things" / "broken.wav").write_text("Dear Sir or Madam, " * 500)
    (top / "read me.txt").write_text("Recorded in the kitchen.")
    return top
