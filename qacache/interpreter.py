"""The interpreter: what a Python that this one starts has to be told, to find the same modules."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def module_folders() -> list[str]:
    """Return where this process has its modules from, wherever a child happens to run."""
    own = Path(__file__).parents[1]
    return [os.path.abspath(folder) for folder in sys.path if folder] + [str(own)]
