"""Compares the answers of a library's next indexes with those of its present ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import Comparison, Library
from audiosearch.index.v1.index_service_pb2 import SearchVectorsRequest

from gateway.libraries import indexes
from gateway.listing import pages
from gateway.upstream import Upstream
from scoring.answers import agreement, separation, tells_pairs
from serving import limits
from serving.names import split_clip

SAMPLE = 200
"""Clips that are searched with."""
NEAREST = 10
_HITS = 200
"""Windows that are asked for, to have NEAREST clips among them."""
_PAGE = 1000
_AT_ONCE = limits.of(SearchVectorsRequest, "queries").max_items


async def compare(upstream: Upstream, library: Library, clip_count: int) -> Comparison:
    """Searches both generations of a library in a migration with clips that are in both.

    Args:
        upstream: the services.
        library: with its migration.
        clip_count: about the number of clips, to spread the sample over all.
    """
    sample = await _sample(upstream, library, clip_count)
    both = (library, indexes.migrated(library))
    vectors = [await indexes.whole_vectors(upstream.index, each, sample) for each in both]
    clips = {id_: clip for id_, clip in sample.items() if all(id_ in own for own in vectors)}
    rows = [[own[id_] for id_ in clips] for own in vectors]
    found = [
        await _nearest(upstream, each, [*clips], own) for each, own in zip(both, rows, strict=True)
    ]
    result = Comparison(sample_count=len(clips), **agreement(*found)._asdict())
    for field in ("speaker", "label"):
        labels = [str(getattr(clip, field)) for clip in clips.values()]
        if tells_pairs(labels):
            rates = [await asyncio.to_thread(separation, own, labels) for own in rows]
            result.labelled_by, (result.present_eer, result.coming_eer) = field, rates
            break
    return result


async def _sample(upstream: Upstream, library: Library, clip_count: int) -> dict[str, Clip]:
    step, passed = max(1, clip_count // SAMPLE), 0
    active = ClipFilter(state=Clip.STATE_ACTIVE)
    request = ListClipsRequest(parent=library.name, page_size=_PAGE, filter=active)
    sample: list[Clip] = []
    async for page in pages(upstream.clips.ListClips, request):
        sample += page.clips[-passed % step :: step]
        passed += len(page.clips)
        if len(sample) >= SAMPLE:
            break
    return {split_clip(clip.name)[1]: clip for clip in sample[:SAMPLE]}


async def _nearest(
    upstream: Upstream, library: Library, ids: Sequence[str], vectors: Sequence[Sequence[float]]
) -> list[list[str]]:
    """For each clip the ids of its nearest others, the nearest first."""
    generation = indexes.present(library)
    queries = [SearchVectorsRequest.Query(values=values) for values in vectors]
    found: list[list[str]] = []
    for start in range(0, len(ids), _AT_ONCE):
        request = SearchVectorsRequest(
            index_id=generation.windows,
            model=generation.model,
            k=_HITS,
            queries=queries[start : start + _AT_ONCE],
        )
        for result in (await upstream.index.SearchVectors(request)).results:
            near = dict.fromkeys(indexes.split_window(one.id)[0] for one in result.neighbors)
            near.pop(ids[len(found)], None)
            found.append([*near][:NEAREST])
    return found
