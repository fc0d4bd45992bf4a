"""The tables of single mounts: `[mounts."/mnt/nas"]`, one for each folder that has limits of its own.

What TOML holds comes in, a `MountLimits` for each folder goes out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from qacache.config import kinds
from qacache.config.keys import Key, key
from qacache.config.kinds import Kind, shown
from qacache.config.near import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qacache.config.kinds import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class MountLimits:
    """How much is asked of all that is below one folder; 0 is what holds for mounts without a table."""

    concurrency: int = key(
        "concurrency",
        kinds.WHOLE,
        0,
        "How many things are asked of it at a time: folders listed, files looked at, read and probed.",
        minimum=1,
        maximum=256,
        zero="as without this table",
    )
    rate_per_s: float = key(
        "rate",
        kinds.NUMBER,
        0.0,
        "How many of its files a second may be read and probed.",
        unit="files per second",
        minimum=0.001,
        zero="no limit",
    )


_KEYS: dict[str, tuple[str, Key]] = {
    each.metadata["key"].name: (each.name, each.metadata["key"]) for each in fields(MountLimits)
}


def _take(value: object, folder: str) -> dict[str, MountLimits] | None:
    """Return the limits by folder, as an absolute path; raises `ValueError` with all that is wrong."""
    if not isinstance(value, dict):
        return None
    problems: list[str] = []
    limits = {}
    for name, table in value.items():
        try:
            path = kinds.PATH.parse(name, folder)
        except ValueError as error:
            problems.append(str(error))
        else:
            limits[path] = MountLimits(**dict(_values(name, table, problems)))
    if problems:
        raise ValueError("; ".join(problems))
    return limits


def _values(name: str, table: object, problems: list[str]) -> Iterator[tuple[str, Any]]:
    if not isinstance(table, dict):
        problems.append(f"{shown(name)} is {shown(table)}, which is no table: write [mounts.{shown(name)}]")
        return
    for bare_name, value in table.items():
        if bare_name not in _KEYS:
            guess = nearest(bare_name, _KEYS) or f"known are {', '.join(_KEYS)}"
            problems.append(f"unknown key {bare_name} of {shown(name)}: {guess}")
            continue
        attribute, its_key = _KEYS[bare_name]
        try:
            yield attribute, its_key.parse(value, "")
        except ValueError as error:
            problems.append(f"{bare_name} of {shown(name)}: {error}")


def _show(limits: Mapping[str, MountLimits]) -> Plain:
    return {
        folder: {name: its_key.kind.show(getattr(each, attribute)) for name, (attribute, its_key) in _KEYS.items()}
        for folder, each in limits.items()
    }


MOUNTS: Kind[Mapping[str, MountLimits]] = Kind(
    "table of mounts", '[mounts."/mnt/nas"] and keys below it', _take, _show, kinds.toml_of
)
