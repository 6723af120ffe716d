"""Signs of audio: the endings and the first bytes of files that are worth decoding."""

from __future__ import annotations

import re

ENDINGS = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".mp3", ".mp2", ".mpga", ".ogg", ".oga"),
    *(".opus", ".spx", ".m4a", ".m4b", ".mp4", ".3gp", ".3ga", ".3g2", ".aac", ".aif", ".aiff"),
    *(".aifc", ".webm", ".weba", ".mka", ".wma", ".amr", ".awb", ".caf", ".au", ".snd", ".sph"),
    *(".nist", ".ac3", ".ape", ".wv", ".tta", ".mpc", ".voc", ".gsm"),
)
"""Endings of audio files in lower case. A file with one is tried, so that a damaged one is told."""

HEAD_BYTES = 512

BEGINNINGS = (
    r"RIFF....(?:WAVE|AVI )",
    r"(?:RIFX|RF64|BW64)....WAVE",
    r"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb",  # Wave64
    r"fLaC|OggS|caff|FLV\x01|ID3[\x02-\x04]",
    r"FORM....(?:AIFF|AIFC|8SVX|16SV)|FRM8........DSD |DSD ",
    r"....ftyp(?!hei|hev|mif|msf|avi|crx|jp|cif)",  # MP4 and its kin, but none of the pictures
    r"....(?:styp|moov|moof|mdat)|\x00...(?:wide|free|skip)",
    r"\x1aE\xdf\xa3",  # Matroska, WebM
    r"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",  # ASF: WMA
    r"\x00\x00\x01\xba|G.{187}G.{187}G|....G.{191}G.{191}G",  # MPEG streams
    r"\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd][\x10-\xef]",  # MPEG audio, layers II and III
    r"\xff[\xf0\xf1\xf8\xf9][\x00-\x33\x40-\x73\x80-\xb3\xc0-\xf3]",  # AAC as ADTS
    r"\x0b\x77|\x7f\xfe\x80\x01|\xfe\x7f\x01\x80",  # AC-3, DTS
    r"#!AMR|NIST_1A|Creative Voice File|\.snd|dns\.|\.SoX|XoS\.|PVF1",
    r"2BIT| paf|fap |ALawSoundFile|\xf0\x7e.\x01|Extended Instrument:",
    r"wvpk|TTA[12]|MAC |MPCK|MP\+|\x64\xa3[\x00-\x04]\x00|\x00[\x00-\x04]\xa3\x64",
)
"""Patterns that files begin with. The web client has the same, so both languages must read them."""

_BEGINS = re.compile("|".join(BEGINNINGS).encode("ascii"), re.DOTALL)


def has_ending(name: str) -> bool:
    """True if a file's name ends as that of audio, in any case."""
    return name.lower().endswith(ENDINGS)


def begins(head: bytes) -> bool:
    """True if the first HEAD_BYTES of a file are those of audio that may be decoded."""
    return _BEGINS.match(head) is not None
