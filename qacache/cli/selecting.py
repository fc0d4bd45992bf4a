"""The options that say which files are meant, the same for all commands that have them.

In: what was typed. Out: a `Selection`, and files and folders as the store calls them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from qacache.config.keys import Key
from qacache.config.kinds import DURATION
from qacache.paths import absolute
from qacache.selection import BRIGHT
from qacache.selection_text import HDR_FORMATS, ORIENTATIONS, RESOLUTIONS, STATUSES, parse_selection, parse_text
from qacache.text import printable

if TYPE_CHECKING:
    from qacache.selection import Selection

_TIMEOUT = Key("where-timeout", DURATION, "", minimum=0.001, maximum=86_400.0)


def option(name: str, metavar: str, help_text: str, values: Sequence[str] = ()) -> Any:
    """Return the option of a criterion; `values` are all that it takes, for the help and for shells to complete."""
    listed = f"{help_text}: {', '.join(values)}." if values else help_text
    completion = (lambda: list(values)) if values else None
    return typer.Option(f"--{name}", metavar=metavar, help=listed, show_default=False, autocompletion=completion)


UnderOption = Annotated[list[str] | None, option("under", "PATH", "Only what is at or below PATH.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionOptions:
    """What was typed of each criterion."""

    name: Annotated[
        list[str] | None, option("name", "PATTERN", "Only such names, in any case: '*holiday*', 'img_*.mov'.")
    ] = None
    under: UnderOption = None
    status: Annotated[
        list[str] | None, option("status", "STATUS", "Only what was so at the last scan; by default ok", STATUSES)
    ] = None
    orientation: Annotated[
        list[str] | None, option("orientation", "NAME", "Only what is displayed so", ORIENTATIONS)
    ] = None
    resolution: Annotated[list[str] | None, option("resolution", "NAME", "Only about this size", RESOLUTIONS)] = None
    min_width: Annotated[str | None, option("min-width", "PIXELS", "Only what is displayed so wide, or wider.")] = None
    max_width: Annotated[str | None, option("max-width", "PIXELS", "Only what is displayed so wide, or less.")] = None
    min_height: Annotated[str | None, option("min-height", "PIXELS", "Only what is displayed so high, or higher.")] = (
        None
    )
    max_height: Annotated[str | None, option("max-height", "PIXELS", "Only what is displayed so high, or less.")] = None
    codec: Annotated[list[str] | None, option("codec", "NAME", "Only video in this codec, such as hevc.")] = None
    audio_codec: Annotated[
        list[str] | None, option("audio-codec", "NAME", "Only with sound in this codec, such as aac.")
    ] = None
    container: Annotated[
        list[str] | None, option("container", "NAME", "Only files in this format, such as mp4 or mkv.")
    ] = None
    hdr: Annotated[bool, typer.Option("--hdr", help="Only HDR, whatever its format.")] = False
    hdr_format: Annotated[list[str] | None, option("hdr-format", "NAME", "Only this dynamic range", HDR_FORMATS)] = None
    longer_than: Annotated[str | None, option("longer-than", "TIME", "Only what is longer, such as 10m or 1h30m.")] = (
        None
    )
    shorter_than: Annotated[str | None, option("shorter-than", "TIME", "Only what is shorter, such as 90s.")] = None
    bigger_than: Annotated[
        str | None, option("bigger-than", "SIZE", "Only bigger files: 700M, 2G (of 1000 M) or 4GiB.")
    ] = None
    smaller_than: Annotated[str | None, option("smaller-than", "SIZE", "Only smaller files.")] = None
    modified_since: Annotated[
        str | None, option("modified-since", "WHEN", "Only what was modified in the last 30d, or since 2026-01-31.")
    ] = None
    modified_before: Annotated[
        str | None, option("modified-before", "WHEN", "Only what was modified more than 30d ago, or before a date.")
    ] = None
    where: Annotated[
        str | None, option("where", "SQL", "Only where this holds of a row of the view videos: 'bit_rate > 2e7'.")
    ] = None
    where_timeout: Annotated[
        str, typer.Option("--where-timeout", metavar="TIME", help="How long --where may take.")
    ] = "30s"

    def where_timeout_s(self) -> float:
        """Return the seconds that `where` may take; raises `UsageError`."""
        timeout_s: float = parse_text(self.where_timeout, _TIMEOUT)
        return timeout_s

    def selection(self, texts: Sequence[str] = (), *, usual_statuses: Sequence[str] = ()) -> Selection:
        """Return what is meant, but for the folders; raises `UsageError`."""
        typed = {each.name.replace("_", "-"): getattr(self, each.name) for each in fields(self)}
        for name in ("under", "hdr", "where", "where-timeout"):
            del typed[name]
        given = {name: [value] if isinstance(value, str) else value or [] for name, value in typed.items()}
        if self.hdr:
            given["hdr-format"] = [*given["hdr-format"], *BRIGHT]
        given["status"] = given["status"] or list(usual_statuses)
        parsed = parse_selection({**given, "text": list(texts)}, now_s=time.time())
        return replace(parsed, where=self.where)


class Places(NamedTuple):
    """Files and folders as the store calls them, and whether all that were named are among them."""

    names: tuple[bytes, ...]
    are_complete: bool


def known_places(name_of: Callable[[bytes], bytes | None], paths: Sequence[str] | None) -> Places:
    """Return the files and folders that were named; says on stderr at and below which the store knows nothing.

    `name_of` returns what the store calls one, None for nothing.
    """
    named = [absolute(os.fsencode(path)) for path in paths or ()]
    known = {path: name_of(path) for path in named}
    unknown = [path for path, name in known.items() if name is None]
    sys.stderr.writelines(f"qacache: not in the store: {printable(path)}\n" for path in unknown)
    return Places(tuple(filter(None, known.values())), not unknown)
