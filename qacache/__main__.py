"""The `qacache` command: `python -m qacache` and the installed script both begin here."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run the command line of this process; return the exit status."""
    # a start makes tens of thousands of objects, none of them garbage: looking for it takes a tenth of a look-up
    gc.set_threshold(10_000)
    from qacache.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
