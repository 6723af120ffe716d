"""The known layouts of corpora, by name.

The root may be the corpus' folder, the folder that it was unpacked into, or the folder of its
audio.
"""

from __future__ import annotations

import re

from audiosearch_client.corpora import lists
from audiosearch_client.corpora.layout import Layout, ListFile

_PARTS = r"(?P<genre>[a-z_]+)-(?P<session>\d+)-(?P<utterance>\d+)\.(?i:flac|wav)"
_SPEAKER = r"(?P<speaker>id\d{5})"


def _patterns(prefix: str, *endings: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(prefix + ending) for ending in endings)


_VOXCELEB = r"(?P<speaker>id\d{5})/(?P<session>[^/]+)/(?P<utterance>\d+)\.(?i:wav|flac|m4a)"
_CLASSES = "labels are numbers of classes"

_ALL = (
    Layout(
        "cn-celeb1",
        "data/SPEAKER/GENRE-SESSION-UTTERANCE.flac, eval/enroll/SPEAKER-enroll.flac or "
        "eval/test/SPEAKER-GENRE-SESSION-UTTERANCE.flac",
        _patterns(
            r"(?:CN-Celeb(?:_flac|_wav)?/)?",
            rf"(?:data/)?{_SPEAKER}/{_PARTS}",
            rf"(?:(?P<subset>eval)/)?(?P<role>enroll)/{_SPEAKER}-enroll\.(?i:flac|wav)",
            rf"(?:(?P<subset>eval)/)?(?P<role>test)/{_SPEAKER}-{_PARTS}",
        ),
        ListFile(
            ("dev/dev.lst", "CN-Celeb_flac/dev/dev.lst", "CN-Celeb/dev/dev.lst", "../dev/dev.lst"),
            "speaker",
            "the speakers to develop with are not marked (subset)",
            lists.development,
        ),
        labels=("genre",),
        name_parts=2,
    ),
    Layout(
        "cn-celeb2",
        "data/SPEAKER/GENRE-SESSION-UTTERANCE.flac",
        _patterns(r"(?:CN-Celeb2(?:_flac|_wav)?/)?(?:data/)?", rf"{_SPEAKER}/{_PARTS}"),
        labels=("genre",),
        name_parts=2,
    ),
    Layout(
        "voxceleb1",
        "SPEAKER/VIDEO/UTTERANCE.wav",
        _patterns(
            r"(?i:VoxCeleb1/|vox1/)?(?:(?:vox1_)?(?P<subset>dev|test)(?:_wav)?/)?(?:wav/)?",
            _VOXCELEB,
        ),
        ListFile(
            ("vox1_meta.csv", "../vox1_meta.csv", "../../vox1_meta.csv"),
            "speaker",
            "gender and nationality are not known",
            lists.voxceleb,
        ),
        name_parts=3,
    ),
    Layout(
        "voxceleb2",
        "SPEAKER/VIDEO/UTTERANCE.m4a",
        _patterns(
            r"(?i:VoxCeleb2/|vox2/)?(?:vox2_(?:dev|test)_(?:aac|wav)/)?"
            r"(?:(?P<subset>dev|test)/)?(?:aac/|wav/)?",
            _VOXCELEB,
        ),
        ListFile(
            ("vox2_meta.csv", "../vox2_meta.csv", "../../vox2_meta.csv"),
            "speaker",
            "gender is not known",
            lists.voxceleb,
        ),
        name_parts=3,
    ),
    Layout(
        "librispeech",
        "SUBSET/SPEAKER/CHAPTER/SPEAKER-CHAPTER-UTTERANCE.flac",
        _patterns(
            r"(?:LibriSpeech/)?",
            r"(?:(?P<subset>(?:train|dev|test)-(?:clean|other)(?:-\d+)?)/)?(?P<speaker>\d+)/(?P<session>\d+)"
            r"/(?P=speaker)-(?P=session)-(?P<utterance>\d+)\.(?i:flac|wav)",
        ),
        ListFile(
            ("SPEAKERS.TXT", "LibriSpeech/SPEAKERS.TXT", "../SPEAKERS.TXT"),
            "speaker",
            "gender is not known",
            lists.librispeech,
        ),
    ),
    Layout(
        "aishell1",
        "wav/SUBSET/SPEAKER/BAC009SPEAKERWUTTERANCE.wav",
        _patterns(
            r"(?:data_aishell/)?(?:wav/)?",
            r"(?:(?P<subset>train|dev|test)/)?(?P<speaker>S\d{4})/BAC009(?P=speaker)W(?P<utterance>\d+)"
            r"\.(?i:wav|flac)",
        ),
        ListFile(
            (
                "resource_aishell/speaker.info",
                "../resource_aishell/speaker.info",
                "../../resource_aishell/speaker.info",
                "speaker.info",
            ),
            "speaker",
            "gender is not known",
            lists.aishell,
        ),
    ),
    Layout(
        "urbansound8k",
        "audio/foldFOLD/RECORDING-CLASS-OCCURRENCE-SLICE.wav",
        _patterns(
            r"(?:UrbanSound8K/)?(?:audio/)?",
            r"fold(?P<fold>\d+)/(?P<session>\d+)-(?P<class_id>\d)-(?P<occurrence>\d+)-(?P<slice>\d+)"
            r"\.(?i:wav|flac)",
        ),
        ListFile(
            (
                "metadata/UrbanSound8K.csv",
                "UrbanSound8K/metadata/UrbanSound8K.csv",
                "../metadata/UrbanSound8K.csv",
            ),
            "class_id",
            _CLASSES,
            lists.urbansound,
        ),
        labels=("class", "class_id"),
    ),
    Layout(
        "esc50",
        "audio/FOLD-CLIP-TAKE-CLASS.wav",
        _patterns(
            r"(?:ESC-50(?:-master)?/)?(?:audio/)?",
            r"(?P<fold>[1-5])-(?P<session>\d+)-(?P<take>[A-Z])-(?P<class_id>\d{1,2})"
            r"\.(?i:wav|flac|ogg)",
        ),
        ListFile(
            (
                "meta/esc50.csv",
                "ESC-50/meta/esc50.csv",
                "ESC-50-master/meta/esc50.csv",
                "../meta/esc50.csv",
            ),
            "class_id",
            _CLASSES,
            lists.esc50,
        ),
        labels=("class", "class_id"),
    ),
    Layout(
        "audiomnist",
        "data/SPEAKER/DIGIT_SPEAKER_REPETITION.wav",
        _patterns(
            r"(?:AudioMNIST(?:-master)?/)?(?:data/)?",
            r"(?P<speaker>\d\d)/(?P<digit>\d)_(?P=speaker)_(?P<repetition>\d+)\.(?i:wav|flac)",
        ),
        ListFile(
            (
                "data/audioMNIST_meta.txt",
                "AudioMNIST/data/audioMNIST_meta.txt",
                "AudioMNIST-master/data/audioMNIST_meta.txt",
                "audioMNIST_meta.txt",
            ),
            "speaker",
            "gender, age and accent are not known",
            lists.audiomnist,
        ),
        labels=("digit",),
    ),
    Layout(
        "fsdd",
        "recordings/DIGIT_SPEAKER_INDEX.wav",
        _patterns(
            r"(?:free-spoken-digit-dataset(?:-master)?/)?(?:recordings/)?",
            r"(?P<digit>\d)_(?P<speaker>[^/_]+)_(?P<index>\d+)\.(?i:wav|flac)",
        ),
        labels=("digit",),
    ),
)

LAYOUTS = {layout.name: layout for layout in _ALL}
"""Every layout, by its name on the command line."""
