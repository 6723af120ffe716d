"""Makes the bundled model for sounds: fetches sources, prepares examples, trains."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from rich.console import Console

from tools.training.sounds_model.examples import make_examples, save_examples
from tools.training.sounds_model.recipe import Run, RunOptions
from tools.training.sounds_model.teacher import Teacher, TeacherError
from tools.training.sounds_model.unpacking import PackageError, fetch_all


def main(arguments: list[str] | None = None) -> int:
    """Runs one of the steps `fetch`, `prepare` and `train`, and returns the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    options = _parser().parse_args(arguments)
    try:
        if options.command == "fetch":
            fetch_all(options.sources, console.print)
        elif options.command == "prepare":
            teacher = Teacher(options.teacher)
            examples = make_examples(options.sources, options.speech, teacher.embed)
            save_examples(examples, options.examples)
            console.print(f"{len(examples)} examples")
        else:
            names = [one.name for one in fields(RunOptions)]
            run = RunOptions(**{name: getattr(options, name) for name in names})
            console.print(f"trained: {Run(run, console.print).train()}")
    except (PackageError, TeacherError) as error:
        console.print(f"error: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.training.sounds_model",
        description="Train the bundled model for sounds.",
    )
    steps = parser.add_subparsers(dest="command", required=True)
    fetch = steps.add_parser("fetch", help="fetch and unpack Debian's packages of sounds")
    fetch.add_argument("--sources", type=Path, required=True, help="folder for the packages")
    prepare = steps.add_parser("prepare", help="cut the sounds into examples; ask the teacher")
    prepare.add_argument("--sources", type=Path, required=True, help="folder of the packages")
    prepare.add_argument("--speech", type=Path, help="folder of recordings of speech")
    prepare.add_argument("--teacher", type=Path, required=True, help="wheel of aisfx 0.1.2")
    prepare.add_argument("--examples", type=Path, required=True, help="file for the examples")
    train = steps.add_parser("train", help="train on the examples and export a checkpoint")
    train.add_argument("--examples", type=Path, required=True, help="file of the examples")
    train.add_argument("--work", type=Path, required=True, help="folder for the state")
    train.add_argument("--export", type=Path, help="folder that gets the checkpoint")
    train.add_argument("--minutes", type=float, help="end after so many minutes")
    train.add_argument("--steps", type=int, help="end after so many batches; reproducible")
    train.add_argument("--resume", action="store_true", help="go on from the state in --work")
    for name in ("width", "frames", "rate", "seed", "least_precision", "also"):
        default = getattr(RunOptions, name)
        flag = f"--{name.replace('_', '-')}"
        train.add_argument(flag, type=type(default), default=default, help="default %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
