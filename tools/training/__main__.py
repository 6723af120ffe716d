"""Runs the training recipe from the command line."""

from __future__ import annotations

import sys

from rich.console import Console

from tools.training.checkpoint import StartError
from tools.training.corpus import SpeechError
from tools.training.options import parse_options
from tools.training.recipe import ResumeError, Training
from tools.training.teacher import TeacherError


def main() -> int:
    """Trains with the options of the command line and returns the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    options = parse_options()
    try:
        figures = Training(options, console.print).run()
    except (SpeechError, TeacherError, StartError, ResumeError) as error:
        console.print(f"error: {error}")
        return 1
    console.print(f"trained: {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
