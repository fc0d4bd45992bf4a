"""The tables that say what others call a folder: `[[paths.map]]`, with the keys `from` and `to`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache.config import kinds
from qacache.config.kinds import Kind, shown
from qacache.config.near import nearest

if TYPE_CHECKING:
    from qacache.config.kinds import Plain

_KEYS = ("from", "to")


def _take(value: object, _folder: str) -> tuple[tuple[str, str], ...] | None:
    """Return pairs of absolute folders; raises `ValueError` with all that is wrong."""
    if not isinstance(value, list):
        return None
    problems: list[str] = []
    pairs = [_pair(number, table, problems) for number, table in enumerate(value, 1)]
    seen: dict[str, str] = {}
    for old, new in pairs:
        if seen.setdefault(old, new) != new:
            problems.append(f"{shown(old)} is said to be two folders")
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(seen.items())


def _pair(number: int, table: object, problems: list[str]) -> tuple[str, str]:
    if not isinstance(table, dict):
        problems.append(f"entry {number} is {shown(table)}, which is no table: write [[paths.map]]")
        return "", ""
    for name in table.keys() - set(_KEYS):
        problems.append(f"unknown key {name} of entry {number}: {nearest(name, _KEYS) or 'known are from and to'}")
    folders = []
    for name in _KEYS:
        folder = table.get(name)
        # relative to this machine's folders, one of another machine means nothing
        if not isinstance(folder, str) or not folder.startswith("/"):
            problems.append(f"{name} of entry {number} is no absolute folder")
        folders.append(str(folder))
    return folders[0], folders[1]


def _show(pairs: tuple[tuple[str, str], ...]) -> Plain:
    return [dict(zip(_KEYS, pair, strict=True)) for pair in pairs]


MAP: Kind[tuple[tuple[str, str], ...]] = Kind(
    "list of tables", "[[paths.map]] with from and to", _take, _show, kinds.toml_of
)
