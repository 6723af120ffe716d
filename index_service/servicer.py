"""The RPCs of the index service: checks a request, delegates it, translates the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audiosearch.index.v1 import index_pb2, index_service_pb2, index_service_pb2_grpc
from google.protobuf import empty_pb2

from index_service import checks
from index_service.ranking import SPARE, is_tied, rank
from index_service.recall import DEFAULT_TARGET
from index_service.store import Found, IndexInfo, Stored, VectorStore
from serving.monitoring.stages import stage

if TYPE_CHECKING:
    from serving.threads import Threads

NAME = index_service_pb2.DESCRIPTOR.services_by_name["IndexService"].full_name
_DEFAULT_K = 10


class IndexServicer(index_service_pb2_grpc.IndexServiceServicer):
    """Serves audiosearch.index.v1.IndexService. Each call runs in a thread, because it blocks."""

    def __init__(self, store: VectorStore, threads: Threads, dimension: int) -> None:
        """Takes the store, the threads to call it from, and the dimension of new indexes."""
        self._store = store
        self._threads = threads
        self._dimension = dimension

    async def CreateIndex(
        self, request: index_service_pb2.CreateIndexRequest, context: Any
    ) -> index_pb2.IndexStats:
        return await self._threads.run(self._create_index, request)

    async def DropIndex(
        self, request: index_service_pb2.DropIndexRequest, context: Any
    ) -> empty_pb2.Empty:
        return await self._threads.run(self._drop_index, request)

    async def UpsertVectors(
        self, request: index_service_pb2.UpsertVectorsRequest, context: Any
    ) -> index_service_pb2.UpsertVectorsResponse:
        return await self._threads.run(self._upsert_vectors, request)

    async def DeleteVectors(
        self, request: index_service_pb2.DeleteVectorsRequest, context: Any
    ) -> empty_pb2.Empty:
        return await self._threads.run(self._delete_vectors, request)

    async def UpdateAttributes(
        self, request: index_service_pb2.UpdateAttributesRequest, context: Any
    ) -> index_service_pb2.UpdateAttributesResponse:
        return await self._threads.run(self._update_attributes, request)

    async def GetVectors(
        self, request: index_service_pb2.GetVectorsRequest, context: Any
    ) -> index_service_pb2.GetVectorsResponse:
        return await self._threads.run(self._get_vectors, request)

    async def ListVectors(
        self, request: index_service_pb2.ListVectorsRequest, context: Any
    ) -> index_service_pb2.ListVectorsResponse:
        return await self._threads.run(self._list_vectors, request)

    async def SearchVectors(
        self, request: index_service_pb2.SearchVectorsRequest, context: Any
    ) -> index_service_pb2.SearchVectorsResponse:
        return await self._threads.run(self._search_vectors, request)

    async def GetIndexStats(
        self, request: index_service_pb2.GetIndexStatsRequest, context: Any
    ) -> index_pb2.IndexStats:
        return await self._threads.run(self._get_index_stats, request)

    async def GetStore(
        self, request: index_service_pb2.GetStoreRequest, context: Any
    ) -> index_pb2.Store:
        return index_pb2.Store(product=await self._threads.run(self._store.product))

    def _create_index(self, request: index_service_pb2.CreateIndexRequest) -> index_pb2.IndexStats:
        index_id = checks.check_index_id(request.index_id)
        wanted = IndexInfo(
            checks.check_model(request.model),
            checks.check_dimension(request.dimension, self._dimension),
            checks.check_kind(request.kind),
        )
        there = self._store.create(index_id, wanted)
        if there != wanted:
            raise checks.mismatch(index_id, there, "drop it first, or choose another id")
        return self._stats(index_id, there)

    def _drop_index(self, request: index_service_pb2.DropIndexRequest) -> empty_pb2.Empty:
        self._store.drop(checks.check_index_id(request.index_id))
        return empty_pb2.Empty()

    def _upsert_vectors(
        self, request: index_service_pb2.UpsertVectorsRequest
    ) -> index_service_pb2.UpsertVectorsResponse:
        index_id = checks.check_index_id(request.index_id)
        model = checks.check_model(request.model)
        checks.check_count("vectors", request)
        ids = [vector.id for vector in request.vectors]
        checks.check_ids("vectors", ids, ".id")
        info = self._store.describe(index_id)
        checks.check_same_model(index_id, info, model)
        vectors = checks.check_vectors(
            "vectors", [vector.values for vector in request.vectors], info.dimension, ids
        )
        mirrors = checks.check_mirrors(info, request.vectors)
        last = {vector_id: row for row, vector_id in enumerate(ids)}
        rows = list(last.values())
        kept = [mirrors[row] for row in rows if mirrors]
        with stage("store.upsert"):
            self._store.upsert(index_id, list(last), vectors[rows], kept)
        return index_service_pb2.UpsertVectorsResponse(upserted_count=len(last))

    def _delete_vectors(self, request: index_service_pb2.DeleteVectorsRequest) -> empty_pb2.Empty:
        index_id = checks.check_index_id(request.index_id)
        checks.check_count("ids", request)
        checks.check_count("clip_ids", request)
        ids = checks.check_ids("ids", request.ids)
        clip_ids = checks.check_clip_ids("clip_ids", request.clip_ids)
        if not ids and not clip_ids:
            raise checks.invalid("ids", "is empty, and clip_ids is too: one of them is required")
        if clip_ids:
            checks.check_windows(index_id, self._store.describe(index_id), request, "clip_ids")
        with stage("store.delete"):
            self._store.delete(index_id, ids, clip_ids)
        return empty_pb2.Empty()

    def _update_attributes(
        self, request: index_service_pb2.UpdateAttributesRequest
    ) -> index_service_pb2.UpdateAttributesResponse:
        index_id = checks.check_index_id(request.index_id)
        attributes = checks.check_changes(request)
        checks.check_windows(index_id, self._store.describe(index_id), request, "clips")
        updated = self._store.update(index_id, attributes)
        return index_service_pb2.UpdateAttributesResponse(updated_count=updated)

    def _get_vectors(
        self, request: index_service_pb2.GetVectorsRequest
    ) -> index_service_pb2.GetVectorsResponse:
        index_id = checks.check_index_id(request.index_id)
        checks.check_count("ids", request)
        ids = checks.check_ids("ids", request.ids)
        info = self._store.describe(index_id)
        there = self._store.get(index_id, ids)
        return index_service_pb2.GetVectorsResponse(
            model=info.model,
            vectors=[
                index_pb2.Vector(
                    id=vector_id,
                    values=there[vector_id].values,
                    clip_id=there[vector_id].clip_id,
                )
                for vector_id in ids
                if vector_id in there
            ],
        )

    def _list_vectors(
        self, request: index_service_pb2.ListVectorsRequest
    ) -> index_service_pb2.ListVectorsResponse:
        index_id = checks.check_index_id(request.index_id)
        after = checks.check_after(request.after_id)
        size = checks.check_page_size(request.page_size)
        found = self._store.list_ids(index_id, after, size + 1)  # one more tells if a page follows
        ids = [vector_id for vector_id, _ in found[:size]]
        return index_service_pb2.ListVectorsResponse(
            ids=ids,
            next_after_id=ids[-1] if len(found) > size else "",
            revisions=[revision for _, revision in found[:size] if revision is not None],
        )

    def _search_vectors(
        self, request: index_service_pb2.SearchVectorsRequest
    ) -> index_service_pb2.SearchVectorsResponse:
        index_id = checks.check_index_id(request.index_id)
        model = checks.check_model(request.model)
        k = checks.check_k(request.k if request.HasField("k") else _DEFAULT_K)
        least = checks.check_min_score(request.min_score if request.HasField("min_score") else -1.0)
        recall = checks.check_recall_target(
            request.recall_target if request.HasField("recall_target") else DEFAULT_TARGET
        )
        checks.check_count("queries", request)
        checks.check_with_values(request)
        among = checks.check_among(request)
        info = self._store.describe(index_id, remembered=True)
        checks.check_same_model(index_id, info, model)
        checks.check_windows(
            index_id, info, request, "conditions", "only_clip_ids", "except_clip_ids"
        )
        queries = checks.check_vectors(
            "queries", [query.values for query in request.queries], info.dimension
        )
        with stage("store.search"):
            found = self._store.search(index_id, info, queries, k, 1, among, recall)
        tied = [number for number, one in enumerate(found) if is_tied(one, k)]
        if tied:
            with stage("store.search_wider"):
                wider = self._store.search(index_id, info, queries[tied], k, SPARE, among, recall)
            for number, one in zip(tied, wider, strict=True):
                found[number] = one
        ranked = [rank(one, k, least) for one in found]
        return _results(ranked, self._values(index_id, ranked) if request.with_values else {})

    def _values(self, index_id: str, ranked: Sequence[Found]) -> Mapping[str, Stored]:
        """Reads the values of neighbors. One that is gone meanwhile has none."""
        ids = dict.fromkeys(vector_id for one in ranked for vector_id, _ in one)
        return self._store.get(index_id, list(ids)) if ids else {}

    def _get_index_stats(
        self, request: index_service_pb2.GetIndexStatsRequest
    ) -> index_pb2.IndexStats:
        index_id = checks.check_index_id(request.index_id)
        return self._stats(index_id, self._store.describe(index_id))

    def _stats(self, index_id: str, info: IndexInfo) -> index_pb2.IndexStats:
        stats = self._store.stats(index_id)
        return index_pb2.IndexStats(
            index_id=index_id,
            model=info.model,
            dimension=info.dimension,
            vector_count=stats.count,
            index_type=stats.index_type,
            parameters=stats.parameters,
            store=stats.store,
            memory_bytes=stats.memory_bytes,
            pending_count=stats.pending,
            kind=index_pb2.INDEX_KIND_WINDOWS if info.windows else index_pb2.INDEX_KIND_PLAIN,
        )


def _results(
    ranked: Sequence[Found], stored: Mapping[str, Stored]
) -> index_service_pb2.SearchVectorsResponse:
    answer = index_service_pb2.SearchVectorsResponse()
    for neighbors in ranked:
        add = answer.results.add().neighbors.add  # half of the time that lists of messages take
        for vector_id, score in neighbors:
            values = stored[vector_id].values if vector_id in stored else ()
            add(id=vector_id, score=score, values=values)
    return answer
