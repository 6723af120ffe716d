"""Paged lists of the catalog, read to their end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

ResponseT = TypeVar("ResponseT", bound=Any)


async def pages(
    method: Callable[[Any], Awaitable[ResponseT]], request: Any
) -> AsyncIterator[ResponseT]:
    """Asks for page after page; changes the `page_token` of `request` on the way."""
    while True:
        page = await method(request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
