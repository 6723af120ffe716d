"""Faults that a page must never have, noticed while tests use it."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

OWN = ("data:", "blob:", "about:")


class Watch:
    """Collects errors, breaches of the security policy and requests to other servers."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        """Listens to all pages of a context that may talk to the server at `url` alone."""
        self._url = url
        self._complaints: list[str] = []
        self._expected: list[str] = []
        context.on("console", self._said)
        context.on("weberror", self._thrown)
        context.on("request", self._asked)

    def expect(self, pattern: str) -> None:
        """Takes no offence at complaints in which a regular expression is found."""
        self._expected.append(pattern)

    def verdict(self) -> None:
        """Fails when there was a complaint that nobody expected."""
        known = "|".join(self._expected) or "(?!)"
        bad = [line for line in self._complaints if not re.search(known, line)]
        assert not bad, "the pages complained:\n" + "\n".join(bad)

    def _said(self, message: ConsoleMessage) -> None:
        # Breaches of the content security policy are said here too.
        if message.type in ("error", "warning", "assert"):
            where = message.location.get("url", "")
            self._complaints.append(f"{message.type}: {message.text} ({where})")

    def _thrown(self, error: WebError) -> None:
        self._complaints.append(f"thrown: {error.error}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self._url}/", *OWN)):
            self._complaints.append(f"asked another server: {request.url}")
