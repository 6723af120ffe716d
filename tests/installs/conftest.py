"""One wheel, and fresh environments with it: as users install Audiosearch, without the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

CACHE = REPOSITORY / ".cache" / "uv"
UV = str(Path(sys.executable).with_name("uv"))
INSTALL_SECONDS = 280
LEFT_BEHIND = ("*_pb2*", "*.egg-info", ".*", "__pycache__", "build", "data", "dist", "node_modules")


def run(
    *command: str | Path, folder: Path, seconds: float = 120, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end in a folder that is not the checkout."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**_environment(), **settings},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _environment() -> dict[str, str]:
    """This process's own, without what would lead back to the checkout."""
    hidden = {"PYTHONPATH", "VIRTUAL_ENV", "AUDIOSEARCH_TARGET"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def made(*command: str | Path, folder: Path) -> None:
    """Runs a step of an installation, which must succeed."""
    done = run(*command, folder=folder, seconds=INSTALL_SECONDS, UV_CACHE_DIR=str(CACHE))
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the wheel and what one extra brings."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    def packages(self) -> set[str]:
        """Names of the distributions that it holds."""
        script = (
            "import importlib.metadata as found, json;"
            "print(json.dumps([it.metadata['Name'].lower() for it in found.distributions()]))"
        )
        done = self.run("-c", script)
        assert done.returncode == 0, done.stderr
        return set(json.loads(done.stdout))

    def run(
        self, *arguments: str | Path, seconds: float = 120, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs its Python."""
        return run(self.python, *arguments, folder=self.folder, seconds=seconds, **settings)

    def audiosearch(self, *arguments: str | Path, **settings: str) -> tuple[int, str, str]:
        """Runs its `audiosearch`: exit code, standard output and standard error."""
        program = self.folder / "bin" / "audiosearch"
        done = run(program, *arguments, folder=self.folder, COLUMNS="200", **settings)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="package")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy without what was built or installed in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(REPOSITORY, source, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    made(UV, "build", "--quiet", "--wheel", "--out-dir", folder, source, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="package")
def content(wheel: Path) -> set[str]:
    """Names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="package")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Environment]:
    """Makes a fresh environment with the wheel and one of its extras."""

    def make(extra: str) -> Environment:
        folder = tmp_path_factory.mktemp(f"env-{extra}")
        environment = Environment(folder)
        made(UV, "venv", "--quiet", "--python", sys.executable, "--clear", folder, folder=folder)
        made(
            *(UV, "pip", "install", "--quiet", "--python", environment.python),
            *("--constraint", REPOSITORY / "constraints.txt"),
            f"audiosearch[{extra}] @ {wheel.as_uri()}",
            folder=folder,
        )
        return environment

    return make


@pytest.fixture(scope="package")
def client(install: Callable[[str], Environment]) -> Environment:
    """`pip install audiosearch[client]`."""
    return install("client")


@pytest.fixture(scope="package")
def cli(install: Callable[[str], Environment]) -> Environment:
    """`pip install audiosearch[cli]`."""
    return install("cli")


@pytest.fixture(scope="package")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel beside the packages of the tests' own environment: `audiosearch[stack]`.

    Those take some minutes to install, so they are only pointed at. The checkout, which they are
    linked to, is not seen: Python follows such links in its own folder of packages alone. Paddle
    and PaddleSpeech, which that extra does not bring, are hidden.
    """
    folder = tmp_path_factory.mktemp("env-stack")
    environment = Environment(folder)
    made(UV, "venv", "--quiet", "--python", sys.executable, "--clear", folder, folder=folder)
    made(
        *(UV, "pip", "install", "--quiet", "--no-deps", "--python", environment.python, wheel),
        folder=folder,
    )
    (own,) = folder.glob("lib/python3*/site-packages")
    (theirs,) = Path(sys.prefix).glob("lib/python3*/site-packages")
    hidden = "import sys; sys.modules.update(paddle=None, paddlespeech=None)"
    (own / "packages_of_the_tests.pth").write_text(f"{theirs}\n{hidden}\n")
    return environment


@pytest.fixture(scope="package")
def served(
    whole: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What `audiosearch serve` of the installed wheel says: the command of the image for all.

    Its folders are others, and it stays on this machine.
    """
    folder = tmp_path_factory.mktemp("serve")
    (folder / "imports").mkdir()
    settings = {"PPSPEECH_HOME": str(folder / "none")}
    stages = (REPOSITORY / "deploy" / "Dockerfile").read_text().split("\nFROM ")
    (image,) = (stage for stage in stages if stage.partition("\n")[0].endswith(" AS all"))
    (said,) = re.findall(r"^CMD (\[.*audiosearch.*\])", image, re.MULTILINE)
    places = {"/data": str(folder / "data"), "/imports": str(folder / "imports")}
    places["0.0.0.0"] = "127.0.0.1"
    command = [places.get(word, word) for word in json.loads(said)[1:]]
    program = [whole.folder / "bin" / "audiosearch", *command, "--port", "0", "--json"]
    with (
        (folder / "log").open("w+") as log,
        subprocess.Popen(
            program,
            cwd=folder,
            env={**_environment(), **settings},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, (folder / "log").read_text()
            yield json.loads(line)
        finally:
            process.terminate()
            process.wait(200)  # each service may take its time to end


@pytest.fixture(scope="package")
def target(served: dict[str, str]) -> str:
    """Address of that gateway."""
    return served["target"]
