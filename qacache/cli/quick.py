"""The short way into `lookup`: its plain calls, answered before typer is loaded.

Scripts and Finder call `qacache lookup` by the thousand. Loading typer takes 40 to 50 ms, as long as the one ffprobe
that the call is to save; everything else that a look-up needs takes 20. So the plain spellings of its arguments are
understood here; whatever else there is goes the long way, through `qacache.cli.lookup`, to the same `Request`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.cli.answers import Request

_FLAGS = {"--stdin": "stdin", "-0": "null", "--json": "json", "--verify": "verify"}
_VALUES = {
    "--field": "field",
    "--db": "db",
    "--server": "server",
    "--config": "config",
    "--verify-deadline": "verify_deadline",
}


def parse(arguments: Sequence[str]) -> Request | None:
    """Return the look-up that `arguments` ask for, None where they need the long way."""
    if not arguments or arguments[0] != "lookup":
        return None
    wanted: dict[str, Any] = {}
    paths: list[str] = []
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "--":
            paths.extend(rest)
        elif argument in _FLAGS:
            wanted[_FLAGS[argument]] = True
        elif argument in _VALUES:
            value = next(rest, None)
            if value is None:
                return None
            wanted[_VALUES[argument]] = value
        elif argument.startswith("-"):
            return None
        else:
            paths.append(argument)
    from qacache.cli.answers import Request

    return Request(paths=paths, **wanted)
