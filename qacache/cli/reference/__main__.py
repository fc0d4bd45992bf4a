"""`python -m qacache.cli.reference FOLDER`: write the manual pages to `man`, and the completions to `completions`."""

from __future__ import annotations

import os
import sys

from qacache.cli.reference import bash, fish, man, zsh
from qacache.cli.reference.definitions import read_commands

SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}


def files() -> dict[str, str]:
    """Return what is written, by path."""
    program = read_commands()
    completions = {f"completions/{shell.FILE_NAME}": shell.render(program) for shell in SHELLS.values()}
    pages = {f"man/{man.page_name(command)}": man.render(command, program) for command in program.all()}
    return {**completions, **pages}


def main() -> None:
    """Write all files below the folder that is named."""
    for name, text in files().items():
        path = os.path.join(sys.argv[1], name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
