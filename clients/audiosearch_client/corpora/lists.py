"""Readers of the lists that corpora come with. Each gives fields by speaker or by class.

For an unexpected list they raise ValueError, LookupError, TypeError, AttributeError or csv.Error.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence

_GENDERS = {"f": "female", "m": "male", "female": "female", "male": "male"}


def gender(word: str) -> str:
    """`female` or `male`; ValueError for anything else."""
    known = _GENDERS.get(word.strip().lower())
    if known is None:
        raise ValueError(f"{word.strip()[:20]!r} is not f, m, female or male")
    return known


def voxceleb(lines: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """vox1_meta.csv, separated by tabs, and vox2_meta.csv, separated by a blank and a comma."""
    separator = re.compile(r"\s*\t\s*" if "\t" in lines[0] else r"\s*,\s*")
    header = [name.lower() for name in separator.split(lines[0].strip())]
    found: dict[str, Mapping[str, str]] = {}
    for line in filter(None, map(str.strip, lines[1:])):
        row = dict(zip(header, separator.split(line), strict=True))
        fields = {"gender": gender(row["gender"]), "subset": row["set"]}
        if row.get("nationality"):
            fields["nationality"] = row["nationality"]
        found[row[header[0]]] = fields
    return found


def librispeech(lines: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """SPEAKERS.TXT: `14 | F | train-clean-360 | 25.03 | NAME`; comments begin with `;`."""
    rows = (line.split("|") for line in lines if line.strip() and not line.startswith(";"))
    return {row[0].strip(): {"gender": gender(row[1])} for row in rows if _has(row, 2)}


def aishell(lines: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """speaker.info: `0002 F` for the speaker S0002."""
    rows = (line.split() for line in lines if line.strip())
    return {
        "S" + row[0].removeprefix("S"): {"gender": gender(row[1])} for row in rows if _has(row, 2)
    }


def audiomnist(lines: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """audioMNIST_meta.txt: JSON, speakers by number."""
    found: dict[str, Mapping[str, str]] = {}
    for speaker, row in json.loads("\n".join(lines)).items():
        fields = {"gender": gender(row["gender"])}
        for name in ("accent", "age", "native speaker", "origin"):
            if row.get(name):
                fields[name.replace(" ", "_")] = str(row[name])
        found[speaker] = fields
    return found


def urbansound(lines: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """UrbanSound8K.csv: the names of the classes by their number."""
    return {row["classID"]: {"class": row["class"]} for row in csv.DictReader(lines)}


def esc50(lines: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """esc50.csv: the names of the classes by their number."""
    return {row["target"]: {"class": row["category"]} for row in csv.DictReader(lines)}


def development(lines: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """dev.lst: the development speakers of CN-Celeb1, one a line."""
    return {line.split()[0]: {"subset": "dev"} for line in lines if line.strip()}


def _has(row: Sequence[str], count: int) -> bool:
    if len(row) < count:
        raise ValueError(f"{' '.join(row)[:40]!r} has fewer than {count} fields")
    return True
