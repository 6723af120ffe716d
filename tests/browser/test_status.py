"""The page Status."""

from __future__ import annotations

import os
import signal

from audiosearch.catalog.v1.clip_pb2 import ListClipsRequest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.site import Site


def test_services_stores_model_and_searches_are_shown(
    visit: Visit, filled: str, shared: Site
) -> None:
    """Each with what it stands on; the last searches with the time of each step."""
    clip = next(shared.client.clips(filled, ListClipsRequest()))
    shared.client.search_by_clip(filled, clip.name)
    page = visit("#/status")
    expect(page.get_by_role("main").get_by_text("Everything works.")).to_be_visible()
    services = page.get_by_role("region", name="Services").get_by_role("listitem")
    expect(services).to_have_count(4)
    expect(services.nth(2)).to_contain_text("milvus-lite")
    expect(services.nth(3)).to_contain_text("sqlite")
    expect(page.get_by_role("region", name="Model")).to_contain_text("192")
    stored = page.get_by_role("region", name="Stored sounds")
    expect(stored).to_contain_text("No stored sound is known to be damaged or missing.")
    searches = page.get_by_role("region", name="Recent searches")
    expect(searches).to_contain_text("Half took at most")
    searches.get_by_text("As a table").click()
    first = searches.get_by_role("row").nth(1)
    expect(first).to_contain_text(filled)
    expect(first).to_contain_text("clip")
    expect(first).to_contain_text("ms")


def test_a_service_that_is_missing_is_named(visit: Visit, shared: Site) -> None:
    """Without loading the page again; and it is well once the service is back."""
    page = visit("#/status", expected="status of 503")
    main = page.get_by_role("main")
    expect(main.get_by_text("Everything works.")).to_be_visible()
    os.kill(shared.stack.pid("embedding"), signal.SIGKILL)
    try:
        expect(main.get_by_text("Something doesn't work.")).to_be_visible()
        embedding = page.get_by_role("listitem").filter(has_text="turns sounds into vectors")
        expect(embedding).to_contain_text("EMBEDDING_UNAVAILABLE")
    finally:
        shared.stack.launch("embedding")
        shared.stack.wait("embedding")
    expect(main.get_by_text("Everything works.")).to_be_visible()
