"""The token to show, read from a file that nobody else may read."""

from __future__ import annotations

import os
import re
import stat

from qacache.errors import ConfigError

_MOST_BYTES = 4096
# what may stand in a header field (RFC 6750, section 2.1)
_TOKEN = re.compile(r"[0-9A-Za-z._~+/-]+=*")


def read_token(path: str) -> str:
    """Return the first line of the file `path`; raises `ConfigError`, also where others than its owner may read it."""
    try:
        # a pipe would have to be waited for
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MOST_BYTES + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        hint = "put the token there that `qacache token new` printed, or see client.token_file"
        raise ConfigError(
            f"token cannot be read: {path}: {(error.strerror or str(error)).lower()}", hint=hint
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not _is_credential(path):
        raise ConfigError(f"others may read the token: {path}", hint=f"keep them out: chmod 600 {path}")
    token = data.split(b"\n", 1)[0].strip().decode(errors="replace")
    if len(token) > _MOST_BYTES or not _TOKEN.fullmatch(token):
        raise ConfigError(f"no token in the first line of {path}", hint="it is what `qacache token new` printed, alone")
    return token


def _is_credential(path: str) -> bool:
    # systemd keeps others out by the folder
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return bool(folder) and os.path.dirname(os.path.realpath(path)) == os.path.realpath(folder)
