"""Translates libraries into messages of the contract."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1.library_pb2 import IndexState, Library, Migration
from audiosearch.embedding.v1.model_pb2 import PURPOSE_VOICES
from sqlalchemy import Row

from catalog_service.libraries import libraries
from catalog_service.libraries.windows import WindowRule
from catalog_service.names import library_name


def of_row(row: Row[Any]) -> Library:
    """Returns a library without its counts."""
    return library(libraries.Library(row, 0, 0))


def library(found: libraries.Library) -> Library:
    """Returns a library with its counts."""
    row = found.row
    rule = WindowRule.of_row(row)
    return Library(
        name=library_name(row.name),
        uid=row.uid,
        display_name=row.display_name,
        model=row.model,
        state=row.state,
        clip_count=found.clip_count,
        size_bytes=found.size_bytes,
        create_time=row.create_time,
        update_time=row.update_time,
        window_rule=rule.message() if rule else None,
        generation=row.generation,
        last_generation=max(row.generation, row.last_generation),
        dimension=row.dimension,
        purpose=row.purpose if row.purpose or row.dimension else PURPOSE_VOICES,
        model_generation=row.model_generation,
        index_state=IndexState.FromString(row.index_state) if row.index_state else None,
        migration=Migration.FromString(row.migration) if row.migration is not None else None,
    )
