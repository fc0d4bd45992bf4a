"""Text that is safe to show: names and tags of files are anybody's words.

A file may be called by an escape sequence that sets the terminal's title, or by half a line of a table. In: bytes
and values as the store has them. Out: text for terminals (`printable`) and for programs (`tsv_line`, `json_line`).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# C1 controls and DEL, line and paragraph separators, bidirectional marks and overrides, surrogates, BOM
_UNSAFE_BEYOND_ASCII = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
_UNSAFE = f"[\x00-\x1f{_UNSAFE_BEYOND_ASCII}]"
_UNSAFE_IN_JSON = f"[{_UNSAFE_BEYOND_ASCII}]"
_UNSAFE_IN_TSV = f"[%\x00-\x1f{_UNSAFE_BEYOND_ASCII}]"

EMPTY = "-"
"""What stands for "nothing" in tab-separated output: shells collapse empty fields."""


def printable(text: str | bytes) -> str:
    r"""Return `text` with what a terminal would act on, or show in a misleading place, as `\x1b` and the like."""
    return re.sub(_UNSAFE, _escape, os.fsdecode(text))


def tsv_line(values: Sequence[object]) -> str:
    """Return one line of tab-separated values: percent-encoded where needed, `-` for nothing.

    Decoding the percent signs gives back the exact bytes.
    """
    # a call for each would cost as much as all the rest
    fields = [
        (value if isinstance(value, str) else os.fsdecode(value) if isinstance(value, bytes) else str(value)) or EMPTY
        if value is not None
        else EMPTY
        for value in values
    ]
    line = "\t".join(fields)
    # cheaper than a search, and true of nearly every line
    is_plain = "".join(fields).isprintable() and "%" not in line
    if not is_plain:
        line = "\t".join(re.sub(_UNSAFE_IN_TSV, _percent, field) for field in fields)
    return line + "\n"


def json_line(value: object) -> str:
    """Return one line of JSON that no terminal acts on."""
    import json

    return harmless(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) + "\n"


def harmless(json_text: str) -> str:
    """Return JSON with escapes for what a terminal would act on, or show in a misleading place: the same values."""
    if json_text.isascii() and "\x7f" not in json_text:
        return json_text  # as nearly all is, and this look is cheaper than a search
    return re.sub(_UNSAFE_IN_JSON, lambda match: f"\\u{ord(match[0]):04x}", json_text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8  # noqa: PLR2004
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004


def _percent(match: re.Match[str]) -> str:
    # half a surrogate pair, as broken programs write it, is no byte of a name
    errors = "surrogateescape" if "\udc80" <= match[0] <= "\udcff" else "surrogatepass"
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors=errors))
