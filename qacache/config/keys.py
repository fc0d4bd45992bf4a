"""What is known of a key: its one definition comes in through `key`, a dataclass field goes out."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.config.kinds import Kind, Plain

PREFIX = "QACACHE_"
T = TypeVar("T")


class Key(NamedTuple):
    """All that is said of one key, but for its default, which is its field's.

    `zero` says what 0 means where that is no quantity; 0 may then be below `minimum`. `flag` is the flag
    where the mechanical one is too long. `usual_default` stands in the example for a default that differs
    between machines, or shows nothing.
    """

    name: str
    kind: Kind[Any]
    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    zero: str = ""
    flag: str = ""
    usual_default: Plain = ""

    @property
    def section(self) -> str:
        """The table of the TOML file: `scan` of `scan.settle`."""
        return self.name.partition(".")[0]

    @property
    def bare_name(self) -> str:
        """The name within the section: `settle` of `scan.settle`."""
        return self.name.partition(".")[2]

    @property
    def variable(self) -> str:
        """The variable that sets the key: `QACACHE_SCAN_SETTLE`."""
        return PREFIX + self.name.replace(".", "_").upper()

    @property
    def option(self) -> str:
        """The command line flag that sets the key, where a command has one: `--scan-settle`."""
        return self.flag or "--" + self.name.replace(".", "-").replace("_", "-")

    def parse(self, value: object, folder: str) -> Any:
        """Return the typed value of what TOML holds; raises `ValueError` with a reason for users."""
        parsed = self.kind.parse(value, folder)
        allowed_zero = self.zero and parsed == 0
        if self.minimum is not None and parsed < self.minimum and not allowed_zero:
            least = self._bound(self.minimum)
            or_zero = f", or 0 ({self.zero})" if self.zero else ""
            raise ValueError(f"{self.kind.show(parsed)} is less than {least}: write {least} or more{or_zero}")
        if self.maximum is not None and parsed > self.maximum:
            most = self._bound(self.maximum)
            raise ValueError(f"{self.kind.show(parsed)} is more than {most}: write {most} or less")
        return parsed

    def limits(self) -> str:
        """Return the range as users read it, `0s to 7d`, or nothing where there is none."""
        if self.minimum is None:
            return ""
        least = self._bound(self.minimum)
        between = f"{least} or more" if self.maximum is None else f"{least} to {self._bound(self.maximum)}"
        return f"{between}, 0: {self.zero}" if self.zero else between

    def _bound(self, bound: float) -> str:
        return str(self.kind.show(bound))


def key(
    name: str,
    kind: Kind[T],
    default: T | Callable[[], T],
    help: str,
    **details: Any,
) -> T:
    """Return the dataclass field that defines key `name`; `details` are the further fields of `Key`.

    A default that is a function is called where the key is not set.
    """
    metadata = {"key": Key(name, kind, help, **details)}
    made: T
    if callable(default):
        made = field(default_factory=default, metadata=metadata)
    else:
        made = field(default=default, metadata=metadata)
    return made
