"""Accessibility of a page as axe-core judges it."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

SCRIPT = (files("axe_playwright_python") / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> str:
    """Lists each broken rule on a line with the elements that break it; empty if there is none.

    The script is handed to the page by the debugger, which its security policy does not bind.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT)
    tags = json.dumps({"runOnly": RULES, "resultTypes": ["violations"]})
    found = page.evaluate(f"axe.run(document, {tags})")["violations"]
    return "\n".join(_line(rule) for rule in found)


def _line(rule: dict[str, Any]) -> str:
    where = "; ".join(f"{node['html'][:200]} ({_why(node)})" for node in rule["nodes"][:5])
    return f"{rule['id']}: {rule['help']}: {where}"


def _why(node: dict[str, Any]) -> str:
    return ", ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
