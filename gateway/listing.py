"""Paged lists of the catalog, read completely."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

ResponseT = TypeVar("ResponseT", bound=Any)


async def pages(
    method: Callable[[Any], Awaitable[ResponseT]], request: Any
) -> AsyncIterator[ResponseT]:
    """All pages of a list. The `page_token` of `request` is changed for each."""
    while True:
        page = await method(request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
