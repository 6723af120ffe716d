"""Words of a question, taken for tags."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.search import words


def taken(question: str, *names: str) -> list[tuple[str, list[str]]]:
    """The parts of a question and the first tag of each."""
    return [(part.words, list(part.tags[:1])) for part in words.parts(question, names)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("dog barking", [("dog barking", ["Bark"])]),
        ("Dogs", [("dogs", ["Dog"])]),
        ("the sound of rain and thunder", [("rain", ["Rain"]), ("thunder", ["Thunder"])]),
        ("someone sneezes", [("sneezes", ["Sneeze"])]),
        ("car_horn", [("car horn", ["Vehicle horn, car horn, honking"])]),
        ("Kirchenglocken", [("kirchenglocken", ["Church bell"])]),
        ("狗叫", [("狗叫", ["Bark"])]),
        ("下雨的声音", [("下雨", ["Rain"])]),
        ("bass drum loop", [("bass drum", ["Bass drum"]), ("loop", [])]),
        ("unicorn", [("unicorn", [])]),
        ("the", [("the", [])]),
        ("?!", []),
    ],
)
def test_words_stand_for_tags(question: str, expected: list[tuple[str, Sequence[str]]]) -> None:
    """In any form, in three languages; the longest run of words first; others stay words."""
    assert taken(question) == expected


def test_a_word_stands_for_all_that_it_may_mean() -> None:
    """So a clip of any of them is found."""
    (part,) = words.parts("dog")
    assert {"Dog", "Bark", "Howl", "Growling"} <= set(part.tags)
    assert list(part.term.texts) == ["dog"]
    (part,) = words.parts("barking dogs")
    assert {"dog_bark" in words.parts("dog barks")[0].term.texts, bool(part.tags)} == {True}


def test_tags_of_another_list_are_known_by_their_names_and_by_synonyms() -> None:
    """A library may have tags that AudioSet has not."""
    assert taken("kick drums", "kick_drum") == [("kick drums", ["kick_drum"])]
    assert "puppy_dog" in words.parts("puppy_dog", ["puppy_dog"])[0].tags
    assert "dog" in words.parts("hound", ["dog"])[0].tags
    assert "dog" not in words.parts("bellen", ["dog"])[0].tags


def test_names_of_files_are_looked_through_for_forms_of_the_words() -> None:
    """Blanks are seldom in names of files."""
    assert list(words.parts("dog barking")[0].term.texts) == [
        "dog bark",
        "dog_bark",
        "dog-bark",
        "dogbark",
    ]
    assert list(words.parts("footsteps")[0].term.texts) == ["footstep"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *(("barks", "bark"), ("barking", "bark"), ("barked", "bark"), ("running", "run")),
        *(("babies", "baby"), ("glass", "glass"), ("bus", "bus"), ("ring", "ring")),
        *(("sneezing", "sneez"), ("sneeze", "sneez"), ("sing", "sing"), ("bell", "bell")),
    ],
)
def test_forms_of_a_word_have_one_stem(word: str, expected: str) -> None:
    """Those of a word, and not of others."""
    assert words.stem(word) == expected
