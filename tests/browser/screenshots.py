"""Takes 26 screenshots of the web client, at desktop and phone size.

`python -m tests.browser.screenshots FOLDER` fills the folder; three of them, made smaller, go to
docs/images, for the README and docs/web.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile
from audiosearch.embedding.v1.model_pb2 import PURPOSE_SOUNDS
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from deploy import example_sounds
from tests.browser.chromium import DESKTOP, PATIENCE_MS, PHONE, chromium, drop, slow_down
from tests.browser.scenes import LIBRARY, PEOPLE, Scene, fill
from tests.browser.site import site
from tests.conftest import REPOSITORY

SHOWN = {"search": "search", "map-dark": "map", "phone-search": "phone"}
"""Names of the screenshots that the docs show, and of the images there."""

IMAGES = REPOSITORY / "docs" / "images"
COLOURS = 96


Prepare = Callable[[Page, Scene], None]


def _nothing(page: Page, _: Scene) -> None:
    expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()


def _search(page: Page, scene: Scene) -> None:
    _ask(page, scene)
    _drawn(page)


def _ask(page: Page, scene: Scene) -> None:
    drop(page, page.locator(".query"), scene.bell)
    expect(page.locator("li.sound").nth(9)).to_be_attached()


def _drawn(page: Page) -> None:
    expect(page.locator("li.sound .wave.drawn").first).to_be_visible()
    page.wait_for_load_state("networkidle")


def _play(page: Page, scene: Scene) -> None:
    _search(page, scene)
    page.keyboard.press("j")
    page.keyboard.press(" ")
    page.wait_for_timeout(900)


def _answers(page: Page, scene: Scene) -> None:
    """Below the options, which fill a phone."""
    _ask(page, scene)
    page.evaluate("scrollTo(0, document.querySelector('.search-filters').offsetTop - 70)")
    _drawn(page)
    page.wait_for_timeout(500)


def _wrong_file(page: Page, scene: Scene) -> None:
    drop(page, page.locator(".query"), scene.folder / "Kitchen" / "broken.wav")
    expect(page.get_by_role("alert")).to_be_visible()


def _record(page: Page, _: Scene) -> None:
    page.locator(".query .button:not(.primary)").first.click()
    page.wait_for_timeout(3500)


def _import(page: Page, scene: Scene) -> None:
    library = scene.site.library(f"kitchen-{page.evaluate('document.documentElement.lang')}")
    page.evaluate("library => { location.hash = `#/library/${library}`; }", library)
    expect(page.locator(".import-drop")).to_be_visible()
    slow_down(page, 250_000)
    drop(page, page.locator(".imports"), scene.folder)
    counts = page.locator(".imports .import-counts")
    expect(counts).to_contain_text(re.compile(r"\b(1[4-9]|2\d) ?(of|/)"))
    page.wait_for_timeout(700)


def _imported(page: Page, scene: Scene) -> None:
    library = scene.site.library("kitchen", PURPOSE_SOUNDS)
    page.evaluate("library => { location.hash = `#/library/${library}`; }", library)
    drop(page, page.locator(".imports"), scene.folder)
    expect(page.locator(".imports")).to_contain_text("Imported, except for some files")
    expect(page.locator(".sound.clip").first).to_be_attached()


def _clips(page: Page, _: Scene) -> None:
    expect(page.locator(".sound.clip .wave.drawn").first).to_be_visible()
    page.wait_for_load_state("networkidle")


def _map(page: Page, _: Scene) -> None:
    progress = page.locator(".map-foot progress")
    expect(progress).to_be_attached()
    expect(progress).to_be_hidden(timeout=120_000)
    page.wait_for_timeout(800)


def _map_chosen(page: Page, scene: Scene) -> None:
    _map(page, scene)
    page.locator(".map-choose").first.click()
    box = page.locator(".map-ring").bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] - 60)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.wait_for_timeout(600)


def _identify(page: Page, scene: Scene) -> None:
    drop(page, page.locator(".query"), scene.folder.parent / "who is it.wav")
    expect(page.locator(".verdict.accept")).to_be_visible()
    expect(page.locator(".query .wave.drawn")).to_be_visible()


def _stranger(page: Page, scene: Scene) -> None:
    drop(page, page.locator(".query"), scene.folder.parent / "a stranger.wav")
    expect(page.locator(".verdict.nobody")).to_be_visible()
    expect(page.locator(".query .wave.drawn")).to_be_visible()


def _operating_point(page: Page, _: Scene) -> None:
    page.locator(".operating-point input").focus()
    for _step in range(25):
        page.keyboard.press("ArrowRight")
    page.locator(".operating-point").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.querySelector('.operating-point').offsetTop - 200)")


def _verify(page: Page, scene: Scene) -> None:
    drop(page, page.locator(".question"), scene.folder.parent / "who is it.wav")
    expect(page.locator(".verdict.accept")).to_be_visible()


def _reject(page: Page, scene: Scene) -> None:
    page.locator(".question input").set_input_files(scene.folder.parent / "a stranger.wav")
    expect(page.locator(".verdict.reject")).to_be_visible()
    page.evaluate("scrollTo(0, document.querySelector('.question').offsetTop - 90)")


def _enroll(page: Page, scene: Scene) -> None:
    library = scene.site.library("choir")
    page.evaluate("to => { location.hash = to; }", f"#/speakers/{library}?speaker=ann&name=Ann")
    box = page.locator(".speaker-boxes .query")
    names = ("Ann 1.wav", "Ann 2.wav", "Ben 1.wav", "Ann 3.wav")
    drop(page, box, *(scene.folder.parent / name for name in names))
    expect(page.locator(".outcome-enrolled")).to_have_count(3)
    expect(page.locator(".enroll-outcomes progress")).to_be_hidden()


def _keys(page: Page, _: Scene) -> None:
    page.get_by_role("button", name="Keyboard shortcuts").click()


def _edit(page: Page, scene: Scene) -> None:
    _clips(page, scene)
    page.locator(".clip-actions button").nth(1).click()


def _away(page: Page, scene: Scene) -> None:
    _search(page, scene)
    scene.site.kill_gateway()
    drop(page, page.locator(".query"), scene.bell.with_name("a new fire.wav"))
    expect(page.locator(".banner")).to_be_visible()


@dataclass(frozen=True)
class Shot:
    """One screenshot: what it is called, where it is, and what is done before it is taken."""

    name: str
    fragment: str
    prepare: Prepare = _nothing
    options: Mapping[str, Any] = field(default_factory=dict)


_HOLDS = f"library={LIBRARY}"
_ONE, _MAP = f"#/library/{LIBRARY}", f"#/map/{LIBRARY}"
_PEOPLE = f"#/speakers/{PEOPLE}"
_DARK = {"color_scheme": "dark"}
_CHINESE = {"locale": "zh-CN"}
_PHONE = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
SHOTS = [
    Shot("search-empty", f"#/search?{_HOLDS}"),
    Shot("search-recording", f"#/search?{_HOLDS}", _record),
    Shot("search", f"#/search?{_HOLDS}", _play),
    Shot("search-dark", f"#/search?{_HOLDS}", _search, _DARK),
    Shot("search-chinese", f"#/search?{_HOLDS}", _search, _CHINESE),
    Shot("search-wrong-file", f"#/search?{_HOLDS}", _wrong_file),
    Shot("libraries", "#/library"),
    Shot("library", _ONE, _clips),
    Shot("library-import", "#/library", _import),
    Shot("library-imported", "#/library", _imported),
    Shot("library-edit", _ONE, _edit, _DARK),
    Shot("speakers", _PEOPLE, _identify),
    Shot("speakers-stranger-dark", _PEOPLE, _stranger, _DARK),
    Shot("speakers-calibration", f"{_PEOPLE}?part=calibration", _operating_point),
    Shot("speaker-accepted", f"{_PEOPLE}?speaker=hana", _verify),
    Shot("speaker-enrolled-dark", "#/library", _enroll, _DARK),
    Shot("map", _MAP, _map),
    Shot("map-dark", _MAP, _map_chosen, _DARK),
    Shot("status", "#/status"),
    Shot("keys", f"#/search?{_HOLDS}", _keys),
    Shot("phone-search", f"#/search?{_HOLDS}", _answers, _PHONE),
    Shot("phone-import-chinese", "#/library", _import, {**_PHONE, **_CHINESE}),
    Shot("phone-speaker-chinese", f"{_PEOPLE}?speaker=hana", _reject, {**_PHONE, **_CHINESE}),
    Shot("phone-map", _MAP, _map, _PHONE),
    Shot("phone-status-dark", "#/status", _nothing, {**_PHONE, **_DARK}),
    Shot("away", f"#/search?{_HOLDS}", _away),
]


def take(browser: Browser, scene: Scene, shot: Shot, folder: Path) -> None:
    """Takes one screenshot."""
    wanted = {"viewport": DESKTOP, "locale": "en-GB", "reduced_motion": "reduce", **shot.options}
    with browser.new_context(**wanted) as context:
        context.set_default_timeout(3 * PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{scene.site.url}/{shot.fragment}")
        page.wait_for_load_state("networkidle")
        shot.prepare(page, scene)
        page.screenshot(path=folder / f"{shot.name}.png")


def made_smaller(source: Path, target: Path) -> None:
    """The same picture with few colours."""
    with Image.open(source) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(target, optimize=True)


def _shows_chinese() -> bool:
    """True if a font of this machine has Chinese characters: without one they are empty boxes."""
    fonts = shutil.which("fc-list")
    return bool(fonts and subprocess.check_output([fonts, ":lang=zh"]))


def main(target: Path) -> None:
    """Takes all of them; SystemExit without Chromium or Chinese characters."""
    if not shutil.which("chromium") or not _shows_chinese():
        raise SystemExit("install your system's packages chromium, fontconfig and fonts-noto-cjk")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        microphone = folder / "microphone.wav"
        voice = example_sounds.make("voice_middle", 9).repeat(3)
        soundfile.write(microphone, voice, 3 * example_sounds.RATE, subtype="PCM_16")
        with site(folder) as running, chromium(microphone) as browser:
            expect.set_options(timeout=10 * PATIENCE_MS)  # some wait for all of an import
            scene = fill(running, folder)
            for shot in SHOTS:
                take(browser, scene, shot, target)
                sys.stdout.write(f"{target / shot.name}.png\n")
    for shot_name, image in SHOWN.items():
        made_smaller(target / f"{shot_name}.png", IMAGES / f"{image}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"))
