"""Tokens of pages of a search."""

from __future__ import annotations

import base64

import pytest
from audiosearch.gateway.v1.search_pb2 import SearchConfig

from gateway.search.pages import MOST_GROUPS, Page, asked_for, question_of
from serving import limits
from serving.errors import Reason, ServiceError

CONFIG = SearchConfig(parent="libraries/a", k=10, group_by="label")
QUESTION = question_of(CONFIG, [b"clip", b"libraries/a/clips/1"])


def names(count: int) -> list[str]:
    """Names of groups."""
    return [f"libraries/a/clips/{number:026d}" for number in range(count)]


def test_a_token_knows_what_was_shown() -> None:
    """Page by page, and k may change."""
    token = ""
    for start in range(0, 30, 10):
        page = asked_for(SearchConfig(page_token=token), QUESTION)
        assert [page.has(name) for name in names(40)] == [number < start for number in range(40)]
        assert page.room(700) == 700
        token = page.following(names(40)[start : start + 10])
    assert question_of(SearchConfig(parent="libraries/a", k=3, group_by="label"), [b"x"]) == (
        question_of(CONFIG, [b"x"])
    )


def test_a_full_token_fits_into_its_field() -> None:
    """A thousand groups are the end, in one sentence."""
    page = Page(QUESTION)
    token = page.following(names(MOST_GROUPS - 1))
    assert len(token) <= limits.of(SearchConfig, "page_token").max_length
    assert asked_for(SearchConfig(page_token=token), QUESTION).room(10) == 1
    full = page.following(names(MOST_GROUPS))
    with pytest.raises(ServiceError, match="1,000 groups") as raised:
        asked_for(SearchConfig(page_token=full), QUESTION)
    assert raised.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize(
    "other",
    [
        question_of(CONFIG, [b"clip", b"libraries/a/clips/2"]),
        question_of(CONFIG, [b"clip", b"libraries/a/clips/1", b""]),
        question_of(CONFIG, [b"cliplibraries/a/clips/1"]),
        question_of(SearchConfig(parent="libraries/a", k=10), [b"clip", b"libraries/a/clips/1"]),
        question_of(
            SearchConfig(parent="libraries/a", group_by="label", min_score=0),
            [b"clip", b"libraries/a/clips/1"],
        ),
    ],
    ids=["query", "parts", "joined parts", "group_by", "min_score"],
)
def test_a_token_of_another_question_is_refused(other: bytes) -> None:
    """It says so."""
    token = Page(other).following(names(3))
    with pytest.raises(ServiceError, match="another question") as raised:
        asked_for(SearchConfig(page_token=token), QUESTION)
    assert raised.value.reason is Reason.FIELD_INVALID
    assert raised.value.metadata == {"field": "config.page_token"}


@pytest.mark.parametrize(
    "token",
    ["x", "名前", "====", "A" * 9000, "a b", base64.urlsafe_b64encode(QUESTION + b"12").decode()],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    """Any text can be sent."""
    with pytest.raises(ServiceError) as raised:
        asked_for(SearchConfig(page_token=token), QUESTION)
    assert raised.value.reason is Reason.FIELD_INVALID
