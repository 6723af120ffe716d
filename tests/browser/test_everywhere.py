"""Rules of every page: languages, themes, phones, keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE, drop
from tests.browser.conftest import Visit
from tests.browser.pages import query
from tests.conftest import REPOSITORY

PAGES = (
    "#/search?library=filled",
    "#/library",
    "#/library/filled",
    "#/speakers/choir",
    "#/speakers/choir?speaker=ann",
    "#/map/filled",
    "#/status",
)
STRINGS = sorted(path.name for path in (REPOSITORY / "clients/audiosearch_web/strings").iterdir())
LUMINANCE = """() => {
  const color = getComputedStyle(document.body).backgroundColor;
  const [red, green, blue] = color.match(/\\d+/g).map(Number);
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}"""
LACKING = """async (file) => {
  const languages = Object.values(await import(`/assets/strings/${file}`));
  const of = (each) => JSON.stringify(Object.keys(each).sort());
  return languages.filter(({en, zh}) => of(en) !== of(zh)).length;
}"""
FOCUS = """() => {
  // A link that fills a card shows its outline around the card.
  const outlined = (node) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(node);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  };
  const focused = document.activeElement;
  const near = [focused, focused.parentElement, focused.closest("li, label")].filter(Boolean);
  return [focused.outerHTML.slice(0, 80), near.some(outlined)];
}"""


def test_pages_speak_the_visitors_language(visit: Visit, filled: str) -> None:
    """Chinese where the browser asks for it; the switch is kept."""
    page = visit(f"#/search?library={filled}", locale="zh-CN")
    expect(page.get_by_role("heading", name="寻找相似的声音")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("link", name="状态").click()
    expect(page.get_by_text("一切正常")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_text("Everything works.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Everything works.")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_words_are_there_in_both_languages(visit: Visit) -> None:
    """Neither language lacks a word that the other has."""
    page = visit("#/status")
    lacking = {strings: page.evaluate(LACKING, strings) for strings in STRINGS}
    assert lacking == dict.fromkeys(STRINGS, 0)


def test_colours_follow_the_system_until_they_are_chosen(visit: Visit) -> None:
    """Dark where the system is; the switch is kept."""
    page = visit("#/status", color_scheme="dark")
    assert page.evaluate(LUMINANCE) < 0.1
    page.get_by_role("button", name="Switch to light colours").click()
    assert page.evaluate(LUMINANCE) > 0.9
    page.reload()
    assert page.evaluate(LUMINANCE) > 0.9
    assert visit("#/status").evaluate(LUMINANCE) > 0.9


@pytest.mark.usefixtures("filled", "choir")
@pytest.mark.parametrize("fragment", PAGES)
def test_pages_fit_a_phone(visit: Visit, fragment: str) -> None:
    """Nothing has to be scrolled sideways at 360 pixels; navigation stays in reach."""
    page = visit(fragment, viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.get_by_role("link", name="Map", exact=True).first).to_be_in_viewport()


def stops(page: Page, most: int) -> Iterator[tuple[str, bool]]:
    """The elements that Tab leads to, each with True if it can be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        yield tuple(page.evaluate(FOCUS))


@pytest.mark.usefixtures("filled", "choir")
@pytest.mark.parametrize("fragment", PAGES)
def test_the_focus_can_be_seen(visit: Visit, fragment: str) -> None:
    """Everywhere that Tab leads to."""
    page = visit(fragment)
    expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    unseen = [name for name, seen in stops(page, 25) if not seen and "<body" not in name]
    assert not unseen


def test_all_is_done_by_keyboard(visit: Visit, filled: str, new_bell: Path) -> None:
    """The way past the navigation, choosing a file, the list of keys and back to where it was."""
    page = visit(f"#/search?library={filled}")
    page.on("filechooser", lambda chooser: chooser.set_files(new_bell))
    button = page.get_by_role("button", name="Choose a file")
    expect(button).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    for name, _ in stops(page, 5):
        if "button primary" in name:
            break
    expect(button).to_be_focused()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys.get_by_role("row", name="next sound")).to_be_visible()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="10 results")).to_be_visible()


def test_single_keys_can_be_turned_off(visit: Visit, filled: str, new_bell: Path) -> None:
    """For those whose software types for them; it is kept."""
    page = visit(f"#/search?library={filled}")
    drop(page, query(page), new_bell)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_role("checkbox", name="Use these shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_news_is_read_out(visit: Visit, filled: str, new_bell: Path) -> None:
    """A search ends in words for those who don't see it."""
    page = visit(f"#/search?library={filled}")
    drop(page, query(page), new_bell)
    told = page.get_by_role("status").filter(has_text="10 results. Most alike: bronze_bell_")
    expect(told).to_have_count(1)


def test_a_file_dropped_beside_the_point_does_no_harm(visit: Visit, new_bell: Path) -> None:
    """The browser does not leave a page that awaits no sound for the file."""
    page = visit("#/status")
    expect(page.get_by_text("Everything works.").first).to_be_visible()
    page.evaluate(
        "window.addEventListener('drop', (event) => { window.kept = event.defaultPrevented; })"
    )
    drop(page, page.get_by_role("heading", name="Status"), new_bell)
    page.wait_for_function("window.kept !== undefined")
    assert page.evaluate("window.kept")
    expect(page.get_by_role("heading", name="Status")).to_be_visible()
    assert page.url.endswith("#/status")
