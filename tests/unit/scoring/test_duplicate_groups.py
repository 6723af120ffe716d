"""Groups of clips from pairs of them."""

from __future__ import annotations

from scoring.duplicate_groups import Link, chosen, groups

LENGTHS = {"a": 60.0, "b": 59.9, "c": 20.0, "d": 10.0, "e": 30.0}


def test_each_member_tells_its_place_in_the_longest_clip() -> None:
    """Also one that lies in another member only."""
    links = [
        Link("b", "a", 0.97, 0.0, 59.9, 0.1),
        Link("c", "b", 0.95, 0.0, 20.0, 10.0),
        Link("d", "c", 0.99, 1.0, 10.0, 5.0),
    ]
    (group,) = groups(links, LENGTHS)
    assert [link.clip for link in group] == ["a", "d", "b", "c"]
    assert (group[0].score, group[0].start, group[0].end, group[0].offset) == (1, 0, 60.0, 0)
    offsets = {link.clip: round(link.offset, 6) for link in group}
    assert offsets == {"a": 0, "b": 0.1, "c": 10.1, "d": 15.1}
    assert [(link.start, link.end) for link in group if link.clip == "d"] == [(1.0, 10.0)]


def test_a_longer_clip_is_reached_through_a_shorter_one() -> None:
    """Its stretch is the part that both have."""
    links = [Link("c", "a", 0.9, 0.0, 20.0, 30.0), Link("c", "e", 0.9, 0.0, 20.0, 4.0)]
    (group,) = groups(links, LENGTHS)
    reached = {link.clip: link for link in group}["e"]
    assert (reached.start, reached.end, reached.offset) == (4.0, 24.0, 26.0)


def test_a_clip_that_two_others_are_as_near_to_is_placed_once() -> None:
    """By as many steps and by links of the same score."""
    links = [
        Link("b", "a", 0.9, 0.0, 59.9, 0.0),
        Link("c", "a", 0.9, 0.0, 20.0, 1.0),
        Link("d", "b", 0.8, 0.0, 10.0, 2.0),
        Link("d", "c", 0.8, 0.0, 10.0, 3.0),
    ]
    (group,) = groups(links, LENGTHS)
    assert sorted(link.clip for link in group) == ["a", "b", "c", "d"]


def test_clips_without_a_link_are_in_no_group_with_others() -> None:
    """The larger group is first."""
    links = [
        Link("d", "e", 0.9, 0, 10, 0),
        Link("b", "a", 0.9, 0, 59, 0),
        Link("c", "a", 0.9, 0, 20, 0),
    ]
    found = [{link.clip for link in group} for group in groups(links, LENGTHS)]
    assert found == [{"a", "b", "c"}, {"d", "e"}]
    assert groups([], LENGTHS) == []


def test_a_cut_belongs_to_one_recording_and_a_copy_to_all() -> None:
    """Otherwise a jingle would make one group of all the recordings that it is in."""
    cut = [Link("d", "a", 0.93, 0, 10, 0), Link("d", "e", 0.96, 0, 10, 3)]
    assert [link.other for link in chosen(cut, LENGTHS)] == ["e"]
    lengths = {**LENGTHS, "f": 60.0}
    copies = [Link("b", "a", 0.93, 0, 59, 0), Link("b", "f", 0.96, 0, 59, 0)]
    assert [link.other for link in chosen(copies, lengths)] == ["f", "a"]
