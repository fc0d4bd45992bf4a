"""Resolutions, as people name them: the size of a picture as it is shown comes in, `1080p` and the like go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Resolution = Literal["4320p", "2160p", "1440p", "1080p", "720p", "576p", "480p", "360p", "240p", "smaller"]

RESOLUTION_SIDES: Final[Mapping[Resolution, tuple[int, int]]] = {
    "4320p": (6912, 3888),
    "2160p": (3456, 1944),
    "1440p": (2304, 1296),
    "1080p": (1728, 972),
    "720p": (1152, 648),
    "576p": (922, 519),
    "480p": (768, 432),
    "360p": (576, 324),
    "240p": (384, 216),
    "smaller": (1, 1),
}
"""How many pixels the longer side of a picture needs, or else the shorter one, to be of that class: the largest first.

These are nine tenths of the size that gave the class its name, in 16:9: films are cropped, on either side, and few
pictures are of a standard size. Portrait or landscape makes no difference.
"""

RESOLUTION_ALIASES: Final[Mapping[str, tuple[Resolution, ...]]] = {
    "8k": ("4320p",),
    "4k": ("2160p",),
    "sd": ("576p", "480p", "360p", "240p", "smaller"),
}
"""What else people call some classes, or several."""


def resolution_of(width: int | None, height: int | None) -> Resolution | None:
    """Return the class of a picture that is shown with that many pixels, None where there is no picture."""
    if not width or not height:
        return None
    longer, shorter = max(width, height), min(width, height)
    return next(name for name, (long, short) in RESOLUTION_SIDES.items() if longer >= long or shorter >= short)
