"""Criteria in SQL: a `Selection` comes in, conditions on rows of `file` with their values go out.

The cheap ones come first, and those that need a path as text last. All but these look at nothing that the indexes
`file_walk` and `file_size` do not have.
"""

from __future__ import annotations

import fnmatch
import os
import re
import unicodedata
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from qacache.paths import range_below
from qacache.resolution import RESOLUTION_SIDES
from qacache.selection import CODEC_ALIASES, CONTAINER_ALIASES, named
from qacache.store.path_index import PATH_TEXT, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from qacache.resolution import Resolution
    from qacache.selection import Selection

NAME_FITS = "name_fits"
"""The SQL function of a path as text that says whether its last part fits one of the patterns: see `name_test`."""

FOLD = "fold"
"""The SQL function that is `qacache.store.path_index.fold`."""

FEW_RANGES = 4
"""So many ranges of paths are conditions; more of them are better looked up, each along the index: see `in_ranges`."""

_LARGEST = (1 << 63) - 1


class Condition(NamedTuple):
    """A condition in SQL, and the values of its parameters."""

    sql: str
    values: tuple[object, ...] = ()


def conditions(selection: Selection, *, after_path: bytes | None = None) -> list[Condition]:
    """Return what has to hold for a row of `file`, all of it, and that its path comes after `after_path`, if given.

    What `where` says is left out.
    """
    kinds = list(_of_kind(selection))
    return [
        *_of_file(selection),
        *([_of_a_kind(all_of(kinds))] if kinds else []),
        *_of_place(selection, after_path),
        *_of_names(selection),
        *([_of_changes(selection.changed_since)] if selection.changed_since is not None else []),
    ]


def path_ranges(selection: Selection) -> list[tuple[bytes, bytes]]:
    """Return what is at or below `under`, in order: (lower, upper) such that lower <= path < upper, none twice."""
    ranges: list[tuple[bytes, bytes]] = []
    for lower, upper in sorted(
        chain.from_iterable(((path, path + b"\0"), range_below(path)) for path in selection.under)
    ):
        if not ranges or upper > ranges[-1][1]:
            ranges.append((lower, upper))
    return ranges


def within(ranges: Iterable[tuple[bytes, bytes]]) -> Condition:
    """Return the condition of being in one of `ranges`."""
    return _any(Condition("(file.path >= ? AND file.path < ?)", each) for each in ranges)


def in_ranges(ranges: Sequence[tuple[bytes, bytes]]) -> Condition:
    """Return the query for the ids of all files in `ranges`, however many these are."""
    marks = ", ".join(["(?, ?)"] * len(ranges))
    return Condition(
        f"SELECT part.id FROM (VALUES {marks}) AS place CROSS JOIN file AS part INDEXED BY file_walk "
        "ON part.path >= place.column1 AND part.path < place.column2",
        tuple(chain.from_iterable(ranges)),
    )


def needles(selection: Selection) -> list[list[list[str]]]:
    """Return texts that occur in the path of every file that fits, in one case.

    Of each list one member has to fit, and of that all texts.
    """
    groups = [[[_wanted(text)]] for text in selection.texts]
    if selection.names:
        groups.append([_literals(pattern) for pattern in selection.names])
    return [group for group in groups if all(group)]


def name_test(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return what says whether the last part of a path, given as text, fits one of `patterns`."""
    fits = re.compile("|".join(fnmatch.translate(_wanted(pattern)) for pattern in patterns)).match
    return lambda path: fits(fold(path.rpartition("/")[2])) is not None


def _of_file(selection: Selection) -> Iterator[Condition]:
    """Yield the conditions on columns that the indexes have."""
    if selection.statuses:
        yield _one_of("file.status", selection.statuses)
    for sql, bound in (
        ("file.size > ?", selection.bigger_than),
        ("file.size < ?", selection.smaller_than),
        ("file.length_s > ?", selection.longer_than_s),
        ("file.length_s < ?", selection.shorter_than_s),
        ("file.mtime_ns >= ?", selection.modified_since_ns),
        ("file.mtime_ns < ?", selection.modified_before_ns),
    ):
        if bound is not None:
            yield Condition(sql, (_bindable(bound),))


def _of_a_kind(kind: Condition) -> Condition:
    return Condition(f"file.kind_id IN (SELECT id FROM kind WHERE {kind.sql})", kind.values)


def _of_kind(selection: Selection) -> Iterator[Condition]:
    """Yield the conditions on a row of `kind`."""
    for column, names in (
        ("orientation", selection.orientations),
        ("hdr", selection.hdr),
        ("video_codec", named(selection.codecs, CODEC_ALIASES)),
        ("audio_codec", named(selection.audio_codecs, CODEC_ALIASES)),
    ):
        if names:
            yield _one_of(column, names)
    if selection.containers:
        # a format has several names: mov,mp4,m4a
        names = named(selection.containers, CONTAINER_ALIASES)
        yield _any(Condition("instr(',' || format_name || ',', ?)", (f",{name},",)) for name in names)
    if selection.resolutions:
        yield _any(map(_of_resolution, selection.resolutions))
    for sql, bound in (
        ("display_width >= ?", selection.min_width),
        ("display_width <= ?", selection.max_width),
        ("display_height >= ?", selection.min_height),
        ("display_height <= ?", selection.max_height),
    ):
        if bound is not None:
            yield Condition(sql, (_bindable(bound),))


def _of_resolution(resolution: Resolution) -> Condition:
    """Return the condition of being large enough for this class, and not for the one before."""
    names = list(RESOLUTION_SIDES)
    place = names.index(resolution)
    sql = "(max(display_width, display_height) >= ? OR min(display_width, display_height) >= ?)"
    sides = RESOLUTION_SIDES[resolution]
    if place == 0:
        return Condition(sql, sides)
    return Condition(f"({sql} AND NOT {sql})", (*sides, *RESOLUTION_SIDES[names[place - 1]]))


def _of_changes(scan_id: int) -> Condition:
    """Return the condition that a scan after that one noticed a change, or that the file was looked into since."""
    later = "(scan_id > ? OR scan_id IS NULL)"
    ended_ms = "(SELECT coalesce(finished_ms, started_ms) FROM scan WHERE id = ?)"
    return _any(
        Condition(f"EXISTS (SELECT 1 FROM {sql})", (scan_id,))
        for sql in (
            f"change WHERE change.path = file.path AND {later}",
            f"change WHERE from_path IS NOT NULL AND from_path = file.path AND {later}",
            f"media WHERE media.file_id = file.id AND probed_ms > {ended_ms}",
            f"failure WHERE failure.file_id = file.id AND failed_ms > {ended_ms}",
        )
    )


def _of_place(selection: Selection, after_path: bytes | None) -> Iterator[Condition]:
    """Yield the conditions on paths that an index can begin and end with: one of each, as it takes no more."""
    ranges = path_ranges(selection)
    lower = ranges[0][0] if ranges else None
    if after_path is not None and (lower is None or after_path >= lower):
        yield Condition("file.path > ?", (after_path,))
    elif lower is not None:
        yield Condition("file.path >= ?", (lower,))
    if ranges:
        yield Condition("file.path < ?", (ranges[-1][1],))
    if 1 < len(ranges) <= FEW_RANGES:
        yield within(ranges)


def _of_names(selection: Selection) -> Iterator[Condition]:
    """Yield the conditions on paths as text."""
    for group in needles(selection):
        yield _any(all_of([_holding(text) for text in texts]) for texts in group)
    if selection.names:
        yield Condition(f"{NAME_FITS}({PATH_TEXT})")


def _wanted(text: str) -> str:
    """Return `text` as paths are compared with it: in one case, and in Unicode form NFC, as they are."""
    return fold(unicodedata.normalize("NFC", os.fsencode(text).decode(errors="replace")))


def _holding(text: str) -> Condition:
    # SQLite's own functions know the cases of ASCII letters only, but take a fifth of the time
    test = f"instr(lower({PATH_TEXT}), ?)" if text.isascii() else f"instr({FOLD}({PATH_TEXT}), ?)"
    return Condition(test, (text,))


def _literals(pattern: str) -> list[str]:
    """Return what a pattern of `fnmatch` has between its wildcards; less than that where it has brackets."""
    # what the name begins with follows a slash
    return [text for text in re.split(r"[*?[]", "/" + _wanted(re.sub(r"\[.*]", "*", pattern))) if text.strip("/")]


def _one_of(column: str, values: Iterable[object]) -> Condition:
    given = tuple(values)
    return Condition(f"{column} IN ({', '.join('?' * len(given))})", given)


def all_of(parts: Sequence[Condition]) -> Condition:
    """Return the condition that all of `parts` hold; where there are none, it always does."""
    return _joined("AND", parts) if parts else Condition("1")


def _any(parts: Iterable[Condition]) -> Condition:
    return _joined("OR", list(parts))


def _joined(word: str, parts: Sequence[Condition]) -> Condition:
    # in halves: SQLite takes expressions that are a thousand deep, and of several hundred parts one that is ten
    if len(parts) == 1:
        return parts[0]
    left, right = _joined(word, parts[: len(parts) // 2]), _joined(word, parts[len(parts) // 2 :])
    return Condition(f"({left.sql} {word} {right.sql})", (*left.values, *right.values))


def _bindable(bound: float) -> float:
    return max(-_LARGEST, min(bound, _LARGEST))
