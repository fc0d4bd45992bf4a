"""Why a file is, or is not, in the store: all that there is to say of one path, gathered.

In: paths, the rules by which scans choose, what the store knows, and a look at the disk. Out: an `Explanation` for
each; `qacache.why_words` says it in sentences.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from qacache.models import FileStat
from qacache.paths import absolute, as_folder
from qacache.record import path_fields
from qacache.scan.settle import is_settled
from qacache.store.ledger import failure_dict
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from qacache.clock import Clock
    from qacache.scan.discovery import Filters
    from qacache.sight import Lookout, Sight
    from qacache.store.standing import Refusal, Standing, Standings

RuleName = Literal[
    "extension", "skip-name", "symlink-folder", "not-a-file", "dangling-symlink", "closed-folder", "unlisted-folder"
]


class Choice(NamedTuple):
    """By what scans choose files: `filters`, the configured `roots`, and for how long a file settles."""

    filters: Filters
    roots: Sequence[bytes]
    settle_s: float


class HoldingRoot(NamedTuple):
    """The root that a path is or lies in; `scanned_ms` is None where it is configured, but was never scanned.

    `refusal` is why a scan since then refused it, if one did.
    """

    path: bytes
    scanned_ms: int | None
    refusal: Refusal | None = None


class Rule(NamedTuple):
    """What makes scans pass a path over.

    `part` is what is to blame: an extension without its dot, a name, or the path of a folder or file; `pattern` is the
    one of `scan.skip_names`.
    """

    name: RuleName
    part: bytes
    pattern: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that is known of `path`, as of `now_ms`.

    `name` is how the store spells it. `below` counts the files that are stored below it, by status: it is then a
    folder. `is_settling` says that it was written to a moment ago.
    """

    path: bytes
    name: bytes
    now_ms: int
    has_store: bool
    root: HoldingRoot | None
    rules: Sequence[Rule]
    sight: Sight
    standing: Standing | None
    below: Mapping[str, int]
    is_settling: bool

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, by the disk or by the store."""
        return self.sight.kind == "folder" or bool(self.below)

    @property
    def is_known(self) -> bool:
        """Whether anything of that name is stored, or may be on disk."""
        return self.standing is not None or bool(self.below) or self.sight.state != "gone"

    @property
    def has_changed(self) -> bool | None:
        """Whether the file is not what is stored of it; None where either is not known, or there is none."""
        if self.standing is None or self.sight.state in ("denied", "offline"):
            return None
        is_gone = self.sight.state == "gone"
        if is_gone or self.standing.status == "vanished":
            return is_gone != (self.standing.status == "vanished")
        return (self.sight.size, self.sight.mtime_ns) != (self.standing.size, self.standing.mtime_ns)


def explain(
    paths: Iterable[bytes], choice: Choice, standings: Standings | None, lookout: Lookout, clock: Clock
) -> Iterator[Explanation]:
    """Yield an explanation of each of `paths`, in order; `standings` is None where there is no store."""
    known = {root.path: root.scanned_ms for root in standings.roots()} if standings else {}
    refusals = standings.refusals() if standings else []
    for path in map(absolute, paths):
        standing = standings.find(path) if standings else None
        folder, below = standings.count_below(path) if standings else (path, {})
        names = [standing.path] if standing else [folder] if below else standings.names(path) if standings else [path]
        name, root = _place(names, known, choice.roots)
        root = root and root._replace(refusal=_refusal_of(root, refusals))
        sight = lookout.look(name, root.path if root else None)
        now = clock.time()
        yield Explanation(
            path=path,
            name=name,
            now_ms=int(now * 1000),
            has_store=standings is not None,
            root=root,
            rules=list(_rules(name, root, sight, standing, sight.kind == "folder" or bool(below), choice.filters)),
            sight=sight,
            standing=standing,
            below=below,
            is_settling=_is_settling(name, sight, int(now * 1e9), choice.settle_s),
        )


def _place(
    names: Sequence[bytes], known: Mapping[bytes, int], configured: Sequence[bytes]
) -> tuple[bytes, HoldingRoot | None]:
    """Return the first of `names` that is in a root, with that root; those that were scanned come first."""
    for roots in (known, configured):
        for name in names:
            holding = [root for root in roots if name == root or name.startswith(as_folder(root))]
            if holding:
                root = max(holding, key=len)
                return name, HoldingRoot(root, known.get(root))
    return names[0], None


def _refusal_of(root: HoldingRoot, refusals: Sequence[Refusal]) -> Refusal | None:
    later = [refusal for refusal in refusals if refusal.started_ms > (root.scanned_ms or 0)]
    return next((refusal for refusal in later if refusal.concerns(root.path)), None)


def _rules(
    name: bytes, root: HoldingRoot | None, sight: Sight, standing: Standing | None, is_folder: bool, filters: Filters
) -> Iterator[Rule]:
    """Yield all that makes scans pass `name` over."""
    yield from _rules_of_names(name, root, is_folder, filters)
    if sight.link_folder:
        yield Rule("symlink-folder", sight.link_folder)
    if sight.closed_folder:
        yield Rule("closed-folder", sight.closed_folder)
    elif standing and standing.is_unlisted:
        yield Rule("unlisted-folder", os.path.dirname(name))
    if sight.kind == "other":
        yield Rule("not-a-file", name)
    elif sight.kind == "dangling-link":
        yield Rule("dangling-symlink", name)


def _rules_of_names(name: bytes, root: HoldingRoot | None, is_folder: bool, filters: Filters) -> Iterator[Rule]:
    # whatever a root is called, and what it is in, it is scanned: somebody has named it
    if root:
        parts = name[len(as_folder(root.path)) :].split(b"/") if name != root.path else []
    else:
        parts = [] if is_folder else [os.path.basename(name)]
    for part in parts:
        pattern = filters.skipping_pattern(part)
        if pattern is not None:
            yield Rule("skip-name", part, pattern)
    if parts and not is_folder and not filters.has_wanted_extension(parts[-1]):
        _, dot, extension = parts[-1][1:].rpartition(b".")
        yield Rule("extension", dot and extension)


def _is_settling(name: bytes, sight: Sight, now_ns: int, settle_s: float) -> bool:
    if sight.kind != "file" or sight.size is None or sight.mtime_ns is None:
        return False
    stat = FileStat(name, sight.size, sight.mtime_ns, inode=0, device=0)
    # what is dated into the future does not settle by waiting, and scans do not wait for it
    return sight.mtime_ns <= now_ns and not is_settled(stat, now_ns, settle_s)


def to_dict(explanation: Explanation, says: Sequence[str]) -> dict[str, Any]:
    """Return the explanation, ready for JSON; `says` are its sentences. Times are UTC, ISO 8601."""
    root, sight, standing = explanation.root, explanation.sight, explanation.standing
    return {
        **path_fields(explanation.path),
        "status": standing.status if standing else "unknown",
        "stored": _standing_dict(standing) if standing else None,
        "below": dict(sorted(explanation.below.items())) if explanation.is_folder else None,
        "root": _root_dict(root) if root else None,
        "rules": [_rule_dict(rule) for rule in explanation.rules],
        "disk": {
            "state": sight.state,
            "kind": sight.kind,
            "size": sight.size,
            "mtime_ns": sight.mtime_ns,
            "readable": sight.is_readable,
            "changed": explanation.has_changed,
            "settling": explanation.is_settling,
        },
        "says": list(says),
    }


def _root_dict(root: HoldingRoot) -> dict[str, Any]:
    refusal = root.refusal
    return {
        **path_fields(root.path),
        "scanned_at": iso_time(root.scanned_ms),
        "refused": refusal and {"at": iso_time(refusal.started_ms), "says": refusal.says},
    }


def _standing_dict(standing: Standing) -> dict[str, Any]:
    departure = standing.departure
    moved_to = path_fields(departure.new_path) if departure and departure.new_path else None
    return {
        **path_fields(standing.path),
        "size": standing.size,
        "mtime_ns": standing.mtime_ns,
        "digest": standing.digest,
        "first_seen": iso_time(standing.first_seen_ms),
        "last_seen": iso_time(standing.last_seen_ms),
        "probed_at": iso_time(standing.probed_ms),
        "prober": standing.prober,
        "error": failure_dict(standing.failure) if standing.failure else None,
        "vanished_at": iso_time(departure.noticed_ms) if departure else None,
        "away": standing.away,
        "moved_to": moved_to,
        "links": [path_fields(link) for link in standing.links],
    }


def _rule_dict(rule: Rule) -> dict[str, Any]:
    part = {f"part{key.removeprefix('path')}": text for key, text in path_fields(rule.part).items()}
    return {"rule": rule.name, **part, "pattern": rule.pattern}
