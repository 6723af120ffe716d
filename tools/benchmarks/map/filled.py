"""Fills a library of a running stack with many clips without audio, past the encoder, for maps.

Run it beside `audiosearch serve --data-dir DIR` as
`python -m tools.benchmarks.map.filled --data-dir DIR --clips 20000`.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import grpc
import numpy as np
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.library_service_pb2_grpc import LibraryServiceStub
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import UpsertVectorsRequest
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from catalog_service.settings import CatalogSettings
from gateway.libraries.indexes import attributes, present
from tools.benchmarks.catalog_database import make_active
from tools.benchmarks.clustered import DIMENSION
from tools.servers.catalog_stubs import CatalogStubs

LABELS = ("bell", "birdsong", "clash", "door", "drum", "engine", "fire", "footsteps", "glass")
LABELS += ("laughter", "music", "rain", "siren", "speech", "water", "wind")
SPEAKERS = 300
BATCH = 1000


def grouped(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns unit vectors in groups by label and speaker, with the label and speaker of each.

    The vectors have the shape (count, 192). Those of one speaker vary in a few directions.
    """
    generator = np.random.default_rng(seed)

    def some(rows: int) -> np.ndarray:
        found = generator.standard_normal((rows, DIMENSION), np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    speakers = generator.integers(SPEAKERS, size=count)
    labels = speakers % len(LABELS)
    varied = generator.standard_normal((count, 5)).astype(np.float32) @ some(5)
    varied /= np.linalg.norm(varied, axis=1, keepdims=True)
    vectors = (
        0.6 * some(len(LABELS))[labels]
        + 0.55 * some(SPEAKERS)[speakers]
        + 0.45 * varied
        + 0.3 * some(count)
    )
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels, speakers


def fill(stack: str, data_dir: Path, name: str, count: int, ports: tuple[int, int]) -> Library:
    """Creates a library with `count` clips that are ACTIVE and have vectors but no audio.

    Args:
        stack: Address of the gateway.
        data_dir: Folder of the stack's data, with its SQLite database.
        name: Short name of the library.
        count: Number of clips.
        ports: Ports of the index and the catalog on this machine.
    """
    with grpc.insecure_channel(stack) as channel:
        library = LibraryServiceStub(channel).CreateLibrary(
            library_pb2.CreateLibraryRequest(library_id=name)
        )
    vectors, labels, speakers = grouped(count)
    with (
        grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as index,
        grpc.insecure_channel(f"127.0.0.1:{ports[1]}") as catalog,
    ):
        rows, store = CatalogStubs(catalog), IndexServiceStub(index)
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            made = rows.clips.BatchCreateClips(
                clip_pb2.BatchCreateClipsRequest(
                    parent=library.name,
                    requests=[
                        _creation(number, LABELS[labels[number]], f"speaker {speakers[number]}")
                        for number in numbers
                    ],
                )
            )
            stored = [
                Vector(
                    id=outcome.clip.name.rpartition("/")[2],
                    clip_id=outcome.clip.name.rpartition("/")[2],
                    values=vectors[number].tolist(),
                    attributes=attributes(outcome.clip),
                )
                for outcome, number in zip(made.outcomes, numbers, strict=True)
            ]
            store.UpsertVectors(
                UpsertVectorsRequest(
                    index_id=present(library).windows, model=library.model, vectors=stored
                )
            )
    make_active(CatalogSettings(data_dir=data_dir, mysql_host=None), library.uid)
    return library


def _creation(number: int, label: str, speaker: str) -> clip_pb2.CreateClipRequest:
    clip = Clip(display_name=f"{label}_{number:05d}.wav", label=label, speaker=speaker)
    digest = hashlib.sha256(f"{label} {number}".encode()).hexdigest()
    sound = AudioObject(sha256=digest, size_bytes=160_000)
    return clip_pb2.CreateClipRequest(clip=clip, audio_object=sound)


def main() -> None:
    """Fills a library of a running stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--library", default="many")
    parser.add_argument("--port", type=int, default=50050, help="port of the gateway")
    given = parser.parse_args()
    start, port = time.monotonic(), given.port
    target = f"127.0.0.1:{port}"
    fill(target, given.data_dir, given.library, given.clips, (port + 2, port + 3))
    print(f"{given.clips:,} clips in {time.monotonic() - start:.0f} s")  # noqa: T201  its answer


if __name__ == "__main__":
    main()
