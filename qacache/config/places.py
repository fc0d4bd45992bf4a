"""Where qacache keeps its files unless told otherwise: the platform's folders come in, paths go out.

On Linux this is the XDG Base Directory Specification at first hand. platformdirs says the same there, but its
import takes 8 ms, which every `qacache lookup` would pay; it is asked on every other platform.
"""

from __future__ import annotations

import os
import sys

APP = "qacache"
SYSTEM_CONFIG_FILE = "/etc/qacache/config.toml"


def default_database() -> str:
    """Return the path of the database of this user."""
    return os.path.join(_data_folder(), "qacache.db")


def user_config_file() -> str:
    """Return where this user's configuration file would be."""
    return os.path.join(_config_folder(), "config.toml")


def _data_folder() -> str:
    if sys.platform == "linux":
        return _xdg_folder("XDG_DATA_HOME", "~/.local/share")
    import platformdirs

    return platformdirs.user_data_dir(APP, appauthor=False)


def _config_folder() -> str:
    if sys.platform == "linux":
        return _xdg_folder("XDG_CONFIG_HOME", "~/.config")
    import platformdirs

    return platformdirs.user_config_dir(APP, appauthor=False)


def _xdg_folder(variable: str, fallback: str) -> str:
    named = os.environ.get(variable, "")
    # "If an implementation encounters a relative path in any of these variables it should [...] ignore it."
    return os.path.join(named if os.path.isabs(named) else os.path.expanduser(fallback), APP)
