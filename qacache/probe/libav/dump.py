"""What libav prints of a container: the only public place of some facts that PyAV has no getter for.

In: the text of `av_dump_format` (libavformat/dump.c), which `ffmpeg -i` prints too. Out: for each stream its codec,
its size, its channels, and its side data, in ffprobe's words. A tag of the file may hold any text, and is printed
among the rest: such a file can only deceive about itself.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_STREAM = re.compile(r"^ +Stream #\d+:(\d{1,4})", re.MULTILINE)
_SIDE_DATA = re.compile(r"^ +Side data:\n", re.MULTILINE)
_CODEC = re.compile(r"[a-z0-9_.]+")
_TAG = re.compile(r" \(([\w.\-\[\] ]{4,20}) / 0x([0-9A-F]{4,8})\)", re.ASCII)
_SIZE = re.compile(r", ([1-9][0-9]{0,8})x([1-9][0-9]{0,8})(?=[ ,]|$)")
_AUDIO = re.compile(r"(?:, (\d{1,9}) Hz)?, ([^,]+)")
_ROTATION = re.compile(r"rotation of (\S+) degrees")
_DOVI = re.compile(
    r"version: (\d{1,3})\.(\d{1,3}), profile: (\d{1,3}), level: (\d{1,3}), rpu flag: (\d), el flag: (\d), "
    r"bl flag: (\d), compatibility id: (\d{1,3})"
)
_DOVI_FIELDS = (
    *("dv_version_major", "dv_version_minor", "dv_profile", "dv_level"),
    *("rpu_present_flag", "el_present_flag", "bl_present_flag", "dv_bl_signal_compatibility_id"),
)
_LIGHT_LEVEL = re.compile(r"MaxCLL=(\d{1,9}), MaxFALL=(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Dumped:
    """What is printed of one stream: `line` is what follows the stream's type, `side_data` as ffprobe lists it."""

    line: str = ""
    side_data: list[dict[str, Any]] = field(default_factory=list)

    @property
    def codec_name(self) -> str | None:
        """The codec, whether there is a decoder for it or not."""
        found = _CODEC.match(self.line)
        return found[0] if found and found[0] != "none" else None

    @property
    def codec_tag(self) -> tuple[str, str]:
        """The container's own name of the codec, as ffprobe spells it: four characters, and a hexadecimal number."""
        found = _TAG.search(self.line)
        return (found[1], f"0x{int(found[2], 16):04x}") if found else ("[0][0][0][0]", "0x0000")

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height, in pixels."""
        found = _SIZE.search(self.line)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def audio(self) -> tuple[int | None, str | None]:
        """The sample rate, in hertz, and the name of the channel layout, or `N channels` where that is all."""
        _, _, rest = self.line.partition(", ")
        found = _AUDIO.match(f", {rest}") if rest else None
        return (int(found[1]) if found[1] else None, found[2].strip()) if found else (None, None)


def parse_dump(text: str, types: list[str]) -> list[Dumped]:
    """Return what `text` says of each stream, given the type of each (`video`, `audio`…)."""
    found: dict[int, Dumped] = {}
    parts = _STREAM.split(text)[1:]
    for number, part in zip(parts[::2], parts[1::2], strict=True):
        index = int(number)
        # a stream that belongs to several programs is printed in each
        if index < len(types) and index not in found:
            found[index] = _dumped(part, types[index])
    return [found.get(index) or Dumped() for index in range(len(types))]


def _dumped(text: str, codec_type: str) -> Dumped:
    # before it stands the language, which may be any text; nothing after it is the file's
    head, _, rest = text.partition("\n")
    # what follows the last of them: before come the tags, which may hold anything
    _, *side_data = _SIDE_DATA.split(rest)
    return Dumped(
        head.rpartition(f": {codec_type.capitalize()}: ")[2],
        [_side_data(line.strip()) for line in "".join(side_data[-1:]).splitlines() if ":" in line],
    )


def _side_data(line: str) -> dict[str, Any]:
    kind, _, words = line.partition(":")
    side: dict[str, Any] = {"side_data_type": kind}
    match kind:
        case "Display Matrix":
            if found := _ROTATION.search(words):
                side["rotation"] = _whole_degrees(found[1])
        case "DOVI configuration record":
            if found := _DOVI.search(words):
                side.update(zip(_DOVI_FIELDS, map(int, found.groups()), strict=True))
        case "Content light level metadata":
            if found := _LIGHT_LEVEL.search(words):
                side["max_content"], side["max_average"] = int(found[1]), int(found[2])
    return side


def _whole_degrees(angle: str) -> int:
    # FFmpeg 8 takes no angle at all for none
    with suppress(ValueError, OverflowError):
        return int(float(angle))
    return 0
