"""The options of a training run and its command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

from tools.training.voices import ALTERATIONS

_PARTS = 8
"""Number of parts into which the encoder divides its channels (Res2Net)."""

_POSITIVE = (
    "minutes",
    "steps",
    "pause_after",
    "width",
    "frames",
    "rate",
    "held_out",
    "sounds_per_family",
    "voices",
    "threads",
    "processes",
)


class OptionsError(ValueError):
    """An option is invalid, or does not go with another."""


@dataclass(frozen=True)
class TrainingOptions:
    """The options of a run.

    Attributes:
        speech: Folder of FLAC or WAV files named `{speaker}-...`.
        work: Folder for prepared speech and the state to resume from.
        export: Folder that gets the checkpoint; None writes none.
        start: Folder of a checkpoint whose weights the run begins with; None draws fresh ones.
        teacher: Resemblyzer's `pretrained.pt`; the run learns from its vectors of the clean voices.
            None learns from the classes alone.
        keep: Share of that checkpoint's weights in the exported ones; the rest is trained.
        whiten: How far the embeddings are whitened at the end: 0 for not at all, 1 for wholly.
        minutes: Longest time of the run by the clock; None sets no limit.
        steps: Number of batches of the run; None sets no limit.
        seed: Seed of every random choice. With `steps`, equal seeds give equal checkpoints.
        resume: True to continue from the state in `work`.
        pause_after: Batches after which the run stops and writes its state; `resume` continues.
        width: Channels of each layer; the last layers have three times as many.
        frames: Frames in a batch, all clips together.
        rate: Highest learning rate.
        held_out: Speakers kept for the examination.
        voices: Voices of each speaker, each a class: as recorded, then altered.
        sounds_per_family: Classes of synthetic sound for each family.
        threads: Threads of the matrix products.
        processes: Background processes that make batches.
        save_minutes: Training time between two written states.
    """

    speech: Path
    work: Path
    export: Path | None = None
    start: Path | None = None
    teacher: Path | None = None
    keep: float = 0.0
    whiten: float = 0.0
    minutes: float | None = None
    steps: int | None = None
    seed: int = 1
    resume: bool = False
    pause_after: int | None = None
    width: int = 128
    frames: int = 4800
    rate: float = 2e-3
    held_out: int = 25
    voices: int = len(ALTERATIONS)
    sounds_per_family: int = 6
    threads: int = 2
    processes: int = 1
    save_minutes: float = 3.0

    def __post_init__(self) -> None:
        """Checks the options.

        Raises:
            OptionsError: An option is invalid. The message names it.
        """
        if self.minutes is None and self.steps is None:
            raise OptionsError("give --minutes or --steps")
        if self.voices > len(ALTERATIONS):
            message = f"--voices must be at most {len(ALTERATIONS)}"
            raise OptionsError(message)
        if not 0.0 <= self.keep < 1.0 or (self.keep and self.start is None):
            raise OptionsError("--keep must be from 0 to 1, below 1, and needs --start")
        if not 0.0 <= self.whiten <= 1.0:
            raise OptionsError("--whiten must be from 0 to 1")
        if self.teacher is not None and self.start is None:
            raise OptionsError("--teacher needs --start, to whose vectors its own are turned")
        if self.width % _PARTS:
            raise OptionsError(f"--width must be a multiple of {_PARTS}")
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionsError(f"--{name.replace('_', '-')} must be above 0")


def parse_options(arguments: list[str] | None = None) -> TrainingOptions:
    """Reads the command line. Wrong usage ends the process with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.training",
        description="Train the bundled ECAPA-TDNN checkpoint on speech and synthetic sounds.",
    )
    add = parser.add_argument
    add("--speech", type=Path, required=True, help="folder of FLAC or WAV, named speaker-*.flac")
    add("--work", type=Path, required=True, help="folder for prepared speech and the state")
    add("--export", type=Path, help="folder that gets the checkpoint at the end")
    add("--start", type=Path, help="begin from the weights of this checkpoint, of the same width")
    add("--teacher", type=Path, help="learn from this pretrained.pt of Resemblyzer; needs --start")
    add("--keep", type=float, default=0.0, help="share of --start in the result (default 0)")
    add("--whiten", type=float, default=0.0, help="whiten the result, 0 to 1 (default 0: not)")
    add("--minutes", type=float, help="end after so many minutes of training")
    add("--steps", type=int, help="end after so many batches; reproducible by the seed")
    add("--seed", type=int, default=1, help="start of every random choice (default 1)")
    add("--resume", action="store_true", help="go on from the state in the work folder")
    add("--pause-after", type=int, help="leave off after so many batches; --resume goes on")
    for field in fields(TrainingOptions):
        if field.name not in _NAMED_ABOVE:
            flag = f"--{field.name.replace('_', '-')}"
            add(flag, type=type(field.default), default=field.default, help="default %(default)s")
    try:
        return TrainingOptions(**vars(parser.parse_args(arguments)))
    except OptionsError as error:
        parser.error(str(error))


_NAMED_ABOVE = {
    "speech",
    "work",
    "export",
    "start",
    "teacher",
    "keep",
    "whiten",
    "minutes",
    "steps",
    "seed",
    "resume",
    "pause_after",
}
