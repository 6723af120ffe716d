"""Folders and lists that are not as a layout expects, labels of one's own, and surveys."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiosearch_client.corpora.layouts import LAYOUTS
from audiosearch_client.corpora.sources import corpus_source
from audiosearch_client.corpora.survey import count, survey

from serving.errors import Reason, ServiceError
from tests.unit.client.test_layouts import only, tree, write


@pytest.mark.parametrize(
    ("layout", "file", "gives"),
    [
        ("cn-celeb1", "data/id00012/vlog-01-001.flac", "dev/dev.lst is not there"),
        ("voxceleb1", "id10001/abcdefghijk/00001.wav", "vox1_meta.csv is not there"),
        ("voxceleb2", "id00012/abcdefghijk/00001.m4a", "vox2_meta.csv is not there"),
        ("librispeech", "dev-clean/84/121123/84-121123-0000.flac", "SPEAKERS.TXT"),
        ("aishell1", "wav/dev/S0724/BAC009S0724W0121.wav", "speaker.info"),
        ("urbansound8k", "audio/fold1/7061-6-0-0.wav", "labels are numbers"),
        ("esc50", "audio/5-9032-A-0.wav", "labels are numbers"),
        ("audiomnist", "data/60/0_60_0.wav", "audioMNIST_meta.txt"),
    ],
)
def test_a_missing_list_is_said_once_and_costs_only_its_fields(
    tmp_path: Path, layout: str, file: str, gives: str
) -> None:
    """The note belongs to the whole, not to each file."""
    source = corpus_source(tree(tmp_path, file), layout)
    (note,) = source.notes
    assert gives in note
    assert only(source).failure is None


@pytest.mark.parametrize(
    ("layout", "name", "text"),
    [
        ("voxceleb1", "vox1_meta.csv", "VoxCeleb1 ID\tGender\tSet\nid10001\tm\n"),
        ("voxceleb1", "vox1_meta.csv", ""),
        ("librispeech", "SPEAKERS.TXT", "19 | X | train\n"),
        ("librispeech", "SPEAKERS.TXT", "19\n"),
        ("audiomnist", "audioMNIST_meta.txt", "[1]"),
        ("audiomnist", "audioMNIST_meta.txt", "{"),
        ("esc50", "meta/esc50.csv", "a,b\n1,2\n"),
    ],
)
def test_a_list_that_is_not_as_expected_is_refused_by_name(
    tmp_path: Path, layout: str, name: str, text: str
) -> None:
    """Nothing is guessed from it."""
    write(tmp_path / name, text)
    with pytest.raises(ServiceError, match=name.rpartition("/")[2]) as refused:
        corpus_source(tmp_path, layout)
    assert refused.value.reason is Reason.FIELD_INVALID


def test_files_that_do_not_fit_are_reported_with_the_form_that_is_expected(tmp_path: Path) -> None:
    """And counted; nothing is guessed from a half that fits."""
    tree(
        tmp_path,
        "recordings/7_jackson_32.wav",
        "recordings/seven_jackson_32.wav",
        "other/7_jackson_32.wav",
    )
    source = corpus_source(tmp_path, "fsdd", label="spare")
    found = survey(source)
    assert (found.files, found.unfit, dict(found.labels)) == (3, 2, {"7": 1})
    assert "recordings/DIGIT_SPEAKER_INDEX.wav" in found.failures[0][1]
    assert count(source) == 3


def test_a_folder_of_another_corpus_is_one_error(tmp_path: Path) -> None:
    """Not a failure for each file; an empty one and an unknown layout are told too."""
    tree(tmp_path, "recordings/7_jackson_32.wav", "recordings/8_jackson_32.wav")
    with pytest.raises(ServiceError, match="none of 2 files") as refused:
        count(corpus_source(tmp_path, "aishell1"))
    assert refused.value.reason is Reason.FIELD_INVALID
    (tmp_path / "empty").mkdir()
    with pytest.raises(ServiceError, match="no audio file"):
        count(corpus_source(tmp_path / "empty", "fsdd"))
    with pytest.raises(ServiceError, match="choose one of cn-celeb1"):
        corpus_source(tmp_path, "timit")
    with pytest.raises(ServiceError, match="not a folder"):
        corpus_source(tmp_path / "nowhere", "fsdd")


def test_a_label_is_for_what_the_layout_tells_none_of(tmp_path: Path) -> None:
    """Labels that a corpus gives its files stay."""
    tree(tmp_path, "id10001/abcdefghijk/00001.wav")
    assert only(corpus_source(tmp_path, "voxceleb1", "speech")).label == "speech"
    assert set(LAYOUTS) == {
        *("cn-celeb1", "cn-celeb2", "voxceleb1", "voxceleb2", "librispeech", "aishell1"),
        *("urbansound8k", "esc50", "audiomnist", "fsdd"),
    }


def test_a_survey_counts_speakers_labels_and_sessions(tmp_path: Path) -> None:
    """A session belongs to its speaker."""
    tree(
        tmp_path,
        "data/id00001/vlog-01-001.flac",
        "data/id00001/vlog-01-002.flac",
        "data/id00001/play-02-001.flac",
        "data/id00002/play-01-001.flac",
    )
    found = survey(corpus_source(tmp_path, "cn-celeb1"))
    assert dict(found.speakers) == {"id00001": 3, "id00002": 1}
    assert dict(found.labels) == {"vlog": 2, "play": 2}
    assert len(found.sessions) == 3
