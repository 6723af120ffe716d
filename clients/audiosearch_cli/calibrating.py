"""`audiosearch calibrate` and `audiosearch calibration ...`: the meaning of voice scores."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_AS_NORM,
    NORMALIZATION_NONE,
    NORMALIZATION_UNSPECIFIED,
    Calibration,
    DetectionCosts,
    Normalization,
    OperatingPoint,
)
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToJson

from audiosearch_cli.calibration_report import describe, figures
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    Target,
    connect,
    print_json,
    print_table,
    say,
)
from audiosearch_cli.problems import extra

app = typer.Typer(
    no_args_is_help=True, help="Show, change and delete the calibration of a library."
)
LibraryArgument = Annotated[str, typer.Argument(metavar="LIBRARY", help="Name of the library.")]
FalseAlarm = Annotated[
    float | None,
    typer.Option(help="Accept at most this share of other voices, such as 0.01."),
]
PTarget = Annotated[
    float | None,
    typer.Option(show_default="0.01", help="Decide by costs: prior probability of the speaker."),
]
CostMiss = Annotated[
    float | None, typer.Option(show_default="1", help="Cost of rejecting the speaker.")
]
CostFalseAlarm = Annotated[
    float | None,
    typer.Option(show_default="1", help="Cost of accepting another voice."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        file_okay=False,
        help="Folder to write calibration.json, calibration-det.png and thresholds.png to; made if "
        "missing.",
    ),
]


class Scores(str, Enum):
    """The scores that decide."""

    auto = "auto"
    none = "none"
    as_norm = "as-norm"

    @property
    def message(self) -> Normalization.ValueType:
        """The value in the contract."""
        known = {Scores.none: NORMALIZATION_NONE, Scores.as_norm: NORMALIZATION_AS_NORM}
        return known.get(self, NORMALIZATION_UNSPECIFIED)


def calibrate(
    library: LibraryArgument,
    false_alarm: FalseAlarm = None,
    p_target: PTarget = None,
    cost_miss: CostMiss = None,
    cost_false_alarm: CostFalseAlarm = None,
    normalization: Annotated[
        Scores,
        typer.Option(help="Scores that decide; auto takes those with the lower equal error rate."),
    ] = Scores.auto,
    enrollment_clips: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            show_default="as speakers are enrolled",
            help="Clips of each voiceprint of the trials.",
        ),
    ] = None,
    max_clips: Annotated[
        int, typer.Option(min=10, max=20_000, help="Clips to use at most, chosen at random.")
    ] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Start of every random choice.")] = 0,
    output: Output = None,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Fit the meaning of scores to the clips of a library whose speakers are known."""
    point = _operating_point(false_alarm, p_target, cost_miss, cost_false_alarm)
    if output:
        _prepare(output)
    with connect(target, ca) as client:
        calibration = client.speakers.calibrate(
            library,
            point,
            normalization.message,
            enrollment_clips=enrollment_clips or 0,
            max_clips=max_clips,
            seed=seed,
        )
    return _tell(calibration, output, as_json=json)


@app.command()
def show(
    library: LibraryArgument,
    output: Output = None,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Show the calibration of a library."""
    if output:
        _prepare(output)
    with connect(target, ca) as client:
        calibration = client.speakers.calibration(library)
    return _tell(calibration, output, as_json=json)


@app.command("set")
def change(
    library: LibraryArgument,
    false_alarm: FalseAlarm = None,
    p_target: PTarget = None,
    cost_miss: CostMiss = None,
    cost_false_alarm: CostFalseAlarm = None,
    normalization: Annotated[Scores | None, typer.Option(help="Scores that decide.")] = None,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Choose another operating point, or other scores to decide on, without fitting again."""
    point = _operating_point(false_alarm, p_target, cost_miss, cost_false_alarm)
    if point is None and normalization is None:
        raise typer.BadParameter("name what to change", param_hint="--false-alarm")
    scores = normalization.message if normalization else None
    with connect(target, ca) as client:
        calibration = client.speakers.update_calibration(library, point, scores)
    return _tell(calibration, None, as_json=json)


@app.command()
def delete(
    library: LibraryArgument, target: Target = DEFAULT_TARGET, ca: Ca = None, json: Json = False
) -> None:
    """Delete the calibration of a library: the default threshold decides then."""
    with connect(target, ca) as client:
        client.speakers.delete_calibration(library)
    if json:
        return print_json(Empty())
    return say(f"calibration of {library} deleted")


def _operating_point(
    false_alarm: float | None,
    p_target: float | None,
    cost_miss: float | None,
    cost_false_alarm: float | None,
) -> OperatingPoint | None:
    """The operating point that the options choose; None if they choose none."""
    costs = DetectionCosts(
        p_target=p_target, cost_miss=cost_miss, cost_false_alarm=cost_false_alarm
    )
    by_costs = bool(costs.ListFields())
    if false_alarm is not None and by_costs:
        raise typer.BadParameter(
            "an operating point is chosen by a rate or by costs, not both",
            param_hint="--false-alarm",
        )
    if false_alarm is not None:
        return OperatingPoint(max_false_alarm_rate=false_alarm)
    return OperatingPoint(costs=costs) if by_costs else None


def _tell(calibration: Calibration, output: Path | None, *, as_json: bool) -> None:
    if output:
        _write(calibration, output)
    if as_json:
        return print_json(calibration)
    before, after = describe(calibration)
    for line in before:
        say(line)
    print_table(*figures(calibration))
    for line in after:
        say(line)
    return (
        say(f"{output}: calibration.json, calibration-det.png, thresholds.png") if output else None
    )


def _prepare(folder: Path) -> None:
    with extra("evaluation"):
        from audiosearch_evaluation import charts  # noqa: PLC0415  it needs numpy
    charts.check()
    folder.mkdir(parents=True, exist_ok=True)


def _write(calibration: Calibration, folder: Path) -> None:
    from audiosearch_evaluation import calibration_charts  # noqa: PLC0415  as above

    text = MessageToJson(calibration, always_print_fields_with_no_presence=True, ensure_ascii=False)
    (folder / "calibration.json").write_text(text + "\n", encoding="utf-8")
    calibration_charts.draw_det(calibration, folder / "calibration-det.png")
    calibration_charts.draw_thresholds(calibration, folder / "thresholds.png")
