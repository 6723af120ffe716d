"""The Debian packages whose sounds the model is trained and examined with, and their licences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A package with sounds.

    Attributes:
        package: Its name in Debian 12.
        licence: Licences of its sounds, as its copyright file gives them.
        authors: Names for the attribution.
        most_speech: Most files of speech that are taken from it.
    """

    package: str
    licence: str
    authors: str
    most_speech: int = 200


SOURCES = (
    Source("0ad-data", "CC-BY-SA-3.0", "Wildfire Games"),
    Source("asterisk-core-sounds-en-wav", "CC-BY-SA-3.0", "Allison Smith", 250),
    Source("colobot-common-sounds", "GPL-3+", "Daniel Roux, EPSITEC SA, TerranovaTeam"),
    Source("fluid-soundfont-gm", "Expat", "Frank Wen and contributors"),
    Source("freedroidrpg-data", "GPL-2+", "the freedroidRPG authors"),
    Source(
        "hydrogen-drumkits",
        "GPL-2, GPL-2+, CC-BY-3.0, CC-BY-SA-3.0, CC0",
        "Artemiy Pavlov, Emiliano Grilli, Marcos Guglielmetti, Jim Harney, Luc Tanguay, "
        "Bransin Anderson, Glen MacArthur, Emanuel Rumpf, Audiophob, Vladimir Sadovnikov, "
        "Alexander Belokurov",
    ),
    Source(
        "lomiri-sounds",
        "CC0-1.0, CC-BY-3.0, CC-BY-4.0, CC-BY-SA-3.0",
        "Canonical Ltd., Mauricio Duarte, Amber Forest, Sam Hulick, TMetso, Wayne Taylor, others",
    ),
    Source("lugaru-data", "CC-BY-SA-3.0", "Wolfire Games"),
    Source("minetest-data", "CC-BY-SA-3.0, CC-BY-3.0, CC0-1.0", "the Minetest authors"),
    Source("openarena-data", "GPL-2+", "the OpenArena team, id Software"),
    Source("sonic-pi-samples", "CC0, CC-BY-SA-4.0", "the Sonic Pi authors"),
    Source("sound-theme-freedesktop", "CC-BY-3.0, CC-BY-SA-3.0, GPL-2, GPL-2+", "its authors"),
    Source(
        "ufoai-sound", "GPL-2, GPL-2+, CC-BY-3.0, CC-BY-SA-3.0, public domain", "the UFO:AI team"
    ),
    Source("unknown-horizons", "GPL-2+, CC-BY-SA-3.0", "the Unknown Horizons team"),
    Source("warzone2100-data", "GPL-2+", "Eidos Interactive, the Warzone 2100 project", 150),
    Source("wesnoth-1.16-data", "GPL-2+", "the Battle for Wesnoth project"),
    Source("widelands-data", "GPL-2+", "the Widelands development team"),
)
"""Packages left out: hedgewars-data, whose sounds stand under the GFDL."""

HELD_OUT = frozenset(
    {
        "widelands-data",
        "lugaru-data",
        "minetest-data",
        "sonic-pi-samples",
        "ufoai-sound",
        "unknown-horizons",
        "hydrogen-drumkits/The Black Pearl 1.0",
        "hydrogen-drumkits/VariBreaks",
        "hydrogen-drumkits/Millo-Drums_v.1",
    }
)
"""Packages, and kits of one, that training never hears: the model is examined with them."""


def origin_of(path: str) -> str:
    """Returns the package of an unpacked file, and for a drum kit the kit too.

    Args:
        path: The file, relative to the folder of unpacked packages.
    """
    parts = path.split("/")
    if parts[0] == "hydrogen-drumkits" and len(parts) > 2:
        return f"{parts[0]}/{parts[-2]}"
    return parts[0]
