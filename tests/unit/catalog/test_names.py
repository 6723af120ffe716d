"""Ids that the catalog gives."""

from __future__ import annotations

from datetime import datetime, timezone

from catalog_service.names import is_ulid, new_ids


def test_ids_made_in_one_millisecond_differ_and_keep_their_order() -> None:
    """Batches that come together share no id, and the later one's sort behind the earlier one's."""
    now = datetime(2026, 11, 28, tzinfo=timezone.utc)
    made = [id_ for _ in range(50) for id_ in new_ids(now, 3)]
    assert made == sorted(set(made))
    assert all(map(is_ulid, made))
    assert len(new_ids(now, 1024)) == 1024
