"""The first minutes: from a page where nothing is there to the first result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gateway.access import api_key, key_file
from gateway.access.rights import Right
from tests.browser.axe import violations
from tests.browser.chromium import drop
from tests.browser.conftest import Visit
from tests.browser.pages import clips, expect_found, query
from tests.browser.site import Site

Begin = Callable[[str], Page]
LIBRARIES = ("examples", "My-sounds", "Things")


@pytest.fixture(scope="module")
def fresh(
    shared: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, str]]]:
    """A gateway, and a key for each library that is still to be made: its pages see no other."""
    keyring = tmp_path_factory.mktemp("fresh") / "keys"
    made = {name: api_key.make(f"for-{name}", {name: Right.manage}) for name in LIBRARIES}
    records = {record.id: record for record, _ in made.values()}
    key_file.change(keyring, lambda known: known.update(records))
    with shared.second_gateway(AUDIOSEARCH_KEYRING=str(keyring)) as url:
        yield url, {name: secret for name, (_, secret) in made.items()}


@pytest.fixture
def begin(visit: Visit, fresh: tuple[str, dict[str, str]]) -> Begin:
    """Opens the page for who may make the library of this name, and has none yet."""
    url, secrets = fresh

    def opened(library: str) -> Page:
        page = visit("", expected="status of 40[13]", url=url)
        page.get_by_role("dialog").get_by_label("API key").fill(secrets[library])
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="No library yet")).to_be_visible()
        return page

    return opened


def test_a_dropped_sound_has_its_first_result_in_two_actions(begin: Begin, new_bell: Path) -> None:
    """Dropped where nothing is there yet, it is kept, and compared with the examples."""
    page = begin("examples")
    assert violations(page) == ""
    drop(page, page.get_by_role("heading", name="No library yet"), new_bell)
    expect(page.get_by_role("heading", name="Find sounds like a new bell.wav")).to_be_visible()
    assert violations(page) == ""
    page.get_by_role("button", name="Example sounds").click()
    expect_found(page, 10, "bronze_bell_")
    expect(query(page)).to_contain_text("a new bell.wav")


def test_a_dropped_folder_becomes_a_library(begin: Begin, folder: Path) -> None:
    """It asks for no more than the name, which is the folder's."""
    page = begin("Things")
    (folder / "Things" / "broken.wav").unlink()
    drop(page, page.get_by_role("heading", name="No library yet"), folder / "Things")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_have_value("Things")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Imports")).to_contain_text("17 of 17 · 17 imported")
    expect(clips(page)).to_have_count(17)


def test_a_dropped_sound_waits_for_a_library_of_ones_own(
    begin: Begin, folder: Path, new_bell: Path
) -> None:
    """It is searched with once the library has sounds, and not asked for again."""
    page = begin("My-sounds")
    drop(page, page.get_by_role("heading", name="No library yet"), new_bell)
    page.get_by_role("button", name="My own sounds").click()
    page.get_by_role("dialog").get_by_label("Name").fill("My sounds")
    page.keyboard.press("Enter")
    bells = sorted((folder / "Things").glob("bronze*"))
    drop(page, page.get_by_text("Drop files or folders here"), *bells)
    expect(clips(page)).to_have_count(3)
    page.get_by_role("link", name="Search this library").click()
    expect_found(page, 3, "bronze_bell_")
