"""What is written from the commands' own definitions: manual pages, and completions for shells.

`definitions` reads the commands, `man`, `bash`, `zsh` and `fish` render them; `python -m qacache.cli.reference FOLDER`
writes all of it, as `make generate` does.
"""
