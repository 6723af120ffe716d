"""Conditions that must hold once everything runs again, checked with the ledger."""

from __future__ import annotations

import hashlib
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, ListClipsRequest
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest, Library
from audiosearch.index.v1.index_service_pb2 import (
    GetIndexStatsRequest,
    ListVectorsRequest,
    ListVectorsResponse,
)
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from audiosearch_client.client import AudiosearchClient
from google.longrunning.operations_pb2 import ListOperationsRequest

from serving.errors import Reason, ServiceError
from tests.chaos.clients import SAME
from tests.chaos.ledger import Entry, Fate, Job, Ledger
from tests.chaos.voices import Voice, VoiceChecks

UNSETTLED = (Clip.STATE_CREATING, Clip.STATE_DELETING)
THREADS = 2


@dataclass
class Checks:
    """The checks of one library. Each counts the items it checked and notes faults."""

    client: AudiosearchClient
    index_target: str
    library: str
    ledger: Ledger
    voices: list[Voice]
    say: Callable[[str], None]
    looked: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def run(self, seconds: float) -> None:
        """Runs all checks. The first three wait at most `seconds` each for work that goes on."""
        self._imports_end(seconds)
        self._migrations_end(seconds)
        self._nothing_is_left_half(seconds)
        rows = self._rows(Clip.STATE_ACTIVE)
        self._vectors_and_rows(rows)
        self._fates(rows)
        self._every_clip_is_whole(rows)
        self._deleted_stay_away()
        VoiceChecks(self.client, self.index_target, self.library, self.voices, self._check).run(
            seconds
        )

    def run_on_stores(self, seconds: float) -> None:
        """Only compares rows and vectors, once nothing is under way any more."""
        self._nothing_is_left_half(seconds)
        self._vectors_and_rows(self._rows(Clip.STATE_ACTIVE))

    def _check(self, name: str, right: bool, what: str) -> None:
        self.looked[name] += 1
        if not right:
            self.wrong[name] += 1
            self.ledger.violate(f"{name}: {what}")

    def _rows(self, state: Clip.State.ValueType) -> list[Clip]:
        request = ListClipsRequest(page_size=1000, filter=ClipFilter(state=state))
        return list(self.client.clips(self.library, request))

    def _imports_end(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._find_imports_left_unknown()
        for job in self.ledger.jobs:
            if not job.operation:
                continue
            done, row = False, ImportJob()
            while not done and time.monotonic() < until:
                row, done = self.client.import_job(job.operation)
                time.sleep(0 if done else 0.3)
            self._import_is_right(job, row)
        self.say(f"{len(self.ledger.jobs)} imports ended")

    def _find_imports_left_unknown(self) -> None:
        """Those whose answer was lost are there or not, but never twice."""
        request = ListOperationsRequest(name=f"libraries/{self.library}", page_size=1000)
        answer = self.client.call(self.client.stubs.operations.ListOperations, request)
        found, row = list[tuple[str, str]](), ImportJob()
        for operation in answer.operations:
            operation.metadata.Unpack(row)
            found.append((row.folder, operation.name))
        names = dict(found)
        self._check("no import twice", len(names) == len(found), f"{sorted(found)}")
        for job in self.ledger.jobs:
            job.operation = job.operation or names.get(str(job.folder.resolve()), "")

    def _import_is_right(self, job: Job, row: ImportJob) -> None:
        progress, count = row.progress, len(job.entries)
        counts = (progress.total, progress.imported, progress.existing, progress.failed)
        why = [(each.path, each.failure.reason, each.failure.message) for each in row.failures]
        self._check(
            "imports ended, and counted right",
            row.state == ImportJob.STATE_SUCCEEDED and counts == (count, count, 0, 0),
            f"{job.folder.name} is {ImportJob.State.Name(row.state)}, counted {counts}: {why}",
        )
        if row.state == ImportJob.STATE_SUCCEEDED:
            for entry in job.entries:
                entry.fate = Fate.STORED

    def _nothing_is_left_half(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while left := [clip for state in UNSETTLED for clip in self._rows(state)]:
            if time.monotonic() > until:
                break
            time.sleep(0.5)
        states = Counter(Clip.State.Name(clip.state) for clip in left)
        self._check("no clip stuck on its way", not left, f"{dict(states)}: {left[:1]}")
        failed = self._rows(Clip.STATE_FAILED)
        self._check("no clip failed", not failed, f"{len(failed)}, such as {failed[:1]}")

    def _library(self) -> Library:
        name = f"libraries/{self.library}"
        return self.client.call(
            self.client.stubs.libraries.GetLibrary, GetLibraryRequest(name=name)
        )

    def _migrations_end(self, seconds: float) -> None:
        """The last one switches, and no index of an earlier generation is left."""
        until = time.monotonic() + seconds
        while (library := self._library()).HasField("migration") and time.monotonic() < until:
            time.sleep(0.3)
        self._check("migrations end", not library.HasField("migration"), f"{library.migration}")
        earlier = [library.uid]
        for number in range(1, library.generation):
            earlier += [f"{library.uid}_w{number}", f"{library.uid}_c{number}"]
        while (left := [*filter(self._has_index, earlier)]) and time.monotonic() < until:
            time.sleep(0.5)
        for index_id in earlier:
            self._check("old indexes are dropped", index_id not in left, index_id)
        self.say(f"the library is of generation {library.generation}")

    def _has_index(self, index_id: str) -> bool:
        with grpc.insecure_channel(self.index_target) as channel:
            try:
                request = GetIndexStatsRequest(index_id=index_id)
                IndexServiceStub(channel).GetIndexStats(request, timeout=20)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    return False
                raise
        return True

    def _vectors_and_rows(self, rows: Iterable[Clip]) -> None:
        wanted = {row.name.rsplit("/", 1)[1]: (row.window_count, row.revision) for row in rows}
        long = {clip for clip, (windows, _) in wanted.items() if windows > 1}
        for _ in range(20):  # a look for vectors without rows may be under way
            there, wholes = self._vectors(), self._wholes()
            if there == wanted and wholes == long:
                break
            time.sleep(1)
        for id_ in there.keys() | wanted.keys():
            self._check("no vector without a row", id_ in wanted, id_)
            self._check("no row without its vectors", id_ in there, id_)
            if id_ in there and id_ in wanted:
                right = there[id_] == wanted[id_]
                what = f"{id_} has {there[id_]}, its row {wanted[id_]}"
                self._check("as many windows as the row says, as it is now", right, what)
        for id_ in wholes | long:
            right = id_ in wholes and id_ in long
            self._check("a whole for each clip of several windows", right, id_)

    def _vectors(self) -> dict[str, tuple[int, int]]:
        """By clip, the number of its windows in the index and their lowest revision."""
        found = dict[str, tuple[int, int]]()
        for page in self._pages("w"):
            for id_, revision in zip(page.ids, page.revisions, strict=True):
                count, lowest = found.get(id_.partition(":")[0], (0, revision))
                found[id_.partition(":")[0]] = (count + 1, min(lowest, revision))
        return found

    def _wholes(self) -> set[str]:
        """Ids of the clips whose whole is in the index."""
        return {id_ for page in self._pages("c") for id_ in page.ids}

    def _pages(self, kind: str) -> Iterator[ListVectorsResponse]:
        library = self._library()
        index_id = f"{library.uid}_{kind}{library.generation}"
        request = ListVectorsRequest(index_id=index_id, page_size=1000)
        with grpc.insecure_channel(self.index_target) as channel:
            while True:
                page = IndexServiceStub(channel).ListVectors(request, timeout=20)
                yield page
                if not page.next_after_id:
                    return
                request.after_id = page.next_after_id

    def _fates(self, rows: Iterable[Clip]) -> None:
        by_content = {row.audio_object.sha256: row for row in rows}
        known = {entry.sha256 for entry in self.ledger.entries}
        for sha256, row in by_content.items():
            self._check("no clip that nobody sent", sha256 in known, row.name)
        for entry in self.ledger.with_fate(Fate.STORED):
            row = by_content.get(entry.sha256)
            right = row is not None and entry.clip in {"", row.name}
            self._check("acknowledged clips are there", right, f"{entry.path.name} {entry.clip}")
        for entry in self.ledger.with_fate(Fate.DELETED):
            gone = entry.sha256 not in by_content
            self._check("deleted clips are gone", gone, f"{entry.path.name} {entry.clip}")

    def _every_clip_is_whole(self, rows: list[Clip]) -> None:
        """Also those of which nothing is known: there, or not there, but not half there."""
        by_content = {entry.sha256: entry for entry in self.ledger.entries}
        known = [row for row in rows if row.audio_object.sha256 in by_content]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda row: self._whole(row, by_content[row.audio_object.sha256]), known))
        self.say(f"{len(known)} clips searched and downloaded")

    def _whole(self, row: Clip, entry: Entry) -> None:
        matches = self._patiently(lambda: self.client.search(self.library, entry.path, k=3).matches)
        right = bool(matches) and matches[0].clip.name == row.name and matches[0].score >= SAME
        found = [(match.clip.name, round(match.score, 4)) for match in matches]
        self._check("found first by their own audio", right, f"{row.name}, but {found}")
        audio, why = io.BytesIO(), "other bytes"
        try:
            self.client.download(row.name, audio)
        except ServiceError as error:
            why = error.reason.value
        intact = hashlib.sha256(audio.getvalue()).hexdigest() == entry.sha256
        self._check("stored audio is intact", intact, f"{row.name}: {why}")

    def _deleted_stay_away(self) -> None:
        for entry in self.ledger.with_fate(Fate.DELETED)[:200]:
            matches = self._patiently(
                lambda path=entry.path: self.client.search(self.library, path, k=3).matches
            )
            back = [match for match in matches if match.clip.name == entry.clip]
            self._check("deleted clips are not found", not back, entry.clip)

    def _patiently(self, call: Callable[[], list]) -> list:
        """Calls again while the stack is busy with the checks themselves."""
        for _ in range(5):
            try:
                return call()
            except ServiceError as error:
                if error.reason not in {Reason.ENCODER_BUSY, Reason.INDEX_BUSY}:
                    raise
                time.sleep(1)
        return call()
