"""The page Map: a library in two dimensions."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import PHONE
from tests.browser.conftest import Visit
from tests.browser.pages import painted, query, results
from tests.browser.site import Site

READY = "Sounds that are alike lie close together."


def canvas(page: Page) -> Locator:
    """The map."""
    return page.get_by_role("application", name="Map of 20 clips")


def chosen(page: Page) -> Locator:
    """The list of what is closest to the chosen clip, that one first."""
    expect(page.get_by_role("heading", name="Closest to ")).to_be_visible()
    return page.locator(".map-row")


def choose(page: Page, name: str) -> None:
    """Chooses a clip that is found by its name."""
    page.get_by_label("Find by name, label or speaker").fill(name)
    expect(page.locator(".map-row")).to_have_count(1)  # the list is whole: a click finds its row
    page.locator(".map-row").filter(has_text=name).locator(".map-choose").click()
    expect(page.get_by_role("heading", name=f"Closest to {name}")).to_be_visible()


def place(page: Page) -> tuple[float, float]:
    """The place in the window of the chosen clip, once it rests there."""
    ring, before = page.locator(".map-ring"), None
    expect(ring).to_be_visible()
    while (box := ring.bounding_box()) != before or not box:
        before = box
        painted(page)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def choose_free(page: Page) -> tuple[str, float, float]:
    """Chooses a clip that does not lie below the buttons of the map; its name and its place."""
    for name in ("crackling_fire_1.wav", "bronze_bell_1.wav", "knife_on_wood_1.wav"):
        choose(page, name)
        page.locator(".map-ring").scroll_into_view_if_needed()
        x, y = place(page)
        if free(page, x, y):
            return name, x, y
    raise AssertionError("all lie below the buttons")


def free(page: Page, x: float, y: float) -> bool:
    """Whether the map is what lies at a place of the window."""
    return page.evaluate(f"document.elementFromPoint({x}, {y})?.tagName") == "CANVAS"


def bare_corner(page: Page) -> tuple[float, float]:
    """A corner of the map, where no points lie, that is neither scrolled away nor covered."""
    box = canvas(page).bounding_box()
    assert box
    for x in (box["x"] + 10, box["x"] + box["width"] - 10):
        for y in (box["y"] + 10, box["y"] + box["height"] - 10):
            if free(page, x, y):
                return x, y
    raise AssertionError("all corners are covered")


def colours(page: Page) -> set[tuple[int, ...]]:
    """The colours that at least ten pixels of the map have."""
    image = Image.open(io.BytesIO(canvas(page).screenshot())).convert("RGB")
    counted = image.getcolors(maxcolors=image.width * image.height) or []
    return {colour for count, colour in counted if count >= 10}


@pytest.fixture
def page(visit: Visit, filled: str) -> Page:
    """The map, once it is worked out."""
    page = visit(f"#/map/{filled}")
    expect(page.get_by_role("status").filter(has_text=READY)).to_be_visible()
    return page


def test_every_kind_is_drawn_in_its_colour(page: Page) -> None:
    """A colour for each of nine labels; with one unticked, one less; by speaker there are four."""
    page.mouse.move(5, 5)
    background = {(255, 255, 255)}
    all_kinds = colours(page) - background
    assert len(all_kinds) >= 9
    page.get_by_role("checkbox", name="bronze bell").uncheck()
    painted(page)
    assert len(colours(page) - background) < len(all_kinds)
    page.get_by_role("radio", name="Speaker").check()
    expect(page.get_by_role("checkbox", name="voice_low")).to_be_visible()
    expect(page.get_by_role("checkbox", name="without")).to_be_visible()


def test_points_are_heard_by_hovering_and_searched_by_clicking(page: Page) -> None:
    """The tip names what is under the pointer; it plays; a click searches with it."""
    choose(page, "bronze_bell_1.wav")
    x, y = place(page)
    page.mouse.move(x - 200, y - 150)
    page.mouse.move(x, y, steps=4)
    tip = page.locator(".map-tip")
    expect(tip).to_contain_text("bronze_bell_1.wav")
    expect(tip).to_contain_text("bronze bell · 2.20 s")
    expect(page.get_by_role("button", name="Stop bronze_bell_1.wav")).to_be_visible()
    page.mouse.click(x, y)
    expect(query(page)).to_contain_text("bronze_bell_1.wav")
    expect(results(page)).to_have_count(10)
    page.go_back()
    expect(page.get_by_role("heading", name="Closest to bronze_bell_1.wav")).to_be_visible()


def test_the_map_is_used_by_keyboard(page: Page) -> None:
    """Arrows go from clip to clip, the blank plays, Enter searches."""
    canvas(page).focus()
    page.keyboard.press("ArrowRight")
    first = chosen(page).first.locator(".map-name").inner_text()
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("+")
    page.keyboard.press("0")
    name = chosen(page).first.locator(".map-name").inner_text()
    assert re.match(r"\w+_\d\.wav", first)
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name=f"Stop {name}")).to_be_visible()
    page.keyboard.press("Enter")
    expect(query(page)).to_contain_text(name)


def test_neighbours_on_the_map_are_of_one_kind(page: Page) -> None:
    """Next to a bell lie the other bells; the list leads on, plays and searches."""
    choose(page, "bronze_bell_2.wav")
    page.get_by_label("Find by name, label or speaker").fill("")
    expect(chosen(page)).to_have_count(9)
    near = [row.locator(".map-name").inner_text() for row in chosen(page).all()[:3]]
    assert {name[:11] for name in near} == {"bronze_bell"}
    page.get_by_role("button", name="Play bronze_bell_3.wav").click()
    expect(page.get_by_role("button", name="Stop bronze_bell_3.wav")).to_be_visible()
    page.get_by_role("button", name="Search with bronze_bell_3.wav").click()
    expect(query(page)).to_contain_text("bronze_bell_3.wav")


def test_a_finger_chooses_then_searches(visit: Visit, filled: str) -> None:
    """On a phone the first tap tells and plays, the second searches."""
    page = visit(f"#/map/{filled}", viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.get_by_role("status").filter(has_text=READY)).to_be_visible()
    name, x, y = choose_free(page)
    box = canvas(page).bounding_box()
    assert box
    page.touchscreen.tap(*bare_corner(page))
    expect(page.get_by_role("heading", name="Closest to ")).to_have_count(0)
    painted(page)  # the page is as long as before the choice again, and the map elsewhere
    now = canvas(page).bounding_box()
    assert now
    page.touchscreen.tap(x - box["x"] + now["x"], y - box["y"] + now["y"])
    expect(page.locator(".map-tip")).to_contain_text("Tap again to search with it")
    page.touchscreen.tap(*place(page))
    expect(query(page)).to_contain_text(name)


def test_an_empty_library_says_what_to_do(visit: Visit, shared: Site) -> None:
    """There is a way to the place where sounds are added."""
    library = shared.library()
    page = visit(f"#/map/{library}")
    expect(page.get_by_role("heading", name="Nothing to map yet")).to_be_visible()
    page.get_by_role("link", name="Go to the library").click()
    expect(page.get_by_text("Drop files or folders here")).to_be_visible()
