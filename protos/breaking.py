"""Compares the contracts with those of the commit in protos/BASELINE: `python protos/breaking.py`.

A break of its clients is a failure: a field that is gone or has another number, an RPC that is
gone. A release moves BASELINE to its commit, and so does a break that is meant.

A shallow clone, a folder without git, or a history that was imported under other ids may lack the
commit. The script then compares nothing, says so with the command that fetches the commit, and does
not fail.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from generate import PROTOS, make_image

ROOT = PROTOS.parent
BASELINE = PROTOS / "BASELINE"
BUF = Path(sys.executable).with_name("buf")


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Runs git on the repository."""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)  # noqa: S603, S607  ours


def contracts_of(commit: str) -> bytes | None:
    """Returns the contracts of a commit as a tar file, or None where it is not at hand.

    Raises:
        SystemExit: when the text is no id of a commit.
    """
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise SystemExit(f"protos/BASELINE: {commit!r} is no id of a commit")
    found = git("archive", commit, "protos/audiosearch")
    return found.stdout if found.returncode == 0 else None


def main() -> int:
    """Compares, and returns the exit status."""
    commit = BASELINE.read_text().strip()
    before = contracts_of(commit)
    if before is None:
        sys.stderr.write(
            f"the contracts were NOT compared: this clone lacks the commit {commit} of "
            f"protos/BASELINE; `git fetch --depth 1 origin {commit}` brings it\n"
        )
        return 0
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder) / "old.binpb", Path(folder) / "new.binpb"
        with tarfile.open(fileobj=io.BytesIO(before)) as files:
            files.extractall(folder, filter="data")
        make_image(old, Path(folder) / "protos")
        make_image(new)
        config = str(PROTOS / "buf.yaml")
        command = [str(BUF), "breaking", str(new), "--against", str(old), "--config", config]
        return subprocess.run(command, check=False).returncode  # noqa: S603  ours


if __name__ == "__main__":
    sys.exit(main())
