"""`audiosearch evaluate`: figures of how well a library tells voices and sounds apart."""

from __future__ import annotations

import json as json_text
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from audiosearch_evaluation.options import Options

from audiosearch_cli.output import DEFAULT_TARGET, Ca, Json, Target, connect, print_table, say
from audiosearch_cli.problems import extra
from audiosearch_cli.progress import Shown

if TYPE_CHECKING:
    from audiosearch_evaluation.evaluating import Evaluation

DEFAULTS = Options()


class Field(str, Enum):
    """The field whose values tell which clips belong together."""

    speaker = "speaker"
    label = "label"


def evaluate(
    library: Annotated[str, typer.Argument(help="Name of the library.")],
    trials: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="List of trials: VoxCeleb's `1 FILE FILE`, CN-Celeb's `NAME FILE 1` or Kaldi's "
            "`NAME FILE target`. Endings of files count for nothing.",
        ),
    ] = None,
    enroll: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="With --trials: the files of each enrollment, as CN-Celeb's enroll.map; their "
            "embeddings are averaged.",
        ),
    ] = None,
    by: Annotated[
        Field | None,
        typer.Option(help="Instead of a list: make a trial of every two clips, by this field."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            file_okay=False,
            help="Folder to write evaluation.json, det.png and scores.png to; made if missing.",
        ),
    ] = None,
    max_clips: Annotated[
        int,
        typer.Option(min=4, max=50_000, help="With --by: clips to use at most, chosen at random."),
    ] = DEFAULTS.most_clips,
    resamples: Annotated[
        int, typer.Option(min=0, max=10_000, help="Draws for the intervals; 0 for none.")
    ] = DEFAULTS.resamples,
    seed: Annotated[int, typer.Option(min=0, help="Start of every random choice.")] = DEFAULTS.seed,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Measure error rates and retrieval on the clips of a library. Nothing in it changes."""
    with extra("evaluation"):
        from audiosearch_evaluation import charts, report  # noqa: PLC0415  they need numpy
        from audiosearch_evaluation.evaluating import Evaluator  # noqa: PLC0415  the same

    if (trials is None) == (by is None) or (enroll and not trials):
        raise typer.BadParameter(
            "name a list of trials, with or without --enroll, or --by speaker or label",
            param_hint="--trials",
        )
    if output:
        charts.check()
        output.mkdir(parents=True, exist_ok=True)
    options = Options(max_clips, resamples, seed)
    with connect(target, ca) as client, Shown("embedding", quiet=json) as shown:
        evaluator = Evaluator(client, library, options, shown.show)
        if trials:
            found = evaluator.by_list(trials, enroll)
        else:
            found = evaluator.by_field(by.value if by else "")
    if output:
        _write(found, output)
    if json:
        sys.stdout.write(json_text.dumps(report.to_json(found)) + "\n")
        return
    for line in report.describe(found):
        say(line)
    print_table(("figure", "value", "95 % interval"), report.rows(found))
    if output:
        say(f"{output}: evaluation.json, det.png, scores.png")


def _write(found: Evaluation, folder: Path) -> None:
    from audiosearch_evaluation import charts, report  # noqa: PLC0415  as above

    text = json_text.dumps(report.to_json(found), indent=2, ensure_ascii=False)
    (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    charts.draw_det(found, folder / "det.png")
    charts.draw_scores(found, folder / "scores.png")
