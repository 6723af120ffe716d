"""Words of a question, taken for kinds of sound.

Words stand for tags by the names of the tags and by `synonyms.json`, which has everyday words for
the names that AudioSet gave. A library's own tags are known by their names too, and by the synonyms
of the AudioSet name that theirs is a word for.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from audiosearch.catalog.v1.clip_pb2 import FindClipsRequest
from audiosearch.gateway.v1.search_pb2 import UnderstoodWords

from serving import limits

_TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+(?:'[^\W_\u3400-\u9fff]+)?")
"""A word, or a Chinese character: no blank tells where a Chinese word ends."""
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_BRACKETS = re.compile(r"\(.*?\)")
_VOWEL = re.compile(r"[aeiouyäöü]")
_SHORTEST = 3
_TAGS = limits.of(FindClipsRequest.Term, "tags").max_items

Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A word of a question, or several that stand for one thing."""

    words: str
    tags: Sequence[str]
    """Names of the tags that they stand for; empty if they are looked for in names alone."""

    @property
    def term(self) -> FindClipsRequest.Term:
        """The part as the catalog takes it."""
        return FindClipsRequest.Term(tags=self.tags[:_TAGS], texts=_texts(self.words))

    @property
    def understood(self) -> UnderstoodWords:
        """The part as an answer tells it."""
        return UnderstoodWords(words=self.words, tags=self.tags)


def parts(question: str, names: Iterable[str] = ()) -> list[Part]:
    """Returns the parts of a question in its order.

    Args:
        question: words of a user.
        names: names of the tags that there are, beside those that the synonyms know.
    """
    words = _TOKEN.findall(question.casefold())
    known = Vocabulary(names)
    found = list(_matched(words, known))
    wanted = [part for part in found if part.tags or part.words not in known.passed]
    return _joined(wanted or found)


def _matched(words: Sequence[str], known: Vocabulary) -> Iterator[Part]:
    """Takes the longest run of words that stands for something, again and again."""
    stems = [stem(word) for word in words]
    at = 0
    while at < len(words):
        for end in range(min(len(words), at + known.longest), at, -1):
            tags = known.tags(tuple(stems[at:end]))
            if tags:
                yield Part(_written(words[at:end]), tags)
                at = end
                break
        else:
            yield Part(words[at], ())
            at += 1


def _joined(found: Sequence[Part]) -> list[Part]:
    """Joins Chinese characters in a row that stand for nothing."""
    joined: list[Part] = []
    for part in found:
        unknown = not part.tags and _CHINESE.match(part.words)
        if unknown and joined and not joined[-1].tags and _CHINESE.match(joined[-1].words):
            joined[-1] = Part(joined[-1].words + part.words, ())
        else:
            joined.append(part)
    return joined


class Vocabulary:
    """Phrases, by the stems of their words, and the tags that each stands for."""

    def __init__(self, names: Iterable[str]) -> None:
        """Knows the synonyms, and these names of tags."""
        self._known, self.passed = _synonyms()
        """Words that say nothing about a sound."""
        self.longest = max(map(len, self._known))
        self._own: dict[Phrase, dict[str, None]] = defaultdict(dict)
        self._alike: dict[str, dict[str, None]] = defaultdict(dict)
        for name in names:
            own = list(_phrases(name))
            for phrase in own:
                if self.passed.issuperset(phrase):
                    continue
                self._own[phrase][name] = None
                self.longest = max(self.longest, len(phrase))
            known = self._known.get(own[0], {}) if own else {}
            if len(known) > 1:  # a word for several: the one that has it as its name
                known = {each: None for each in known if own[0] == _stems(each)}
            for each in known:
                self._alike[each][name] = None

    def tags(self, phrase: Phrase) -> list[str]:
        """Returns the tags that a phrase stands for, in order; none if it is not known."""
        known = self._known.get(phrase, {})
        alike = (name for each in known for name in self._alike.get(each, ()))
        return list(dict.fromkeys([*self._own.get(phrase, ()), *known, *alike]))


@cache
def _synonyms() -> tuple[Mapping[Phrase, Mapping[str, None]], frozenset[str]]:
    """Returns the tags of each phrase of the file, and the words that say nothing about a sound."""
    listed: dict[str, list[str]] = json.loads(
        Path(__file__).with_name("synonyms.json").read_text("utf-8")
    )
    found: dict[Phrase, dict[str, None]] = defaultdict(dict)
    passed = frozenset(listed.pop(""))
    for name, synonyms in listed.items():
        for phrase in (*_phrases(name), *map(_stems, synonyms)):
            if not passed.issuperset(phrase):
                found[phrase][name] = None
    return dict(found), passed


def _phrases(name: str) -> Iterator[Phrase]:
    """Yields what a name of a tag is asked by: all of it, each part between commas, each word."""
    plain = _BRACKETS.sub("", name.replace("_", " "))
    yield _stems(plain)
    every = [_stems(part) for part in plain.split(",")]
    yield from every
    for part in every:
        yield from ((word,) for word in part)


def _stems(text: str) -> Phrase:
    return tuple(stem(word) for word in _TOKEN.findall(text.casefold()))


def stem(word: str) -> str:
    """Returns what the forms of a word have in common, such as `bark` of `barks` and `barking`."""
    if word.endswith("ies") and len(word) > _SHORTEST + 1:
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > _SHORTEST:
        word = word[:-1]
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= _SHORTEST and _VOWEL.search(rest) and rest[-1] != "e":
            word = rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    return word[:-1] if word.endswith("e") and len(word) > _SHORTEST else word


def _texts(words: str) -> list[str]:
    """Returns what is looked for in names of clips: names of files have few blanks."""
    roots = [_root(word) for word in words.split(" ")]
    return [joint.join(roots) for joint in (" ", "_", "-", "")] if len(roots) > 1 else roots


def _root(word: str) -> str:
    root = stem(word)
    return root if len(root) >= _SHORTEST and word.startswith(root) else word


def _written(words: Sequence[str]) -> str:
    joint = "" if all(map(_CHINESE.match, words)) else " "
    return joint.join(words)
