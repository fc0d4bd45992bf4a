"""Rounds: every check made once, side by side, each within a deadline.

In: the configuration. Out: a `Finding` for each check, in the order of `qacache.config.upkeep.CHECKS`, root by root.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from qacache.clock import SystemClock
from qacache.errors import StoreError
from qacache.os_failures import NoAnswer
from qacache.paths import absolute, as_folder
from qacache.readiness.probers import prober_section
from qacache.readiness.roots import RootTask, mount_text, root_section
from qacache.readiness.scouts import Scouts
from qacache.readiness.store import store_sections
from qacache.readiness.system import system_sections
from qacache.readiness.verdicts import Finding, Verdict, verdicts_of
from qacache.scan.workers import Errand
from qacache.store.history import History
from qacache.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from qacache.clock import Clock
    from qacache.config import Config
    from qacache.readiness.verdicts import Section
    from qacache.store.history import JournaledScan
    from qacache.store.reader import Root

_NO_ROOTS = Finding(
    "root-present",
    "skipped",
    "no roots to look at: none is configured, and the store tells of none",
    "scan one: qacache scan FOLDER, or set scan.roots in the configuration",
)
_DEAD = "see what it hangs on: its disk, or its mount and the server; doctor.deadline says how long to wait"
_SHORT = "see what this system is short of: memory, or processes"


class _Known(NamedTuple):
    """What the store tells of the library: its roots, some files in each root, and the last scan."""

    roots: Mapping[bytes, Root] = {}
    files: Mapping[bytes, Sequence[bytes]] = {}
    last_scan: JournaledScan | None = None


class Readiness:
    """Makes the checks. May be asked again and again, from any thread.

    What does not answer keeps a thread, or a child, until it does, and no other one is sent after it: there are never
    more of them than there are things to look at.
    """

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._roots = list(dict.fromkeys(absolute(os.fsencode(root)) for root in config.scan.roots))
        self._scouts = Scouts(config.doctor.deadline_s)
        self._errands: dict[Hashable, Errand[Any]] = {}
        self._lock = threading.Lock()

    def findings(self) -> Iterator[Finding]:
        """Yield what each check finds. All things are looked at side by side: many dead ones take as long as one."""
        known = self._known()
        config = self._config
        skip = config.doctor.skip
        begun = [
            (section, self._errand(section.key, partial(verdicts_of, section, skip), config.doctor.deadline_s))
            for section in (
                *store_sections(config),
                *system_sections(known.last_scan, self._clock),
                prober_section(config.ffprobe, config.doctor.deadline_s),
            )
        ]
        for task in self._tasks(known):
            section = root_section(task)._replace(is_required=self._is_required(task.root))
            begun.append((section, self._errand(section.key, partial(self._scouts.look, task), self._scouts.longest_s)))
        for section, errand in begun:
            yield from _findings(section, errand)
        if not self._roots and not known.roots:
            yield _NO_ROOTS

    def _known(self) -> _Known:
        """Return what the store tells, nothing where it does not: why that is, its own checks say."""
        read = partial(_read_known, self._config.db.path, self._roots)
        errand: Errand[_Known] = self._errand("what is known", read, self._config.doctor.deadline_s)
        try:
            [known] = errand.results()
        except (StoreError, NoAnswer):
            return _Known()
        return known

    def _tasks(self, known: _Known) -> Iterator[RootTask]:
        read_only = [absolute(os.fsencode(folder)) for folder in self._config.scan.read_only_roots]
        for root in dict.fromkeys((*self._roots, *known.roots)):
            yield RootTask(
                root=root,
                mount=mount_text(known.roots[root].identity) if root in known.roots else "",
                files=known.files.get(root, ()),
                is_read_only=_is_in(root, read_only),
                skip=self._config.doctor.skip,
            )

    def _is_required(self, root: bytes) -> bool:
        """Whether it matters: what was scanned once, and is no part of what is configured, may have come and gone."""
        return not self._roots or _is_in(root, self._roots)

    def _errand(self, key: Hashable, steps: Callable[[], Iterable[Any]], most_s: float) -> Errand[Any]:
        """Return the errand of that key that somebody is on already, or else a new one."""
        with self._lock:
            self._errands = {each: errand for each, errand in self._errands.items() if not errand.is_over}
            if key not in self._errands:
                self._errands[key] = Errand(steps, most_s)
            return self._errands[key]


def _is_in(path: bytes, folders: Iterable[bytes]) -> bool:
    return any(as_folder(path).startswith(as_folder(folder)) for folder in folders)


def _read_known(path: str, roots: Iterable[bytes]) -> Iterator[_Known]:
    with Reader(path) as reader, History(path) as history:
        known = {root.path: root for root in reader.roots()}
        files = {root: [row[0] for row in reader.anchors(root)[::2]] for root in (*roots, *known)}
        yield _Known(known, files, next(history.scans(), None))


def _findings(section: Section, errand: Errand[Verdict]) -> Iterator[Finding]:
    """Yield a finding for each check of the section, as its errand comes to it, or does not."""
    checks = iter([check for check, _ in section.steps])
    last = ""
    for verdict in _until_hanging(section, errand):
        last = next(checks)
        state = verdict.state
        if state == "failed" and not section.is_required:
            state = "warning"
        yield Finding(last, state, verdict.says, verdict.hint, section.path)
    for check in checks:
        yield Finding(check, "skipped", f"{section.subject}: not looked at without {last}", path=section.path)


def _until_hanging(section: Section, errand: Errand[Verdict]) -> Iterator[Verdict]:
    try:
        yield from errand.results()
    except NoAnswer as error:
        yield Verdict("failed", f"{section.subject}: {error}", _DEAD)
    except ChildProcessError as error:
        yield Verdict("failed", f"{section.subject}: {error}", _SHORT)
