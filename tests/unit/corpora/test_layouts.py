"""What the names of real corpora tell, in small trees of exactly those names."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.corpora.entry import Entry, Source
from gateway.corpora.layouts import LAYOUTS
from gateway.corpora.sources import corpus_source
from gateway.corpora.survey import count, survey
from serving.errors import Reason, ServiceError

VOX1_META = (
    "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
    "id10001\tA.J._Buckley\tm\tIreland\tdev\n"
    "id10270\tEartha_Kitt\tf\tUSA\ttest\n"
)
VOX2_META = (
    "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \n"
    "id00012 ,n000001 ,m ,dev \n"
    "id00017 ,n000002 ,f ,test\n"
)
SPEAKERS = (
    "; Some pipe(|) separated metadata about all the speakers\n"
    ";ID  |SEX| SUBSET           |MINUTES| NAME\n"
    "19   | F | train-clean-100  | 25.19 | Kara Shallenberg\n"
)
MNIST_META = (
    '{"01": {"accent": "german", "age": 30, "gender": "male", "native speaker": "no", '
    '"origin": "Europe, Germany, Berlin", "recordingdate": "17-06-22", "recordingroom": "Kino"}}'
)
URBAN = (
    "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
    "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
)
ESC = "filename,fold,target,category,esc10,src_file,take\n1-100032-A-0.wav,1,0,dog,True,100032,A\n"


def tree(root: Path, *files: str) -> Path:
    """Makes empty files and gives the root."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def write(path: Path, text: str) -> None:
    """Writes a list of a corpus."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def only(source: Source) -> Entry:
    """The one entry of a source."""
    (entry,) = source.entries()
    return entry


def facts(entry: Entry) -> dict[str, str]:
    """Metadata but for what every entry has."""
    assert entry.failure is None
    assert entry.metadata["path"] == entry.path
    return {name: value for name, value in entry.metadata.items() if name not in ("corpus", "path")}


def test_cn_celeb1_in_all_its_folders(tmp_path: Path) -> None:
    """A genre may hold `_`; enrollment and test files; development speakers from dev.lst."""
    corpus = tree(
        tmp_path / "CN-Celeb_flac",
        "data/id00012/live_broadcast-02-015.flac",
        "data/id00800/singing-01-005.flac",
        "eval/enroll/id00800-enroll.flac",
        "eval/test/id00800-live_broadcast-01-005.flac",
    )
    write(corpus / "dev" / "dev.lst", "id00012\n")
    source = corpus_source(corpus, "cn-celeb1")
    assert not source.notes
    first, second, enroll, test = source.entries()
    assert (first.speaker, first.label) == ("id00012", "live_broadcast")
    assert first.display_name == "id00012/live_broadcast-02-015.flac"
    assert facts(first) == {
        "genre": "live_broadcast",
        "session": "02",
        "utterance": "015",
        "subset": "dev",
    }
    assert "subset" not in facts(second)
    assert (enroll.speaker, enroll.label) == ("id00800", "")
    assert facts(enroll) == {"role": "enroll", "subset": "eval"}
    assert (test.speaker, test.label) == ("id00800", "live_broadcast")
    assert facts(test)["role"] == "test"


@pytest.mark.parametrize("root", ["", "CN-Celeb_flac", "CN-Celeb_flac/data"])
def test_the_root_may_be_above_the_corpus_or_its_audio(tmp_path: Path, root: str) -> None:
    """With the same fields, and the list found all the same."""
    tree(tmp_path, "CN-Celeb_flac/data/id00012/vlog-01-001.flac")
    write(tmp_path / "CN-Celeb_flac" / "dev" / "dev.lst", "id00012\n")
    entry = only(corpus_source(tmp_path / root, "cn-celeb1"))
    assert (entry.speaker, facts(entry)["subset"]) == ("id00012", "dev")


def test_cn_celeb2(tmp_path: Path) -> None:
    """No list tells more of it, so nothing is missing."""
    tree(tmp_path, "CN-Celeb2_flac/data/id10007/speech-03-001.flac")
    source = corpus_source(tmp_path, "cn-celeb2")
    assert not source.notes
    entry = only(source)
    assert (entry.speaker, entry.label, facts(entry)["session"]) == ("id10007", "speech", "03")


def test_voxceleb1(tmp_path: Path) -> None:
    """The video is the session; gender and nationality from a list with tabs."""
    tree(tmp_path, "vox1_test_wav/wav/id10270/x6uYqmx31kE/00001.wav")
    write(tmp_path / "vox1_meta.csv", VOX1_META)
    entry = only(corpus_source(tmp_path, "voxceleb1"))
    assert (entry.speaker, entry.label) == ("id10270", "")
    assert entry.display_name == "id10270/x6uYqmx31kE/00001.wav"
    assert facts(entry) == {
        "session": "x6uYqmx31kE",
        "utterance": "00001",
        "subset": "test",
        "gender": "female",
        "nationality": "USA",
    }


@pytest.mark.parametrize("folder", ["dev/aac", "vox2_test_aac/test/aac", ".", "aac"])
def test_voxceleb2(tmp_path: Path, folder: str) -> None:
    """Its list separates with a blank and a comma."""
    tree(tmp_path, f"{folder}/id00012/21Uxsk56VDQ/00001.m4a")
    write(tmp_path / "vox2_meta.csv", VOX2_META)
    entry = only(corpus_source(tmp_path, "voxceleb2"))
    assert (entry.speaker, facts(entry)["gender"]) == ("id00012", "male")
    assert facts(entry)["session"] == "21Uxsk56VDQ"


def test_librispeech(tmp_path: Path) -> None:
    """Speaker and chapter stand twice in a path and have to agree."""
    tree(
        tmp_path,
        "LibriSpeech/train-clean-100/19/198/19-198-0000.flac",
        "LibriSpeech/train-clean-100/19/198/19-199-0001.flac",
        "LibriSpeech/train-clean-100/19/198/19-198.trans.txt",
    )
    write(tmp_path / "LibriSpeech" / "SPEAKERS.TXT", SPEAKERS)
    entry, wrong = corpus_source(tmp_path, "librispeech").entries()
    assert entry.speaker == "19"
    assert facts(entry) == {
        "subset": "train-clean-100",
        "session": "198",
        "utterance": "0000",
        "gender": "female",
    }
    assert wrong.failure
    assert wrong.failure.reason is Reason.FIELD_INVALID


def test_aishell1(tmp_path: Path) -> None:
    """The speaker is in the file's name too; the list leaves its S out."""
    tree(tmp_path, "data_aishell/wav/train/S0002/BAC009S0002W0122.wav")
    write(tmp_path / "resource_aishell" / "speaker.info", "0002 F\n0003 M\n")
    entry = only(corpus_source(tmp_path / "data_aishell", "aishell1"))
    assert (entry.speaker, facts(entry)) == (
        "S0002",
        {"subset": "train", "utterance": "0122", "gender": "female"},
    )


def test_urbansound8k(tmp_path: Path) -> None:
    """The name of the class is the label."""
    tree(tmp_path, "UrbanSound8K/audio/fold5/100032-3-0-0.wav")
    write(tmp_path / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv", URBAN)
    entry = only(corpus_source(tmp_path, "urbansound8k"))
    assert (entry.speaker, entry.label) == ("", "dog_bark")
    assert facts(entry)["fold"] == "5"
    assert facts(entry)["session"] == "100032"


def test_esc50(tmp_path: Path) -> None:
    """As UrbanSound8K; the fold is the name's first part."""
    tree(tmp_path, "ESC-50-master/audio/1-100032-A-0.wav")
    write(tmp_path / "ESC-50-master" / "meta" / "esc50.csv", ESC)
    entry = only(corpus_source(tmp_path / "ESC-50-master", "esc50"))
    assert (entry.label, facts(entry)["fold"], facts(entry)["take"]) == ("dog", "1", "A")


def test_audiomnist(tmp_path: Path) -> None:
    """The digit is the label; who speaks is told by a list in JSON."""
    tree(tmp_path, "AudioMNIST/data/01/7_01_13.wav", "AudioMNIST/data/01/7_02_13.wav")
    write(tmp_path / "AudioMNIST" / "data" / "audioMNIST_meta.txt", MNIST_META)
    entry, wrong = corpus_source(tmp_path / "AudioMNIST", "audiomnist").entries()
    assert (entry.speaker, entry.label) == ("01", "7")
    assert facts(entry) == {
        "digit": "7",
        "repetition": "13",
        "gender": "male",
        "accent": "german",
        "age": "30",
        "native_speaker": "no",
        "origin": "Europe, Germany, Berlin",
    }
    assert wrong.failure


def test_fsdd(tmp_path: Path) -> None:
    """Digit, speaker, index."""
    tree(tmp_path, "recordings/7_jackson_32.WAV")
    entry = only(corpus_source(tmp_path, "fsdd"))
    assert (entry.speaker, entry.label, facts(entry)["index"]) == ("jackson", "7", "32")


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
    """What a corpus says of its files is not overruled."""
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
