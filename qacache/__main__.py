"""The `qacache` command: `python -m qacache` and the installed script both begin here."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process; return the exit status."""
    from qacache.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
