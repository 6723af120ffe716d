"""Bulk imports under kills, and their rates: `make bench-bulk`.

Embeds clips twice: in peace, for the rate beside that of the encoder alone, and while workers are
killed at random. Then each file must have its vectors once. A second run must change nothing.
Then vectors of chance are loaded, and others are sent by UploadVectors, for the rates of both.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import harmonic_mean

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip, ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, GetLibraryRequest, Library
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties
from audiosearch.embedding.v1.embedding_service_pb2 import GetModelRequest
from audiosearch.embedding.v1.model_pb2 import Model
from audiosearch.gateway.v1.clips_pb2 import NewVector
from audiosearch_bulk import encoding, planning
from audiosearch_bulk.embedding import AT_ONCE, settings_of
from audiosearch_bulk.encoding import Encoder
from audiosearch_bulk.files import FILE_COLUMNS, Reading, Vectors, files_of, vector_table
from audiosearch_bulk.folder import Folder, Plan, read_batches, write_table
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.sources import folder_source

from deploy.local_stack import LocalStack, running
from serving.telemetry import configure
from tools.benchmarks.catalog_database import MARIADB
from tools.benchmarks.embedding import Clips
from tools.benchmarks.index_recall import say
from tools.servers.mysql_server import running as running_mysql
from tools.servers.processes import children, read
from tools.servers.stores import running_milvus, settings_for

AUDIOSEARCH = str(Path(sys.executable).with_name("audiosearch"))
SECONDS = 3
SHARD_FILES = 32
"""Files of a shard under kills, few, so that much is done and begun at each kill."""
PEACE_SHARDS = 3
"""Shards at least in peace, of which the first is not timed. They are as large as `plan` makes
them, where there are clips enough: at the end of each the encoder waits for the last files.
"""
SENT = 320
"""Clips with audio that are uploaded."""
UPLOADS = 6000
"""Vectors that are uploaded, at most."""
UPLOADED = 1000
"""Vectors of one call of UploadVectors."""
ALONE = 2000
"""Clips by which the encoder alone is timed, at most."""


def main() -> None:
    """Measures, prints, and fails if anything is lost or twice."""
    arguments = _arguments()
    configure("bench", "error", "console")
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        folder = Path(name)
        if arguments.clips:
            embedding(folder, arguments.clips, arguments.kills, arguments.wait)
        if not arguments.vectors:
            return
        with (
            _stores(folder, servers=arguments.servers) as stores,
            running(folder / "data", {"AUDIOSEARCH_MODELS": "voices", **stores}) as stack,
        ):
            loading(folder, stack, arguments.vectors, arguments.windows)


@contextmanager
def _stores(folder: Path, *, servers: bool) -> Iterator[Mapping[str, str]]:
    """The settings of Milvus and MariaDB, which run for the time of the block; or of none."""
    if not servers:
        yield {}
        return
    with running_milvus(folder / "milvus", 60) as milvus, running_mysql(*MARIADB) as mysql:
        yield settings_for(milvus, mysql)


def embedding(folder: Path, clips: int, kills: int, wait: float) -> None:
    """Embeds in peace and under kills, each at most `wait` seconds after a worker's begin."""
    audio = folder / "audio"
    audio.mkdir()
    Clips.make(audio, SECONDS, clips)
    peace, war = Folder(folder / "peace"), Folder(folder / "war")
    large = min(planning.SHARD_FILES, clips // PEACE_SHARDS)
    for each, files in ((peace, large), (war, SHARD_FILES)):
        planning.make(each, folder_source(audio), lambda *_: None, shard_files=files)
    plan, model = peace.plan(), encoding.find(settings_of("voices"))
    alone = [asyncio.run(_alone(peace, plan))]
    _embed(peace)
    rate = _rate(peace, plan, model, large)
    alone.append(asyncio.run(_alone(peace, plan)))
    both, mean = " and ".join(f"{each:.1f}" for each in alone), harmonic_mean(alone)
    say(f"the encoder alone, before and after: {both} clips a second")
    say(f"on Ray, shards of {large}: {rate:.1f} clips a second, {rate / mean:.2f} of it")
    plan = war.plan()
    killed = _embed(war, kills, wait)
    lost, twice = _compare(war, plan, model)
    say(f"{killed} workers killed: {lost} of {plan.file_count} files lost, {twice} twice")
    before, start = _states(war), time.monotonic()
    _embed(war)
    same = _states(war) == before
    say(f"the second run: {time.monotonic() - start:.1f} s, {'no' if same else 'A'} change")
    assert (lost, twice, same) == (0, 0, True)


def loading(folder: Path, stack: LocalStack, count: int, windows: int) -> None:
    """Loads recordings with so many vectors of chance in all, and uploads some."""
    files = max(1, count // windows)
    count = files * windows
    with AudiosearchClient(stack.target) as client:
        model = client.call(client.stubs.models.GetModel, GetModelRequest(name="models/voices"))
        work = Folder(folder / "load")
        _synthetic(work, folder / "files", model, files, windows)
        start = time.monotonic()
        _load(work, stack)
        loaded = count / (time.monotonic() - start)
        library = GetLibraryRequest(name="libraries/loaded")
        there = client.call(client.stubs.libraries.GetLibrary, library).clip_count
        say(f"{there} of {files} recordings with {count} vectors loaded: {loaded:.0f} a second")
        start = time.monotonic()
        _load(work, stack)
        again = client.call(client.stubs.libraries.GetLibrary, library).clip_count
        say(f"the second load: {time.monotonic() - start:.1f} s, {again} clips")
        uploaded = _upload(client, model, min(count, UPLOADS))
        say(f"by UploadVectors: {uploaded:.0f} a second; loaded {loaded / uploaded:.1f} x as fast")
        audio = _by_upload(client, stack, folder)
        say(f"clips with audio by upload: {audio:.1f} a second; loaded {loaded / audio:.1f} x")
        assert there == again == files


async def _alone(folder: Folder, plan: Plan) -> float:
    """Clips a second of the encoder in this process."""
    files = [
        file
        for number in range(plan.shard_count)
        for batch in read_batches(folder.shard(number), SHARD_FILES, "")
        for file in files_of(batch)
    ][:ALONE]
    places = asyncio.Semaphore(AT_ONCE)
    with Encoder(settings_of("voices")) as encoder:

        async def one(number: int) -> None:
            async with places:
                await encoder.embed(Reading(Path(plan.root), files[number]))

        await asyncio.gather(*(one(number) for number in range(min(AT_ONCE, len(files)))))
        start = time.monotonic()
        await asyncio.gather(*(one(number) for number in range(len(files))))
        return len(files) / (time.monotonic() - start)


def _embed(folder: Folder, kills: int = 0, wait: float = 0.0) -> int:
    """Runs `audiosearch bulk embed` to its end, and kills workers meanwhile. Returns how many."""
    command = [AUDIOSEARCH, "bulk", "embed", str(folder.path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        killed = 0
        while process.poll() is None and killed < kills:
            worker = next(_workers(process.pid), None)
            if worker is None:
                time.sleep(0.2)
                continue
            time.sleep(random.uniform(0, wait))
            if worker in _workers(process.pid):
                os.kill(worker, signal.SIGKILL)
                killed += 1
        process.communicate()
    assert process.returncode == 0, process.returncode
    return killed


def _workers(pid: int) -> Iterator[int]:
    """Ids of the workers below a process."""
    for child in children(pid, b""):
        if read(f"/proc/{child}/cmdline").startswith(b"ray::MapWorker"):
            yield child
        yield from _workers(child)


def _rate(folder: Folder, plan: Plan, model: str, first: int) -> float:
    """Clips a second between the end of the first shard and that of the last."""
    ends = sorted(
        folder.vectors(model, number).stat().st_mtime for number in range(plan.shard_count)
    )
    return (plan.file_count - first) / (ends[-1] - ends[0])


def _compare(folder: Folder, plan: Plan, model: str) -> tuple[int, int]:
    """Number of files of the plan without vectors, and of those with several."""
    wanted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for number in range(plan.shard_count):
        for path, counts in (
            (folder.shard(number), wanted),
            (folder.vectors(model, number), found),
        ):
            for batch in read_batches(path, 1000, "", FILE_COLUMNS):
                counts.update(file.path for file in files_of(batch) if not file.reason)
    return (wanted - found).total(), (found - wanted).total()


def _states(folder: Folder) -> dict[str, int]:
    files = (path for path in folder.path.rglob("*") if path.is_file())
    return {str(path): path.stat().st_mtime_ns for path in files}


def _synthetic(work: Folder, audio: Path, model: Model, count: int, windows: int) -> None:
    """Plans files of a few bytes, and gives each so many vectors of chance."""
    audio.mkdir()
    for number in range(count):
        (audio / f"{number:07d}.wav").write_bytes(b"RIFF%d" % number)
    plan, _ = planning.make(work, folder_source(audio), lambda *_: None)
    chance = np.random.default_rng(0)
    heard = AudioProperties(sample_rate=16_000, channels=1, format="wav")
    hop = model.window_rule.hop.ToNanoseconds()
    starts = np.arange(windows) * hop
    for each in (heard.duration, heard.active_duration):
        each.FromNanoseconds(int(starts[-1]) + SECONDS * 10**9)
    for number in range(plan.shard_count):
        rows = []
        for batch in read_batches(work.shard(number), 1000, ""):
            for file in files_of(batch):
                values = chance.standard_normal((windows, model.dimension), np.float32)
                values /= np.linalg.norm(values, axis=1, keepdims=True)
                reading = Reading(Path(plan.root), file)
                asyncio.run(_read(reading))
                vectors = Vectors(reading.sha256, starts, values, values[0], windows, heard, [])
                rows.append((file, vectors))
        table = vector_table(rows, plan.id, model.name, model.window_rule)
        write_table(work.vectors(model.name, number), table)


async def _read(reading: Reading) -> None:
    async for _ in reading:
        pass


def _load(work: Folder, stack: LocalStack) -> None:
    target = stack.addresses.target
    environment = {
        **os.environ,
        "AUDIOSEARCH_CATALOG_TARGET": target("catalog"),
        "AUDIOSEARCH_INDEX_TARGET": target("index"),
        "AUDIOSEARCH_EMBEDDING_TARGET": target("embedding"),
    }
    command = [AUDIOSEARCH, "bulk", "load", str(work.path), "--library", "loaded", "--json"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def _upload(client: AudiosearchClient, model: Model, count: int) -> float:
    """Vectors a second by UploadVectors."""
    name, elsewhere = "uploaded", "models/elsewhere"
    library = Library(model=elsewhere, dimension=model.dimension)
    request = CreateLibraryRequest(library_id=name, library=library)
    client.call(client.stubs.libraries.CreateLibrary, request)
    chance, start = np.random.default_rng(1), time.monotonic()
    for first in range(0, count, UPLOADED):
        values = chance.standard_normal((min(UPLOADED, count - first), model.dimension))
        vectors = [
            NewVector(clip=Clip(display_name=f"v{first + number}"), values=row)
            for number, row in enumerate(values.tolist())
        ]
        client.upload_vectors(name, elsewhere, vectors)
    return count / (time.monotonic() - start)


def _by_upload(client: AudiosearchClient, stack: LocalStack, folder: Path) -> float:
    """Clips a second by `audiosearch import`, embedded by the service."""
    audio = folder / "to send"
    audio.mkdir()
    Clips.make(audio, SECONDS, SENT, seed=1)
    command = [AUDIOSEARCH, "import", str(audio), "--library", "sent", "--from", "client"]
    start = time.monotonic()
    subprocess.run([*command, "--target", stack.target], check=True, stdout=subprocess.DEVNULL)
    found = sum(1 for _ in client.clips("sent", ListClipsRequest()))
    return found / (time.monotonic() - start)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clips", type=int, default=640, help="clips of 3 s to embed; 0 for none")
    parser.add_argument("--kills", type=int, default=5, help="workers to kill")
    parser.add_argument("--wait", type=float, default=15, help="longest life of a worker, seconds")
    parser.add_argument("--vectors", type=int, default=3000, help="vectors to load; 0 for none")
    parser.add_argument("--windows", type=int, default=1, help="vectors of a recording")
    parser.add_argument("--servers", action="store_true", help="load into Milvus and MariaDB")
    parser.add_argument("--seed", type=int, default=0, help="of the kills")
    parser.add_argument("--directory", type=Path, help="folder for all of it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
