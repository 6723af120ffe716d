"""Points of a map in pages that fit into a message."""

from __future__ import annotations

import numpy as np
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1.library_map_pb2 import LibraryMap, MapPoint

from gateway.byte_pages import PAGE_BYTES
from gateway.maps.points import Points, join
from gateway.maps.sample import MOST
from serving.errors import Reason, ServiceError

MESSAGE_BYTES = 4 * 2**20
"""Default size limit of messages of gRPC clients."""


def points(count: int, width: int) -> list[MapPoint]:
    """Points with names of so many characters."""
    return [
        MapPoint(clip=f"libraries/a/clips/{number:026d}", x=0.5, y=-0.5, display_name="声" * width)
        for number in range(count)
    ]


def pages(of: Points) -> list[LibraryMap]:
    """All pages."""
    found, token = [], ""
    while True:
        page = LibraryMap(etag=of.etag)
        of.add_page(page, token)
        found.append(page)
        token = page.next_page_token
        if not token:
            return found


def test_a_whole_map_fits_into_one_message() -> None:
    """With names as people give them."""
    (page,) = pages(Points(points(MOST, 12)))
    assert len(page.points) == MOST
    assert page.ByteSize() < MESSAGE_BYTES


def test_long_names_take_more_pages() -> None:
    """Each below the limit, all points in order."""
    given = points(MOST, 255)
    found = pages(Points(given))
    assert len(found) > 1
    assert all(page.ByteSize() <= PAGE_BYTES + 200 for page in found)
    assert [point.clip for page in found for point in page.points] == [each.clip for each in given]


def test_no_points_are_one_page() -> None:
    """An empty one."""
    (page,) = pages(Points([]))
    assert not page.points


@pytest.mark.parametrize("token", ["x", "1", "x:1", "{etag}:", "{etag}:7", "{etag}:-1", "{etag}:٣"])
def test_a_token_of_another_map_is_refused(token: str) -> None:
    """So that no two maps are mixed."""
    of = Points(points(3, 4))
    with pytest.raises(ServiceError) as raised:
        of.add_page(LibraryMap(), token.format(etag=f"not{of.etag}" if ":" in token else ""))
    assert raised.value.reason is Reason.FIELD_INVALID


def test_the_tag_changes_with_any_point() -> None:
    """And with nothing else."""
    one, same, other = points(3, 4), points(3, 4), points(3, 4)
    other[2].label = "bell"
    assert Points(one).etag == Points(same).etag != Points(other).etag


def test_clips_are_joined_by_id() -> None:
    """Those without a row are left out; the others keep their own places."""
    places = np.array([[0, 0], [0.5, 0.25], [1, 1]], np.float32)
    clips = {id_: Clip(name=f"libraries/a/clips/{id_}", label=f"label {id_}") for id_ in "ca"}
    (page,) = pages(join(["a", "b", "c"], places, clips))
    assert [(point.clip[-1], point.x, point.y, point.label) for point in page.points] == [
        ("a", 0, 0, "label a"),
        ("c", 1, 1, "label c"),
    ]
