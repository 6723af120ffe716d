"""Libraries whose indexes are filled: from before there were windows, or after a loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.model_pb2 import PURPOSE_VOICES
from google.protobuf.duration_pb2 import Duration
from playwright.sync_api import expect

from tests.browser.chromium import PHONE
from tests.browser.conftest import Visit
from tests.browser.pages import choose, expect_found, query
from tests.browser.site import Site
from tests.end_to_end.conftest import Running
from tests.end_to_end.indexed import Indexed, long, opened, short
from tools.servers.processes import until


@pytest.fixture
def services(shared: Site) -> Iterator[Indexed]:
    """The services behind the pages."""
    with opened(Running(shared.stack, shared.client, shared.imports)) as indexed:
        yield indexed


def test_it_is_brought_up_to_date(visit: Visit, services: Indexed, tmp_path: Path) -> None:
    """Offered on its page, told how far it is, and over without another visit."""
    name = services.old_library()
    for number in range(4):
        services.client.upload(name, short(tmp_path, number))
    services.client.upload(name, long(tmp_path, 1))
    page = visit(f"#/library/{name}")
    state = page.get_by_role("region", name="State of the library")
    expect(state.get_by_role("heading")).to_have_text(
        "Long recordings are found here only as a whole"
    )
    state.get_by_role("button", name="Bring it up to date").click()
    expect(state).to_contain_text("Being brought up to date")
    expect(state.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text("The library is up to date").first).to_be_visible()
    expect(state).to_have_count(0)
    assert services.library(name).generation == 1
    expect(visit(f"#/library/{name}").get_by_text("5 clips shown")).to_be_visible()


def test_one_that_is_under_way_is_shown(visit: Visit, services: Indexed, tmp_path: Path) -> None:
    """Whoever began it; in Chinese and on a phone too."""
    name = services.old_library()
    for number in range(12):
        services.client.upload(name, long(tmp_path, number))
    page = visit(f"#/library/{name}", locale="zh-CN", viewport=PHONE)
    expect(page.get_by_role("button", name="更新这个库")).to_be_visible()
    services.migrate(name)
    page.reload()
    expect(page.get_by_text("正在更新")).to_be_visible()
    expect(page.get_by_text("库已更新").first).to_be_visible()


def test_one_that_waits_for_a_review_is_switched(
    visit: Visit, services: Indexed, tmp_path: Path
) -> None:
    """The difference is told, and one button switches."""
    name = services.old_library()
    for number in range(3):
        services.client.upload(name, short(tmp_path, number))
    services.migrate(name, review=True)
    page = visit(f"#/library/{name}")
    state = page.get_by_role("region", name="State of the library")
    expect(state.get_by_role("heading")).to_contain_text("Ready to switch")
    expect(state).to_contain_text("Of the ten nearest clips 100% stay the same")
    state.get_by_role("button", name="Switch").click()
    expect(page.get_by_text("The library is up to date").first).to_be_visible()
    assert services.library(name).generation == 1


def keep_earlier(services: Indexed, name: str) -> Library:
    """Gives a library a model that nothing runs, and keeps the indexes of its own."""
    library = services.library(name)
    begin = library_pb2.BeginMigrationRequest(
        name=library.name,
        window_rule=library.window_rule,
        model="models/other",
        purpose=PURPOSE_VOICES,
        keep=True,
    )
    claim = library_pb2.ClaimMigrationRequest(worker="a-test", lease=Duration(seconds=60))
    libraries = services.catalog.libraries
    libraries.BeginMigration(begin)
    until(lambda: libraries.ClaimMigration(claim).library.name == library.name, seconds=180)
    finish = library_pb2.FinishMigrationRequest(name=library.name, worker="a-test", generation=2)
    return libraries.FinishMigration(finish)


@pytest.mark.parametrize("back", [True, False])
def test_a_model_that_is_kept_is_gone_back_to_or_dropped(
    visit: Visit, services: Indexed, shared: Site, tmp_path: Path, *, back: bool
) -> None:
    """Both ways stand on the page, and are over without another visit."""
    name = shared.library()
    services.client.upload(name, short(tmp_path, 1))
    kept = keep_earlier(services, name).migration.model.removeprefix("models/")
    page = visit(f"#/library/{name}")
    state = page.get_by_role("region", name="State of the library")
    expect(state.get_by_role("heading")).to_have_text(f"The index of {kept} is kept")
    state.get_by_role("button", name=f"Go back to {kept}" if back else "Drop it").click()
    expect(state).to_have_count(0)
    library = services.library(name)
    assert not library.HasField("migration")
    assert library.generation == (1 if back else 2)
    # Nothing has filled the indexes of the other model, which every page would tell.
    services.client.call(
        services.client.stubs.libraries.DeleteLibrary,
        library_pb2.DeleteLibraryRequest(name=library.name, force=True),
    )


def test_a_library_of_today_offers_nothing(visit: Visit, shared: Site, tmp_path: Path) -> None:
    """There is nothing to do."""
    name = shared.library()
    shared.upload(name, short(tmp_path, 1))
    page = visit(f"#/library/{name}")
    expect(page.get_by_text("1 clip shown")).to_be_visible()
    expect(page.get_by_role("region", name="State of the library")).to_have_count(0)


def test_a_lost_index_is_told_until_it_is_full(
    visit: Visit, services: Indexed, shared: Site, tmp_path: Path, new_bell: Path
) -> None:
    """On the page of the library, beside results and on the page Status, with how much is there."""
    name = shared.library()
    services.client.upload(name, short(tmp_path, 1))
    services.tell_lost(name, 400, 1600)
    page = visit(f"#/library/{name}")
    filling = page.get_by_role("region", name="The index is being rebuilt")
    expect(filling).to_contain_text("400 of 1,600 vectors")
    expect(filling.get_by_role("progressbar")).to_be_visible()
    status = visit("#/status").get_by_role("region", name="Indexes being rebuilt")
    expect(status).to_contain_text("400 of 1,600 vectors")
    chinese = visit(f"#/library/{name}", locale="zh-CN", viewport=PHONE)
    expect(chinese.get_by_text("400 / 1,600 个向量")).to_be_visible()
    search = visit(f"#/search?library={name}")
    choose(search, "Choose a file", new_bell)
    expect_found(search, 1, "short 1")
    expect(search.get_by_text("400 of 1,600 vectors")).to_be_visible()
    services.tell_filled(name)
    expect(filling).to_have_count(0)
    expect(status).to_have_count(0)


def test_an_old_library_is_searched_with_whole_sounds(
    visit: Visit, services: Indexed, tmp_path: Path, new_bell: Path
) -> None:
    """Neither a part of the sound nor anything to narrow by is offered: it would be refused."""
    name = services.old_library()
    services.client.upload(name, long(tmp_path, 1))
    page = visit(f"#/search?library={name}")
    choose(page, "Choose a file", new_bell)
    expect_found(page, 1, "long 1")
    expect(query(page).locator(".wave.drawn")).to_be_visible()
    expect(page.get_by_role("group", name="Narrow the results")).to_have_count(0)
    expect(page.get_by_role("group", name="Part to search with")).to_have_count(0)
