"""Kinds of sound, read from the names of files. The names of most kinds are AudioSet's."""

from __future__ import annotations

import re
from functools import cache
from pathlib import PurePosixPath

_PATTERNS: dict[str, str] = {
    "Bass drum": r"bd|kick|bassdrum|bass drum|pearl kick|hardhse k|heavy kick|gran cassa|k\d",
    "Snare drum": r"sn|snare|snareoff|jsnare|rsnare|snare rim|rimshot",
    "Hi-hat": (
        r"h?hat|hh|chh|ohh|hi ?hat|hhclosed|hhopen|hhpedal|openhat|closehihat|pedalhihat|hats?"
    ),
    "Cymbal": r"crash|ride|china|cymbal|paiste|sabian|cra",
    "Tom-tom": r"tom|toms|floortom|tm|tomh",
    "Hand drum": r"bongo|conga|djembe|cajon|tabla|kenkeni|sangban|dununba|timbale",
    "Clapping": r"clap|hand clap|applause",
    "Cowbell": r"cowbell|agogo|cb",
    "Tambourine": r"tambourine|maraca|maracas|shaker|cabasa|sleigh",
    "Wood block": r"clave|wood block|woodblock|claves|rim click|side ?stick|stick",
    "Bell": r"bell|bells|chime|triangle|tubular|church",
    "Piano": r"piano|pno|grand|rhodes|ep|wurl",
    "Guitar": r"guit|guitar|gtr|nylon|steel gtr|distortion|strum|jazz guitar|banjo|sitar",
    "Bass guitar": (
        r"(?:fingered|fretless|slap|picked|acoustic|pop|synth) bass|bass (?:slap|pop)|"
        r"f?bass gtr|bass"
    ),
    "Strings": r"violin|violins|viola|cello|celli|strings?|contrabass|pizz|fiddle|tremolo",
    "Brass": r"trumpet|trombone|tuba|french horn|brass|horn|horns|fanfare",
    "Woodwind": (
        r"flute|piccolo|clarinet|oboe|bassoon|recorder|ocarina|shakuhachi|pan ?flute|sax|"
        r"saxophone|alto|tenor|baritone|soprano|english horn"
    ),
    "Choir": r"choir|aah|aahs|ooh|oohs|vox|chapel",
    "Organ": r"organ|accordion|harmonica|drawbar|percorg|rotary",
    "Mallet percussion": (
        r"marimba|xylophone|vibraphone|vibes|glock|glockenspiel|celesta|music box|kalimba|"
        r"steel drum"
    ),
    "Harp": r"harp|koto|shamisen|dulcimer",
    "Synthesizer": r"synth|saw ?wave|square|pad|sweep|lead|elec",
    "Bird": r"bird|birds|hawk|crow|gryphon|seagull|owl|parrot|eagle",
    "Dog": r"bark|dog|wolf|coyote|hound",
    "Horse": r"horse|donkey|gallop|canter|neigh|camel",
    "Sheep": r"sheep|goat|sheepfield|lamb",
    "Cattle": r"ox|cow|cattle|moose|bull|bison|stag|deer|muskox|zebu",
    "Pig": r"pig|boar|tusker|hog",
    "Duck": r"duck|goose",
    "Chicken": r"chicken|rooster|hen",
    "Frog": r"frog|toad",
    "Cricket": r"crickets?|cicada|insects?|bee|fly",
    "Growling": (
        r"growl|snarl|roar|lion|tiger|bear|elephant|walrus|crocodile|ogre|troll|hiss|drake|"
        r"yeti|monster"
    ),
    "Screaming": (
        r"screams?|\w*death\w*|\w*hurt\w*|pain\w*|"
        r"(?:human|elf|dwarf|orc|female|goblin)[a-z ]* (?:hit|die)|wail|moan|groan|gasp|fall|"
        r"falling"
    ),
    "Laughter": r"laugh|laughs|haha\w*",
    "Footsteps": r"footsteps?|foot step|steps?|boot|walk",
    "Door": r"doors?|gate|fencegate|chest",
    "Glass": r"\w*glass|break glass|water ?glass|shatter",
    "Water": (
        r"water\w*|splash|waterfall|drops?|droplet|bubble|beerbubble|winebubble|river|ocean|"
        r"sea|waves|watr|rain|fish"
    ),
    "Fire": (
        r"(?:camp|small|large|fire )fire|fire|torch|flame|flamer|furnace|flamethrower|burning|"
        r"firesoft|lava"
    ),
    "Wind": r"wind|windmill|painwind|demonwind",
    "Thunder": r"thunder|lightning|storm|rumble",
    "Gunshot": (
        r"gun|gunshot|rifle|pistol|shotgun\w*|minigun|machinegun|smg|chaingun|hmg|sniper|"
        r"musket|machg|bullet\w*|vulcan|mgun|cannon"
    ),
    "Explosion": r"explosions?|explode|expl|blast|grenade|mortar|bomb|exp\w?|kaboom|largeexp",
    "Laser": r"laser|plasma|phaser|pulse|ptl|lasr\w*|beam|railgun|magic\w*",
    "Sword": r"sword|blade|knife|dagger|slice|stab|spear|axe|hatchet|machete",
    "Arrow": r"bow|crossbow|arrow|dart|sling|javelin",
    "Whoosh": r"whoosh|swoosh|swish|miss|swing|throw|flyby|woosh|rocket",
    "Hammer": (
        r"hammer\w*|smiths?|anvil|toolsmith|blacksmith|mason|stonemason|stonecutter|"
        r"pickhammer|mining|chisel|ironping"
    ),
    "Sawing": r"saw|sawing|sawmill|benchsaw",
    "Chopping wood": r"wood ?cutting|lumberjack|chop\w*|tree falling|lumber",
    "Metal": r"metal\w*|clank|steel|iron|mace|coin|gold",
    "Click": r"clicks?|button|menu ?click|switch|tick|butn|select|hover",
    "Beep": r"beep|blip|alarm|alert|phone|telephone|ring|message|dialog|notification",
    "Engine": (
        r"engine|diesel|plane|motor|drone|machinery\w*|hum|idle|helicopter|vtol|tank|"
        r"hover move|car|truck|trck|wheel|tracked|fan"
    ),
    "Speech": (
        r"voices?|asterisk|librispeech|speech|taunt|talk|announcer|cmndrvoc|memressp|comments|"
        r"civil\w* talk"
    ),
}
"""A kind and the words of a path that name it, as a regular expression for whole words."""

KINDS = tuple(_PATTERNS)
"""All kinds, in a fixed order."""

_SPEECH = KINDS.index("Speech")
_LOUDNESS = frozenset({"hard", "hardest", "soft", "softest", "med", "normal"})


@cache
def _compiled() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"\b(?:{pattern})\b") for pattern in _PATTERNS.values())


def words(path: str) -> str:
    """Returns the words of a path in small letters: `Foot-StepSnow2.ogg` is `foot step snow`."""
    plain = str(PurePosixPath(path).with_suffix(""))
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    return " ".join(re.sub(r"[^a-z]+", " ", plain.lower()).split())


def kinds_of(path: str) -> list[int]:
    """Returns the numbers of the kinds that a path names; none if nothing in it is known.

    The words of the file's own name decide; those of its folder count where they say nothing.
    """
    *folders, name = PurePosixPath(path).parts
    for part in (name, "/".join([*folders[-1:], "x.wav"]), "/".join([*folders[-3:], "x.wav"])):
        text = words(part)
        found = [number for number, one in enumerate(_compiled()) if one.search(text)]
        if found:
            return _refined(found, words(path))
    return []


def _refined(found: list[int], path: str) -> list[int]:
    """Keeps speech alone where it is spoken: its words say other things than its sound."""
    spoken = _compiled()[_SPEECH].search(path)
    return [_SPEECH] if spoken else found


def series_of(path: str) -> str:
    """Returns the name that takes of one sound share: its package, folder and words."""
    parts = PurePosixPath(path).parts
    named = words("/".join(parts[-2:])).split()
    return f"{parts[0]}/{' '.join(word for word in named if word not in _LOUDNESS)}"
