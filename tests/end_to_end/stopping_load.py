"""A load of a bulk import, in a process of its own, that is killed at a step.

`python -m tests.end_to_end.stopping_load FOLDER LIBRARY METHOD WHEN` loads batches of three files
until it comes before or after the first call of a method of Batches.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from audiosearch_bulk import clips
from audiosearch_bulk.folder import Folder
from audiosearch_bulk.loading import Loader

from gateway.clips.batches import Batches
from gateway.settings import GatewaySettings
from tests.end_to_end.stopping_worker import kill_at

FILES = 3


def main(folder: str, library: str, method: str, when: str) -> None:
    """Loads until it is killed."""
    clips.FILES = FILES
    kill_at(Batches, method, 1, when)
    loader = Loader(Folder(Path(folder)), GatewaySettings(), library, "", lambda *_: None)
    asyncio.run(loader.run())


if __name__ == "__main__":
    main(*sys.argv[1:])
