"""The command line: arguments in, one library function called, its values rendered.

A module a command. Data goes to stdout, all else to stderr. `run` is the one place where errors are printed and
exit statuses are made.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from qacache import __version__
from qacache.errors import QacacheError

if TYPE_CHECKING:
    from collections.abc import Sequence

ERROR = 1
INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status."""
    _prepare_streams()
    status = 0
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
    except QacacheError as error:
        _flush()  # what was printed before comes first, also where both go to one file
        _complain(str(error), error.hint)
        status = error.exit_code
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        pass  # whoever read our output has seen enough
    except OSError as error:
        subject = os.fsdecode(error.filename) if error.filename else "output"
        _complain(f"{subject}: {(error.strerror or str(error)).lower()}")
        status = ERROR
    _flush()
    return status


def _dispatch(arguments: Sequence[str]) -> int:
    if list(arguments) == ["--version"]:
        sys.stdout.write(f"qacache {__version__}\n")
        return 0
    from qacache.cli import quick

    request = quick.parse(arguments)
    if request is not None:
        from qacache.cli.answers import answer

        return answer(request)
    from qacache.cli.app import run_command

    return run_command(arguments)


def _prepare_streams() -> None:
    """See to it that there are streams to write to, and that they can hold every name, whatever the locale."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # open as long as the process runs
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]


def _flush() -> None:
    """Write what was printed; where that cannot be, drop it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # Python tries once more at exit: let that go nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complain(message: str, hint: str | None = None) -> None:
    from qacache.text import printable

    lines = [*f"qacache: {message}".split("\n"), *([f"hint: {hint}"] if hint else [])]
    sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))
