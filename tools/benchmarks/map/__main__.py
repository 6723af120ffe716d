"""Measures time and quality of a map: `python -m tools.benchmarks.map --clips 20000`.

"kept" is the share of a clip's ten nearest neighbours in 192 dimensions that are also among its ten
nearest on the map. "label" and "speaker" are the shares of the ten nearest on the map that have the
clip's label and speaker.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from gateway.maps.projection import Places, Vectors, refine, rough
from tools.benchmarks.clustered import nearest
from tools.benchmarks.map.filled import grouped

NEAR = 10
LOOKED_AT = 1000


def main() -> None:
    """Makes both maps of one library and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20_000)
    count, console = parser.parse_args().clips, Console(width=100)
    vectors, labels, speakers = grouped(count)
    vectors = vectors.astype(np.float32)
    true = nearest(vectors, vectors[:LOOKED_AT], NEAR + 1)[:, 1:]
    table = Table("", "seconds", "kept", "label", "speaker")
    ways: dict[str, Callable[[Vectors], Places]] = {
        "rough": rough,
        "refined": lambda them: refine(them, rough(them), lambda _share: None),
    }
    for name, way in ways.items():
        start = time.monotonic()
        places = way(vectors)
        spent = time.monotonic() - start
        near = nearest_places(places)
        kept = np.mean([len(set(a) & set(b)) / NEAR for a, b in zip(true, near, strict=True)])
        of = slice(0, LOOKED_AT)
        same = [(column[near] == column[of, None]).mean() for column in (labels, speakers)]
        table.add_row(name, f"{spent:.1f}", f"{kept:.2f}", *(f"{share:.2f}" for share in same))
    console.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    console.print(
        f"{count:,} clips, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, peak {peak} MiB"
    )


def nearest_places(places: Places) -> np.ndarray:
    """Returns the rows of the nearest places of the first points, without the points themselves."""
    rows = []
    for row, place in enumerate(places[:LOOKED_AT]):
        far = ((places - place) ** 2).sum(1)
        far[row] = np.inf
        rows.append(np.argpartition(far, NEAR)[:NEAR])
    return np.array(rows)


if __name__ == "__main__":
    main()
