"""The output of `import --dry-run`."""

from __future__ import annotations

import json
import sys
from collections import Counter

from audiosearch_client.corpora.survey import Survey, told_kinds

from audiosearch_cli.output import print_table, say, size

ROWS = 20


def show(found: Survey, library: str, *, as_json: bool) -> None:
    """Prints the counts: all of them as JSON, or the largest for people."""
    fit = found.files - found.unfit - found.missing
    if as_json:
        counts = {
            "files": found.files,
            "fit": fit,
            "unfit": found.unfit,
            "missing": found.missing,
            "passedOver": found.passed_over,
            "sizeBytes": found.size_bytes,
            "speakers": found.speakers,
            "labels": found.labels,
            "sessionCount": len(found.sessions),
            "failures": [{"path": path, "why": why} for path, why in found.failures],
        }
        sys.stdout.write(json.dumps(counts, ensure_ascii=False) + "\n")
        return
    say(
        f"{fit:,} files of {size(found.size_bytes)} would be imported into {library}; "
        f"{found.unfit:,} do not fit, {found.missing:,} are missing"
    )
    if told := told_kinds(found.passed_over):
        say(told)
    say(
        f"speakers: {len(found.speakers):,}, labels: {len(found.labels):,}, "
        f"sessions: {len(found.sessions):,}"
    )
    _print_largest("speaker", found.speakers)
    _print_largest("label", found.labels)
    for path, why in found.failures:
        say(f"  {path}: {why}")
    more = found.unfit + found.missing - len(found.failures)
    if more:
        say(f"  and {more:,} more")


def _print_largest(what: str, counts: Counter[str]) -> None:
    if not counts:
        return
    rows = [(name, f"{number:,}") for name, number in counts.most_common(ROWS)]
    if len(counts) > ROWS:
        others = len(counts) - ROWS
        rows.append((f"and {others:,} others", f"{counts.total() - _sum(counts):,}"))
    print_table((what, "files"), rows)


def _sum(counts: Counter[str]) -> int:
    return sum(number for _, number in counts.most_common(ROWS))
