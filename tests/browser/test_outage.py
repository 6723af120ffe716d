"""The server goes away and comes back: nothing is lost, and nobody has to load the page again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import drop
from tests.browser.conftest import Visit
from tests.browser.pages import (
    choose,
    clips,
    enrollments,
    expect_found,
    importing,
    names,
    query,
    results,
)
from tests.browser.proxy import Proxy
from tests.browser.site import Site

AWAY = "The server can't be reached."
REFUSED = r"net::ERR_(CONNECTION|EMPTY|INCOMPLETE|SOCKET)|status of 503"


@pytest.fixture(autouse=True)
def brought_back(shared: Site) -> Iterator[None]:
    """Leaves the other tests a gateway that serves, whatever happens here."""
    yield
    if shared.stack._processes["gateway"].poll() is not None:
        shared.restart_gateway()


def away(page: Page) -> None:
    """Waits until the page says that the server is away."""
    expect(page.get_by_text(AWAY)).to_be_visible()


def back(page: Page) -> None:
    """Waits until it says no longer so."""
    expect(page.get_by_text(AWAY)).to_have_count(0)
    expect(page.locator("#toasts").get_by_text("The server is back.")).to_be_visible()


def test_a_search_waits_for_the_server(
    visit: Visit, filled: str, shared: Site, new_bell: Path
) -> None:
    """Dropped while it is away, the sound is searched with as soon as it is back."""
    page = visit(f"#/search?library={filled}", expected=REFUSED)
    drop(page, query(page), new_bell.with_name("a new fire.wav"))
    expect_found(page, 10, "crackling_fire_")
    shared.kill_gateway()
    drop(page, query(page), new_bell)
    away(page)
    shared.restart_gateway()
    back(page)
    expect_found(page, 10, "bronze_bell_")


def test_pages_are_left_and_found_while_the_server_is_away(
    visit: Visit, filled: str, shared: Site
) -> None:
    """A page that is opened meanwhile shows what it should once the server is back."""
    page = visit(f"#/library/{filled}", expected=REFUSED)
    expect(page.get_by_text("bronze_bell_1.wav")).to_be_visible()
    shared.kill_gateway()
    page.get_by_role("link", name="Search", exact=True).click()
    away(page)
    page.get_by_role("button", name="Try now").click()
    away(page)
    shared.restart_gateway()
    back(page)
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    expect(results(page)).to_have_count(0)


def test_an_import_goes_on_after_the_server_was_away(
    visit: Visit, shared: Site, proxied: Proxy, folder: Path
) -> None:
    """Killed in the middle of it: in the end every sound is there, and there once."""
    proxied.hold(r"^POST .*/clips\?", after=7)
    fragment = f"#/library/{shared.library()}"
    page = visit(fragment, url=proxied.url, expected=f"{REFUSED}|status of 400")
    drop(page, importing(page), folder)
    imports = importing(page)
    expect(imports).to_contain_text("7 of 21")
    shared.kill_gateway()
    proxied.release()
    away(page)
    shared.restart_gateway()
    back(page)
    expect(imports).to_contain_text("21 of 21")
    expect(imports).to_contain_text("1 failed")
    expect(clips(page)).to_have_count(20)
    assert len(set(names(clips(page)))) == 20


def test_an_enrollment_goes_on_after_the_server_was_away(
    visit: Visit, shared: Site, proxied: Proxy, recordings: Path
) -> None:
    """Killed while recordings come: in the end the speaker has each of them, once."""
    proxied.hold(":enroll", after=1)
    fragment = f"#/speakers/{shared.library()}?speaker=ann&name=Ann"
    page = visit(fragment, url=proxied.url, expected=f"{REFUSED}|status of 404")
    choose(page, "Choose files", *(recordings / f"Ann {number}.wav" for number in (1, 2, 3)))
    expect(page.get_by_role("heading", name="1 of 3 recordings enrolled")).to_be_visible()
    shared.kill_gateway()
    proxied.release()
    away(page)
    shared.restart_gateway()
    back(page)
    expect(page.get_by_role("heading", name="3 of 3 recordings enrolled")).to_be_visible()
    expect(enrollments(page)).to_have_count(3)
