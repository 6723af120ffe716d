"""Answers are lost on their way: what was sent is sent again, and is done once."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from serving.errors import Reason
from tests.browser.chromium import drop
from tests.browser.conftest import Visit
from tests.browser.pages import choose, clips, enrollments, importing, names
from tests.browser.proxy import Proxy
from tests.browser.site import Site

LOST = r"net::ERR_(CONNECTION|CONTENT_LENGTH|EMPTY|INCOMPLETE|SOCKET)|status of 40[049]"
MORE_THAN_ONE_CALL_TRIES = 5
TRIED_AGAIN = """async (reasons) => {
  const { isTemporary } = await import("/assets/core/retry.js");
  return reasons.filter((reason) => isTemporary({ reason }));
}"""


def test_an_upload_is_sent_again_when_its_answer_is_cut_off(
    visit: Visit, shared: Site, proxied: Proxy, folder: Path
) -> None:
    """The server has taken the sound, and half of its answer comes: none counts as failed."""
    proxied.cut(r"^POST .*/clips\?", times=1)
    page = visit(f"#/library/{shared.library()}", url=proxied.url, expected=LOST)
    drop(page, importing(page), folder)
    expect(importing(page)).to_contain_text("21 of 21")
    expect(importing(page)).to_contain_text("1 failed")
    expect(clips(page)).to_have_count(20)
    assert len(set(names(clips(page)))) == 20
    uploads = [times for asked, times in proxied.seen.items() if asked.startswith("POST")]
    assert uploads == [2] * 21


def test_an_upload_that_breaks_off_again_and_again_waits(
    visit: Visit, shared: Site, proxied: Proxy, new_bell: Path
) -> None:
    """However often its answer is lost, within the time that anything waits: it is stored once."""
    proxied.cut("^POST ", times=MORE_THAN_ONE_CALL_TRIES)
    page = visit(f"#/library/{shared.library()}", url=proxied.url, expected=LOST)
    drop(page, importing(page), new_bell)
    expect(importing(page)).to_contain_text("1 of 1 · 0 imported · 1 there already")
    expect(clips(page)).to_have_count(1)


def test_an_enrollment_that_breaks_off_again_and_again_waits(
    visit: Visit, shared: Site, proxied: Proxy, recordings: Path
) -> None:
    """The speaker that the first try made is this one: no refusal, and no recording twice."""
    proxied.cut(":enroll", times=MORE_THAN_ONE_CALL_TRIES)
    fragment = f"#/speakers/{shared.library()}?speaker=ann&name=Ann"
    page = visit(fragment, url=proxied.url, expected=LOST)
    choose(page, "Choose files", recordings / "Ann 1.wav")
    expect(page.get_by_role("heading", name="1 of 1 recording enrolled")).to_be_visible()
    expect(enrollments(page)).to_have_count(1)


def test_a_file_that_has_changed_since_is_told_so(
    visit: Visit, filled: str, tmp_path: Path, new_bell: Path
) -> None:
    """The browser may not read it any more: that is no matter of the connection."""
    chosen = tmp_path / "chosen.wav"
    chosen.write_bytes(new_bell.read_bytes())
    page = visit(f"#/search?library={filled}", expected=r"net::ERR_(UPLOAD_FILE_CHANGED|FILE)")
    choose(page, "Choose a file", chosen)
    expect(page.get_by_role("heading", name="10 results")).to_be_visible()
    chosen.write_bytes(new_bell.read_bytes()[:-2])
    page.get_by_label("Results at most").fill("5")
    page.keyboard.press("Tab")
    expect(page.get_by_role("alert")).to_contain_text("it may have changed or moved")


def test_pages_try_again_what_the_services_call_temporary(visit: Visit) -> None:
    """One rule on both sides; pages also try again after a time that was over."""
    page = visit("#/status")
    tried = page.evaluate(TRIED_AGAIN, [reason.value for reason in Reason])
    temporary = {reason.value for reason in Reason if reason.temporary}
    assert set(tried) == temporary | {"DEADLINE_EXCEEDED", "STREAM_IDLE"}
