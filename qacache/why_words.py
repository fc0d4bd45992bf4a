"""Explanations in words: sentences for people, each with the way out where there is one.

In: an `Explanation`. Out: its sentences. Names of files stand in them as they are, and may hold anything.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, assert_never

from qacache.moments import relative_time
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.store.ledger import FailedFile
    from qacache.store.standing import Standing
    from qacache.why import Explanation, Rule, RuleName


_RULES: dict[RuleName, str] = {
    "skip-name": "scans pass it over: {part} matches {pattern} of scan.skip_names; take that out to have it scanned",
    "symlink-folder": "scans do not enter {part}, a symbolic link: qacache scan {quoted} scans where it leads",
    "not-a-file": "scans pass it over: it is neither a file nor a folder",
    "dangling-symlink": "scans fail at it: a symbolic link that leads nowhere; mend the link, or remove it",
    "closed-folder": "scans cannot list {part}: check its permissions",
    "unlisted-folder": "the last scan could not list {part}, or a folder above it, or what is known of the file "
    "was imported since: it stays as it is stored",
}


def sentences(explanation: Explanation) -> Iterator[str]:
    """Yield what there is to say: how it stands in the store, on disk, in which root, what skips it, what to do."""
    yield from _in_store(explanation)
    yield from _on_disk(explanation)
    yield from _in_root(explanation)
    yield from map(_rule, explanation.rules)
    yield from _ways_out(explanation)


def _in_store(explanation: Explanation) -> Iterator[str]:
    standing = explanation.standing
    if not explanation.has_store:
        yield "there is no store yet: qacache scan FOLDER makes one"
    if standing is not None:
        yield from _standing(standing, explanation)
    if explanation.below:
        total = sum(explanation.below.values())
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(explanation.below.items()))
        yield f"a folder with {total:,} {'file' if total == 1 else 'files'} stored below it: {counts}"
        if explanation.below.get("failed"):
            yield f"qacache failures {_quoted(explanation.name)} lists those that failed"
    elif standing is None and explanation.has_store:
        yield "a folder with nothing stored below it" if explanation.is_folder else "not in the store"
    if explanation.name != explanation.path:
        yield f"the store has it as {_text(explanation.name)}"


def _standing(standing: Standing, explanation: Explanation) -> Iterator[str]:
    now_ms = explanation.now_ms
    last_seen = f"last seen {_when(standing.last_seen_ms, now_ms)}"
    digest = "digest known" if standing.digest else "digest not known"
    if standing.status == "failed" and standing.failure:
        failure = standing.failure
        yield f"in the store as failed: {failure.reason}: {failure.message}; {digest}, {last_seen}"
        yield _retry(failure, explanation)
    elif standing.status == "vanished":
        yield f"in the store as vanished: {last_seen}; {digest}"
        yield from _departure(standing, now_ms)
    else:
        yield f"in the store as {standing.status}; {digest}, {last_seen}"
    if standing.probed_ms is not None:
        yield f"probed {_when(standing.probed_ms, now_ms)} by {standing.prober}"
    if standing.links:
        yield f"the same file has other names, hard links: {', '.join(map(_text, standing.links))}"


def _retry(failure: FailedFile, explanation: Explanation) -> str:
    now_ms = explanation.now_ms
    tried = "failed once" if failure.attempts == 1 else f"failed {failure.attempts:,} times"
    by = f" by {failure.prober}" if failure.prober else ""
    tried = f"{tried}{by}, last {_when(failure.failed_ms, now_ms)}"
    if not failure.is_waiting(now_ms):
        return f"{tried}; the next scan tries again"
    return (
        f"{tried}; scans try again {_when(failure.next_retry_ms, now_ms)}, or once the file or the prober changes; "
        f"{_probe_now(explanation)}"
    )


def _departure(standing: Standing, now_ms: int) -> Iterator[str]:
    away = f"not found by {standing.away:,} complete {'scan' if standing.away == 1 else 'scans'}"
    if standing.departure is None:
        yield away
        return
    yield f"found missing {_when(standing.departure.noticed_ms, now_ms)}; {away}"
    if standing.departure.new_path is not None:
        yield f"what became of it: {_text(standing.departure.new_path)}"


def _on_disk(explanation: Explanation) -> Iterator[str]:
    sight = explanation.sight
    match sight.state:
        case "gone":
            yield f"on disk: gone ({sight.problem})"
        case "denied":
            yield f"on disk: not to be looked at ({sight.problem}): check the permissions of the folders above it"
        case "offline":
            yield f"on disk: out of reach ({sight.problem}): check that its folder is there and mounted"
        case "there":
            yield from _what_is_there(explanation)
        case _:
            assert_never(sight.state)


def _what_is_there(explanation: Explanation) -> Iterator[str]:
    sight = explanation.sight
    kind = (
        "link" if sight.kind == "dangling-link" else "neither file nor folder" if sight.kind == "other" else sight.kind
    )
    if sight.kind != "file" or sight.size is None or sight.mtime_ns is None:
        yield f"on disk: {kind}"
    else:
        when = _when(sight.mtime_ns // 1_000_000, explanation.now_ms)
        yield f"on disk: {_amount(sight.size)}, modified {when}{_comparison(explanation)}"
        if not sight.is_readable:
            yield "it may not be read: check its permissions"
    if explanation.is_settling:
        yield "written to a moment ago, and may still grow: scans leave it alone until it has settled (scan.settle)"


def _comparison(explanation: Explanation) -> str:
    standing = explanation.standing
    if standing is None or standing.status == "vanished":
        return ""
    if not explanation.has_changed:
        return "; unchanged since it was stored"
    modified = _when(standing.mtime_ns // 1_000_000, explanation.now_ms)
    return f"; changed since it was stored with {_amount(standing.size)}, modified {modified}"


def _in_root(explanation: Explanation) -> Iterator[str]:
    root = explanation.root
    if root is None and explanation.sight.state == "gone":
        yield "in no root"
    elif root is None:
        folder = explanation.name if explanation.is_folder else os.path.dirname(explanation.name)
        yield f"in no root, so no scan looks at it: add a folder to scan.roots, or run qacache scan {_quoted(folder)}"
    elif root.scanned_ms is None:
        yield f"in {_text(root.path)} of scan.roots, which no scan has gone through yet: run qacache scan"
    else:
        yield f"in root {_text(root.path)}, last scanned completely {_when(root.scanned_ms, explanation.now_ms)}"
    if root and root.refusal:
        yield f"a scan {_when(root.refusal.started_ms, explanation.now_ms)} refused that root: {root.refusal.says}"


def _rule(rule: Rule) -> str:
    if rule.name == "extension":
        if not rule.part:
            return "scans pass it over: its name has no extension, such as mp4"
        return f"scans pass it over: add {_text(rule.part).lower()} to scan.extensions to have such files scanned"
    return _RULES[rule.name].format(part=_text(rule.part), quoted=_quoted(rule.part), pattern=rule.pattern)


def _ways_out(explanation: Explanation) -> Iterator[str]:
    standing = explanation.standing
    if explanation.sight.state == "gone" and standing and standing.status != "vanished" and explanation.root:
        yield "the next complete scan of its root marks it as vanished"
    if explanation.sight.kind != "file" or explanation.is_settling:
        return
    if explanation.rules or explanation.root is None:
        if standing is None and explanation.sight.is_readable:
            yield _probe_now(explanation)
    elif standing is None:
        yield f"nothing skips it, so the next scan takes it in; {_probe_now(explanation)}"
    elif standing.status == "vanished":
        yield f"it is there again, so the next scan takes it in; {_probe_now(explanation)}"
    elif explanation.has_changed:
        yield f"the next scan looks into it; {_probe_now(explanation)}"


def _probe_now(explanation: Explanation) -> str:
    return f"qacache reprobe {_quoted(explanation.name)} probes it now"


def _amount(size: int) -> str:
    return "1 byte" if size == 1 else f"{size:,} bytes"


def _when(ms: int, now_ms: int) -> str:
    return f"{relative_time(ms, now_ms)} ({iso_time(ms)})"


def _quoted(path: bytes) -> str:
    return shlex.quote(_text(path))


def _text(path: bytes) -> str:
    return os.fsdecode(path)
