"""The nearest known name: for errors that ask whether it was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the question whether the nearest known name was meant, or nothing where none is near."""
    import difflib  # for errors only

    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {prefix}{near[0]}?" if near else ""
