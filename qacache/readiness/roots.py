"""Checks of a root: is it there, what it was, can it be listed, read and written.

Whether it can be written, the operating system is asked; nothing is ever written to it. A look at a mount whose server
is gone never ends, which is why `main`, the program of a child, makes these checks: a `RootTask` comes in on standard
input, a verdict for each check goes out on standard output, a line each. So little is imported here.
"""

from __future__ import annotations

import json
import os
import stat as stat_module
import sys
import time
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from qacache.filesystem import mount_of
from qacache.os_failures import os_failure
from qacache.paths import as_folder, shown_root
from qacache.readiness.verdicts import Section, Verdict, verdicts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qacache.models import RootIdentity

_MOUNT = "check that the folder is there and mounted"
_SERVER = "check the disk, or the mount and its server"
# So many files are tried, and folders looked into for one: some may be gone, or somebody else's.
_FILES = 20
_FOLDERS = 50
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RootTask:
    """A root to be looked at, but for the checks in `skip`.

    `mount` is what was mounted there at its last scan, as `mount_text` has it, empty where that is not known; `files`
    are some that the store knows in it.
    """

    root: bytes
    mount: str = ""
    files: Sequence[bytes] = ()
    is_read_only: bool = False
    skip: Sequence[str] = ()

    def to_json(self) -> str:
        """Return the task as text."""
        names = {"root": os.fsdecode(self.root), "files": [os.fsdecode(path) for path in self.files]}
        return json.dumps({**asdict(self), **names})

    @classmethod
    def from_json(cls, text: str) -> RootTask:
        """Return what `to_json` made text of."""
        fields = json.loads(text)
        names = {"root": os.fsencode(fields["root"]), "files": [os.fsencode(path) for path in fields["files"]]}
        return cls(**{**fields, **names})


def main() -> None:
    """Say that all is loaded, then what each check says."""
    task = RootTask.from_json(sys.stdin.read())
    sys.stdout.write("\n")
    sys.stdout.flush()
    for verdict in verdicts_of(root_section(task), task.skip):
        sys.stdout.write(json.dumps(verdict) + "\n")
        sys.stdout.flush()


def mount_text(identity: RootIdentity) -> str:
    """Return the type of a filesystem and what is mounted, such as `nfs4 nas:/videos`; empty where it is not known."""
    return f"{identity.filesystem} {identity.source}" if identity.source else ""


def root_section(task: RootTask) -> Section:
    """Return the checks of one root."""
    checks = _RootChecks(task)
    return Section(
        f"root {shown_root(task.root)}",
        (
            ("root-present", checks.present),
            ("root-listable", checks.listable),
            ("root-readable", checks.readable),
            ("root-writable", checks.writable),
        ),
        task.root,
    )


class _RootChecks:
    def __init__(self, task: RootTask) -> None:
        self.root = task.root
        self.task = task
        self._name = shown_root(task.root)

    def present(self) -> Verdict:
        try:
            stat = os.stat(self.root)
        except FileNotFoundError:
            return Verdict("failed", f"root is missing: {self._name}", _MOUNT)
        except OSError as error:
            return _refused(f"root cannot be looked at: {self._name}", error)
        if not stat_module.S_ISDIR(stat.st_mode):
            return Verdict("failed", f"root is no folder: {self._name}", "name the folder that it is in")
        before, now = self.task.mount, _mount_now(self.root)
        if before and now and before != now:
            return Verdict(
                "warning",
                f"root is on another filesystem than at its last scan: {self._name}: {before} was mounted there, "
                f"and now {now} is",
                f"{_MOUNT}; the next scan compares what is in it",
            )
        return Verdict("ok", f"root is there: {self._name}" + (f" ({now})" if now else ""))

    def listable(self) -> Verdict:
        try:
            with os.scandir(self.root) as entries:
                is_empty = next(entries, None) is None
        except OSError as error:
            return _refused(f"root cannot be listed: {self._name}", error)
        if is_empty and self.task.files:
            return Verdict(
                "failed",
                f"root is empty, but the store knows files in it: {self._name}",
                f"{_MOUNT}; if this is how it is to be, say so with: qacache scan --accept-shrink",
            )
        if is_empty:
            return Verdict("warning", f"root is empty: {self._name}", _MOUNT)
        return Verdict("ok", f"root can be listed: {self._name}")

    def readable(self) -> Verdict:
        refusal = None
        for path in islice(chain(self.task.files, _files_in(self.root)), _FILES):
            began = time.monotonic()
            try:
                _read(path)
            except FileNotFoundError:
                continue  # since the last scan
            except OSError as error:
                refusal = refusal or _refused(f"no file in the root can be read: {shown_root(path)}", error)
            else:
                took_ms = (time.monotonic() - began) * 1000
                return Verdict("ok", f"root can be read: {shown_root(path)}, in {took_ms:,.1f} ms")
        return refusal or Verdict("skipped", f"root has no file to read: {self._name}")

    def writable(self) -> Verdict:
        if self.task.is_read_only:
            return Verdict("skipped", f"root need not be writable: {self._name}, says scan.read_only_roots")
        if os.access(self.root, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            return Verdict("ok", f"root can be written: {self._name}")
        is_mounted_so = os.statvfs(self.root).f_flag & os.ST_RDONLY
        why = "it is mounted read-only" if is_mounted_so else f"this user, {os.geteuid()}, may not"
        return Verdict(
            "failed",
            f"root cannot be written: {self._name}: {why}",
            "see why; if this is how it is to be, name it in scan.read_only_roots",
        )


def _refused(what: str, error: OSError) -> Verdict:
    failure = os_failure("list", error)
    may_not = f"let this user, {os.geteuid()}, read it"
    return Verdict(
        "failed", f"{what}: {failure.message}", may_not if failure.reason == "permission-denied" else _SERVER
    )


def _mount_now(root: bytes) -> str:
    mount = mount_of(os.fsdecode(root))
    return f"{mount.type} {mount.source}" if mount else ""


def _files_in(root: bytes) -> Iterator[bytes]:
    """Yield files in and below `root`, of a few folders; what cannot be listed is passed over."""
    folders = [root]
    for folder in islice(folders, _FOLDERS):
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        yield as_folder(folder) + entry.name
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(as_folder(folder) + entry.name)
        except OSError:
            continue


def _read(path: bytes) -> None:
    # a FIFO that took the place of a file would be waited for
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.read(descriptor, _READ_BYTES)
    finally:
        os.close(descriptor)
