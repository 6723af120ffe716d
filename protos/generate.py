"""Builds the Python stubs from the contracts: `python protos/generate.py`.

The stubs are written beside their .proto files and are never committed or edited. `--image FILE`
writes the descriptor set for buf instead, because buf can't fetch Google's files without a network.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.resources
import shutil
import subprocess
import sys
from pathlib import Path

import grpc_tools

PROTOS = Path(__file__).resolve().parent
STAGING = PROTOS.parent / "build" / "googleapis"


def google_files() -> Path:
    """Copies Google's .proto files into a folder, under the names that imports use.

    The package googleapis-common-protos has `operations.proto` only as `operations_proto.proto`.
    """
    longrunning = STAGING / "google" / "longrunning"
    longrunning.mkdir(parents=True, exist_ok=True)
    shipped = importlib.metadata.distribution("googleapis-common-protos").locate_file("google")
    for folder in ("api", "rpc"):
        shutil.copytree(
            Path(str(shipped)) / folder,
            STAGING / "google" / folder,
            ignore=shutil.ignore_patterns("*.py*", "__pycache__"),
            dirs_exist_ok=True,
        )
    shutil.copyfile(
        Path(str(shipped)) / "longrunning" / "operations_proto.proto",
        longrunning / "operations.proto",
    )
    return STAGING


def command(outputs: list[str], root: Path) -> list[str]:
    """Returns the arguments of protoc for all contracts below `root`."""
    bundled = importlib.resources.files(grpc_tools) / "_proto"
    contracts = sorted(str(path) for path in (root / "audiosearch").rglob("*.proto"))
    return [f"-I{root}", f"-I{google_files()}", f"-I{bundled}", *outputs, *contracts]


def remove_leftovers() -> None:
    """Removes the stubs of contracts that are gone, because they could still be imported."""
    for stub in (PROTOS / "audiosearch").rglob("*_pb2*.py*"):
        if not stub.with_name(stub.name.partition("_pb2")[0] + ".proto").exists():
            stub.unlink()


def stubs(*, typed: bool) -> list[str]:
    """Returns the output arguments of protoc: stubs, and types if `typed` and plugins are there."""
    outputs = [f"--python_out={PROTOS}", f"--grpc_python_out={PROTOS}"]
    scripts = Path(sys.executable).parent
    if typed and (scripts / "protoc-gen-mypy").exists():
        for name in ("mypy", "mypy_grpc"):
            outputs += [f"--plugin=protoc-gen-{name}={scripts / f'protoc-gen-{name}'}"]
            outputs += [f"--{name}_out=quiet:{PROTOS}"]
    return outputs


def generate(*, typed: bool = True) -> None:
    """Builds the stubs. Raises RuntimeError if protoc fails."""
    remove_leftovers()
    protoc(stubs(typed=typed), PROTOS)


def make_image(image: Path, root: Path = PROTOS) -> None:
    """Writes the descriptor set of all contracts below `root`. Raises as `generate`."""
    image.parent.mkdir(parents=True, exist_ok=True)
    protoc([f"--descriptor_set_out={image}", "--include_imports", "--include_source_info"], root)


def protoc(outputs: list[str], root: Path) -> None:
    """Runs protoc in a separate process, because its library and Paddle abort in one process."""
    program = [sys.executable, "-m", "grpc_tools.protoc"]
    if subprocess.run([*program, *command(outputs, root)], check=False).returncode != 0:  # noqa: S603  ours
        msg = "protoc failed; its messages are above"
        raise RuntimeError(msg)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, help="write a descriptor set here instead of stubs")
    if wanted := parser.parse_args().image:
        make_image(wanted)
    else:
        generate()
