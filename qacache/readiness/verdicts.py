"""What a check says, and the shape in which programs are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from qacache.errors import QacacheError
from qacache.record import path_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

State = Literal["ok", "warning", "failed", "skipped"]
"""`failed` is what has to be mended, `warning` what may become trouble; what was `skipped` is not known."""


class Verdict(NamedTuple):
    """What came of a check: a sentence, and the way out in `hint`. With `is_last` those after it make no sense."""

    state: State
    says: str
    hint: str = ""
    is_last: bool = False


_LEFT_OUT = Verdict("skipped", "left out, says doctor.skip")


class Section(NamedTuple):
    """Checks of one thing, by their names, in order: each makes sense only where those before it did not fail.

    `path` is that thing where it is a file or folder. Where it is not required, failures are warnings.
    """

    subject: str
    steps: Sequence[tuple[str, Callable[[], Verdict]]]
    path: bytes | None = None
    is_required: bool = True

    @property
    def key(self) -> tuple[str, bytes | None]:
        """What tells it from other sections."""
        return self.steps[0][0], self.path


def verdicts_of(section: Section, skip: Collection[str]) -> Iterator[Verdict]:
    """Yield what the checks of a section say, until one of them is the last that makes sense; those in `skip` nothing.

    What a check raises that the system or the store is to blame for, it failed by.
    """
    for check, step in section.steps:
        verdict = _LEFT_OUT if check in skip else _asked(section, step)
        yield verdict
        if verdict.is_last or verdict.state == "failed":
            return


def _asked(section: Section, step: Callable[[], Verdict]) -> Verdict:
    try:
        return step()
    except QacacheError as error:
        return Verdict("failed", str(error), error.hint or "")
    except OSError as error:
        return Verdict("failed", f"{section.subject}: {(error.strerror or str(error)).lower()}")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `check` is its name, one of `qacache.config.upkeep.CHECKS`, `path` what it looked at."""

    check: str
    state: State
    says: str
    hint: str = ""
    path: bytes | None = None


def finding_dict(finding: Finding) -> dict[str, Any]:
    """Return the finding as programs see it, ready for JSON."""
    return {
        "event": "check",
        "check": finding.check,
        "state": finding.state,
        "message": finding.says,
        "hint": finding.hint or None,
        **({"path": None} if finding.path is None else path_fields(finding.path)),
    }


def summary_dict(counts: Mapping[State, int]) -> dict[str, Any]:
    """Return the end of the checks as programs see it, given how many came to each state."""
    by_state = {state: counts.get(state, 0) for state in get_args(State)}
    return {"event": "summary", "state": "failed" if by_state["failed"] else "ok", **by_state}
