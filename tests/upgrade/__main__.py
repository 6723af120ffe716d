"""`python -m tests.upgrade`: services of two versions work together, in whatever order they change.

A stack of the version before is brought up to date one service after the other, first from the
catalog on, then, with new data, from the gateway on. After each step a clip is uploaded, and every
clip so far is found by its sound.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from audiosearch_client.client import AudiosearchClient

from deploy import example_sounds
from deploy.local_stack import SERVICES, Addresses, LocalStack
from serving.retry import patiently

ROOT = Path(__file__).resolve().parents[2]
COMMITS = 50
"""Age of the version before while nothing is released."""
STOP_SECONDS = 30.0
LIBRARY = "upgraded"
KINDS = tuple(example_sounds.KINDS)


class Mixed(LocalStack):
    """A stack of which some services run the code of another checkout."""

    def __init__(self, data_dir: Path, before: Path) -> None:
        """Takes the folder for data, and the checkout that all services start with."""
        offline = {"AUDIOSEARCH_OFFLINE": "1", "PPSPEECH_HOME": str(data_dir / "no-cache")}
        super().__init__(data_dir, Addresses.free(), offline)
        self._before = before
        self.old = set(SERVICES)

    def _environment(self, service: str) -> dict[str, str]:
        environment = super()._environment(service)
        return environment | path_of(self._before) if service in self.old else environment

    def upgrade(self, service: str) -> None:
        """Ends a service and starts it with the present code."""
        process = self._processes[service]
        process.terminate()
        process.wait(STOP_SECONDS)
        self.old.remove(service)
        self.launch(service)
        self.wait(service)


def path_of(checkout: Path) -> dict[str, str]:
    """The environment in which Python imports from a checkout."""
    return {"PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "protos")])}


def git(*arguments: str) -> str:
    """The answer of git about this checkout."""
    done = subprocess.run(
        [shutil.which("git") or "git", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def revision_before() -> str:
    """The last release, or without one an earlier commit, whose packages are those of today."""
    tags = git("tag", "--merged", "HEAD~1", "--sort=-creatordate").splitlines()
    if tags:
        return tags[0]
    earlier = git("rev-list", "--first-parent", f"--max-count={COMMITS}", "HEAD~1").splitlines()
    here = packages("HEAD")
    return next((each for each in reversed(earlier) if packages(each) <= here), earlier[0])


def packages(revision: str) -> set[str]:
    """The names of the packages that a revision is installed with."""
    lines = git("show", f"{revision}:constraints.txt").splitlines()
    return {line.partition("==")[0].lower() for line in lines if "==" in line}


def check_out(revision: str, folder: Path) -> Path:
    """Unpacks a revision into a folder, with the code that is generated from its contracts."""
    archive = folder / "before.tar"
    git("archive", "--format=tar", f"--output={archive}", revision)
    checkout = folder / "before"
    with tarfile.open(archive) as tar:
        tar.extractall(checkout, filter="data")
    generate = [sys.executable, str(checkout / "protos" / "generate.py")]
    subprocess.run(generate, cwd=checkout, env=os.environ | path_of(checkout), check=True)
    show = [sys.executable, "-c", "import gateway, audiosearch.catalog.v1.clip_pb2 as clips;"]
    show[-1] += "print(gateway.__file__, clips.__file__)"
    shown = subprocess.run(
        show,
        cwd=folder,
        env=os.environ | path_of(checkout),
        capture_output=True,
        text=True,
        check=True,
    )
    if not all(path.startswith(str(checkout)) for path in shown.stdout.split()):
        raise SystemExit(f"the code of before is not what runs: {shown.stdout}")
    return checkout


def work(stack: Mixed, sounds: list[Path], folder: Path) -> None:
    """Uploads another clip, and finds all of them; AssertionError if one is not found.

    A call that meets the service that was just started is made again, as by every client.
    """
    number = len(sounds)
    sound = example_sounds.make(KINDS[number % len(KINDS)], 100 + number)
    sounds.append(example_sounds.write(folder / f"{number}.wav", sound))
    with AudiosearchClient(stack.target) as client:
        patiently(lambda: client.upload(LIBRARY, sounds[-1], request_id=sounds[-1].name))
        for path in sounds:
            found = patiently(lambda p=path: client.search(LIBRARY, p, k=len(sounds) + 1)).matches  # type: ignore[misc]
            assert found[0].clip.display_name == path.name, path.name
            assert len(found) == len(sounds)


def upgrade(order: Sequence[str], before: Path, folder: Path) -> None:
    """Brings a stack up to date in this order, and works at each step."""
    folder.mkdir()
    stack, sounds = Mixed(folder / "data", before), list[Path]()
    try:
        stack.start()
        with AudiosearchClient(stack.target) as client:
            client.create_library(LIBRARY)
        work(stack, sounds, folder)
        for service in order:
            stack.upgrade(service)
            work(stack, sounds, folder)
            old = ", ".join(each for each in SERVICES if each in stack.old) or "none"
            sys.stdout.write(f"{service} upgraded, of before: {old}; {len(sounds)} clips found\n")
            sys.stdout.flush()
    finally:
        stack.stop()


def main() -> int:
    """Reads the options and runs; 0 if all held."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument(
        "--before", default="", help=f"revision (the last tag, or {COMMITS} commits ago)"
    )
    asked = parser.parse_args()
    revision, start = asked.before or revision_before(), time.monotonic()
    sys.stdout.write(f"from {git('log', '-1', '--format=%h %cs %s', revision)}\n")
    with tempfile.TemporaryDirectory() as name:
        before = check_out(revision, Path(name))
        for number, order in enumerate((SERVICES, SERVICES[::-1])):
            upgrade(order, before, Path(name, str(number)))
    sys.stdout.write(f"all held, in {time.monotonic() - start:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
