"""The fields read from the names of real corpora, in small trees of exactly those names."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiosearch_client.corpora.entry import Entry, Source
from audiosearch_client.corpora.sources import corpus_source

from serving.errors import Reason

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
