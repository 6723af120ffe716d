"""The watch that other tests rely on: pages that do wrong are noticed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.browser import axe
from tests.browser.watch import Watch

URL = "http://127.0.0.1:9"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: http:"
WRONG = {
    "<script src=/bad.js></script>": "thrown: ",
    "<script>1</script>": "Content Security Policy",
    "<p style='color: red'>": "Content Security Policy",
    "<img alt='' src=http://127.0.0.1:8/pixel>": "asked another server",
    "<img alt='' src=/absent.png>": "status of 404",
}


def _answer(route: Route) -> None:
    path = route.request.url.removeprefix(URL)
    if path == "/bad.js":
        route.fulfill(body="throw new Error('bad')", content_type="text/javascript")
    elif path == "/absent.png":
        route.fulfill(status=404)
    else:
        route.abort()


def _show(context: BrowserContext, body: str) -> Page:
    html = f"<!doctype html><html lang=en><title>t</title><link rel=icon href='data:,'>{body}"
    headers = {"content-security-policy": POLICY, "content-type": "text/html"}
    context.route("**", _answer)
    context.route(f"{URL}/", lambda route: route.fulfill(body=html, headers=headers))
    page = context.new_page()
    page.goto(URL, wait_until="networkidle")
    return page


@pytest.mark.parametrize(("body", "complaint"), WRONG.items())
def test_pages_that_do_wrong_are_noticed(browser: Browser, body: str, complaint: str) -> None:
    """Errors, breaches of the policy, requests to others, missing files; expected ones are not."""
    with browser.new_context() as context:
        watch, tolerant = Watch(context, URL), Watch(context, URL)
        tolerant.expect(".")
        _show(context, body)
    tolerant.verdict()
    with pytest.raises(AssertionError, match=complaint):
        watch.verdict()


def test_inaccessible_pages_are_noticed(browser: Browser) -> None:
    """Axe-core is recent, runs in spite of the policy, and names rule and element."""
    with browser.new_context() as context:
        found = axe.violations(_show(context, "<main><h1>t</h1><button></button></main>"))
    assert axe.SCRIPT.startswith("/*! axe v4.1"), "axe-core is older than what these tests know"
    assert found.startswith("button-name: "), found
    assert "<button></button>" in found
    assert len(found.splitlines()) == 1, found
