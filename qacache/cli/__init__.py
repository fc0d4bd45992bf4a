"""The command line: arguments in, one library function called, its values rendered.

A module a command. Data goes to stdout, all else to stderr. `run` is the one place where errors are printed and
exit statuses are made.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qacache.errors import QacacheError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status."""
    try:
        return _dispatch(arguments)
    except QacacheError as error:
        from qacache.cli.text import printable

        for line in f"qacache: {error}".splitlines():
            sys.stderr.write(f"{printable(line)}\n")
        if error.hint:
            sys.stderr.write(f"hint: {printable(error.hint)}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has seen enough; nothing is left to be flushed at exit
        sys.stdout = None
        return 0


def _dispatch(arguments: Sequence[str]) -> int:
    from qacache.cli import quick

    request = quick.parse(arguments)
    if request is not None:
        from qacache.cli.answers import answer

        return answer(request)
    from qacache.cli.app import app

    try:
        app(args=list(arguments), prog_name="qacache")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0
