"""Why: what is said of a path, from the rules of scans, the store, and a look at the disk."""

from __future__ import annotations

import os
import signal
import socket
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache import sight as sight_module
from qacache.errors import RootRefused
from qacache.scan.discovery import Filters
from qacache.sight import Lookout
from qacache.store.session import Store
from qacache.store.standing import Standings
from qacache.why import Choice, Explanation, HoldingRoot, Rule, explain, to_dict
from qacache.why_words import sentences
from tests.fakes import FakeClock, FakeProber
from tests.libraries import MP4, scan
from tests.media import age, make_file

# for looks that answer at once; a look that hangs is given up much sooner
PATIENT = Lookout(30.0)
SHORT_S = 0.05


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands at this moment, as the times of files and of the store are the computer's."""
    return FakeClock()


@pytest.fixture
def standings(store: Store) -> Iterator[Standings]:
    with Standings(store.path) as standings:
        yield standings


@pytest.fixture
def path(store: Store, library: Path) -> Path:
    """A file that was scanned, in a library that holds another one."""
    path = make_file(library / "a.mp4", b"A")
    make_file(library / "b.mp4", b"B")
    scan(store, library)
    return path


@pytest.fixture
def vanished(store: Store, library: Path, path: Path) -> Path:
    """That file, which was deleted; a scan missed it."""
    path.unlink()
    scan(store, library)
    return path


def ask(
    standings: Standings | None,
    path: Path,
    *,
    roots: tuple[Path, ...] = (),
    clock: FakeClock | None = None,
    lookout: Lookout = PATIENT,
) -> Explanation:
    choice = Choice(MP4, [os.fsencode(root) for root in roots], settle_s=5)
    (explanation,) = explain([os.fsencode(path)], choice, standings, lookout, clock or FakeClock())
    return explanation


def words(standings: Standings | None, path: Path, **options: Any) -> str:
    """All that is said of the path, a sentence a line."""
    return "\n".join(sentences(ask(standings, path, **options)))


def rules(standings: Standings, path: Path) -> list[tuple[str, str]]:
    """The rules that skip the path, and what is to blame."""
    return [(rule.name, os.path.basename(os.fsdecode(rule.part))) for rule in ask(standings, path).rules]


# how it stands in the store


def test_a_file_that_is_well(standings: Standings, library: Path, path: Path) -> None:
    said = words(standings, path)

    assert "in the store as ok; digest known, last seen " in said
    assert "by fake 1" in said
    assert "on disk: 1 byte, modified 1h ago" in said
    assert "unchanged since it was stored" in said
    assert f"in root {library}, last scanned completely " in said
    assert "reprobe" not in said


def test_a_file_that_failed_says_why_how_often_and_what_next(
    store: Store, standings: Standings, library: Path, clock: FakeClock
) -> None:
    path = make_file(library / "a.mp4", b"broken")
    scan(store, library)

    said = words(standings, path, clock=clock)
    assert "in the store as failed: invalid-data: broken, as it says; digest known" in said
    assert "failed once by fake 1, last " in said
    assert "scans try again in " in said
    assert f"qacache reprobe {path} probes it now" in said

    clock.advance(5000)
    assert "failed once by fake 1, last 1h ago" in words(standings, path, clock=clock)
    assert "the next scan tries again" in words(standings, path, clock=clock)


def test_attempts_are_counted(store: Store, standings: Standings, library: Path) -> None:
    path = make_file(library / "a.mp4", b"broken")
    scan(store, library)
    scan(store, library, force=True)

    assert "failed 2 times by fake 1" in words(standings, path)


def test_a_file_that_vanished_says_since_when_and_how_often_it_was_missed(
    store: Store, standings: Standings, library: Path, vanished: Path
) -> None:
    said = words(standings, vanished)
    assert "in the store as vanished: last seen " in said
    assert "found missing " in said
    assert "; not found by 1 complete scan\n" in said
    assert "on disk: gone (no such file or directory)" in said

    scan(store, library)
    assert "; not found by 2 complete scans\n" in words(standings, vanished)


def test_a_file_that_was_moved_says_where_to(store: Store, standings: Standings, library: Path, path: Path) -> None:
    path.rename(library / "moved.mp4")
    scan(store, library)

    assert f"what became of it: {library}/moved.mp4" in words(standings, path)
    assert to_dict(ask(standings, path), [])["stored"]["moved_to"] == {"path": f"{library}/moved.mp4"}


def test_a_vanished_file_that_is_there_again_is_for_the_next_scan(standings: Standings, vanished: Path) -> None:
    make_file(vanished, b"A")

    assert "it is there again, so the next scan takes it in" in words(standings, vanished)


def test_a_file_that_is_not_stored_is_for_the_next_scan(standings: Standings, scanned: Path) -> None:
    new = make_file(scanned / "new.mp4", b"N")

    said = words(standings, new)

    assert said.startswith("not in the store\n")
    assert f"nothing skips it, so the next scan takes it in; qacache reprobe {new} probes it now" in said


def test_a_folder_says_how_many_files_of_each_status_are_stored_below_it(
    store: Store, standings: Standings, library: Path
) -> None:
    gone = make_file(library / "f" / "gone.mp4", b"G")
    for name, content in (("a", b"A"), ("b", b"B"), ("c", b"broken")):
        make_file(library / "f" / f"{name}.mp4", content)
    (library / "empty").mkdir()
    scan(store, library)
    gone.unlink()
    scan(store, library)

    said = words(standings, library / "f")
    assert "a folder with 4 files stored below it: 1 failed, 2 ok, 1 vanished" in said
    assert f"qacache failures {library}/f lists those that failed" in said
    assert "on disk: folder" in said
    assert "a folder with nothing stored below it" in words(standings, library / "empty")


def test_without_a_store_rules_and_disk_are_explained_all_the_same(library: Path) -> None:
    said = words(None, make_file(library / "a.mp5", b"A"))

    assert "there is no store yet: qacache scan FOLDER makes one" in said
    assert "on disk: 1 byte" in said
    assert "add mp5 to scan.extensions" in said
    assert "not in the store" not in said


def test_a_file_is_known_by_either_unicode_form(store: Store, standings: Standings, library: Path) -> None:
    stored = make_file(library / unicodedata.normalize("NFD", "Café.mp4"), b"A")
    scan(store, library)

    explanation = ask(standings, library / unicodedata.normalize("NFC", "Café.mp4"))

    assert explanation.standing is not None
    assert explanation.sight.state == "there"
    assert f"the store has it as {stored}" in list(sentences(explanation))


def test_a_file_is_known_by_its_real_name_below_a_linked_root(
    store: Store, standings: Standings, library: Path, tmp_path: Path
) -> None:
    real = make_file(library / "a.mp4", b"A")
    (tmp_path / "link").symlink_to(library)
    scan(store, tmp_path / "link")
    new = make_file(library / "new.mp4", b"N")

    assert f"the store has it as {tmp_path}/link/a.mp4" in words(standings, real)
    assert f"in root {tmp_path}/link" in words(standings, real)
    assert f"in root {tmp_path}/link" in words(standings, new)


# what the disk says


def test_a_file_that_changed_says_what_it_was(standings: Standings, path: Path) -> None:
    age(make_file(path, b"longer"), 7200)

    said = words(standings, path)

    assert "on disk: 6 bytes, modified 2h ago" in said
    assert "changed since it was stored with 1 byte, modified 1h ago" in said
    assert "the next scan looks into it" in said


def test_a_stored_file_that_is_gone_is_for_the_next_complete_scan(standings: Standings, path: Path) -> None:
    path.unlink()

    assert "the next complete scan of its root marks it as vanished" in words(standings, path)


def test_a_file_that_was_just_written_to_is_settling(standings: Standings, path: Path) -> None:
    written_s = path.stat().st_mtime

    def is_settling(now_s: float) -> bool:
        return "has settled (scan.settle)" in words(standings, path, clock=FakeClock(now_s))

    assert is_settling(written_s + 4)
    assert not is_settling(written_s + 6)
    assert not is_settling(written_s - 60)


def test_a_root_that_is_empty_makes_its_files_unreachable_not_gone(standings: Standings, scanned: Path) -> None:
    path = scanned / "a.mp4"
    path.unlink()

    explanation = ask(standings, path)

    assert explanation.sight.state == "offline"
    assert explanation.has_changed is None
    assert "on disk: out of reach (its root is missing or empty): check" in words(standings, path)


# roots


def test_a_path_in_no_root_says_how_to_have_it_scanned(store: Store, standings: Standings, library: Path) -> None:
    path = make_file(library / "some folder" / "a.mp4", b"A")

    said = words(standings, path)

    assert (
        f"in no root, so no scan looks at it: add a folder to scan.roots, or run qacache scan '{path.parent}'" in said
    )
    assert f"qacache reprobe '{path}' probes it now" in said


def test_a_configured_root_that_was_never_scanned_is_told_as_such(standings: Standings, library: Path) -> None:
    explanation = ask(standings, make_file(library / "a.mp4", b"A"), roots=(library,))

    assert explanation.root == HoldingRoot(os.fsencode(library), None)
    assert any("of scan.roots, which no scan has gone through yet" in each for each in sentences(explanation))


def test_of_several_roots_the_innermost_that_was_scanned_counts(
    store: Store, standings: Standings, library: Path
) -> None:
    path = make_file(library / "f" / "g" / "a.mp4", b"A")
    scan(store, library)
    scan(store, library / "f")

    explanation = ask(standings, path, roots=(library / "f" / "g",))

    assert explanation.root is not None
    assert explanation.root.path == os.fsencode(library / "f")
    assert explanation.root.scanned_ms is not None


def test_a_folder_that_is_only_called_like_a_root_is_in_none(
    store: Store, standings: Standings, tmp_path: Path
) -> None:
    make_file(tmp_path / "v" / "a.mp4", b"A")
    scan(store, tmp_path / "v")

    explanation = ask(standings, make_file(tmp_path / "v2" / "a.mp4", b"A"))

    assert explanation.root is None


# what skips it


@pytest.fixture
def scanned(store: Store, library: Path) -> Path:
    make_file(library / "a.mp4", b"A")
    scan(store, library)
    return library


def test_an_extension_that_is_not_configured(standings: Standings, scanned: Path) -> None:
    path = make_file(scanned / "clip.MP5", b"A")

    assert rules(standings, path) == [("extension", "MP5")]
    assert "scans pass it over: add mp5 to scan.extensions to have such files scanned" in words(standings, path)
    assert f"qacache reprobe {path} probes it now" in words(standings, path)


@pytest.mark.parametrize("name", ["clip", ".mp4", "clip.d"])
def test_a_name_without_an_extension_of_videos(standings: Standings, scanned: Path, name: str) -> None:
    path = make_file(scanned / name, b"A")

    assert [rule for rule, _ in rules(standings, path)] == ["extension"]
    assert ("no extension, such as mp4" in words(standings, path)) == (name != "clip.d")


def test_a_name_that_is_skipped_says_by_which_pattern(standings: Standings, scanned: Path) -> None:
    explanation = ask(standings, make_file(scanned / "@eaDir" / "sub" / "._a.mp4", b"A"))

    assert explanation.rules == [Rule("skip-name", b"@eaDir", "@eaDir"), Rule("skip-name", b"._a.mp4", "._*")]
    assert any("@eaDir matches @eaDir of scan.skip_names" in each for each in sentences(explanation))


def test_a_folder_that_is_skipped(standings: Standings, scanned: Path) -> None:
    (scanned / "@eaDir").mkdir()

    assert rules(standings, scanned / "@eaDir") == [("skip-name", "@eaDir")]


def test_a_root_is_scanned_whatever_it_is_called(store: Store, standings: Standings, tmp_path: Path) -> None:
    root = tmp_path / "@eaDir" / "@eaDir"
    path = make_file(root / "a.mp4", b"A")
    scan(store, root)

    assert rules(standings, root) == []
    assert rules(standings, path) == []


def test_a_folder_that_is_a_link_is_not_entered(standings: Standings, scanned: Path, tmp_path: Path) -> None:
    make_file(tmp_path / "elsewhere" / "f" / "x.mp4", b"X")
    (scanned / "link").symlink_to(tmp_path / "elsewhere")

    assert rules(standings, scanned / "link" / "f" / "x.mp4") == [("symlink-folder", "link")]
    assert rules(standings, scanned / "link") == [("symlink-folder", "link")]
    said = words(standings, scanned / "link" / "f" / "x.mp4")
    assert (
        f"scans do not enter {scanned}/link, a symbolic link: qacache scan {scanned}/link scans where it leads" in said
    )


def test_a_link_to_a_file_counts_as_the_file(standings: Standings, scanned: Path, tmp_path: Path) -> None:
    (scanned / "link.mp4").symlink_to(make_file(tmp_path / "x.mp4", b"X"))

    assert rules(standings, scanned / "link.mp4") == []


def test_a_link_to_nothing(standings: Standings, scanned: Path) -> None:
    (scanned / "link.mp4").symlink_to("nothing")

    assert rules(standings, scanned / "link.mp4") == [("dangling-symlink", "link.mp4")]
    assert "a symbolic link that leads nowhere" in words(standings, scanned / "link.mp4")


def test_what_is_neither_file_nor_folder(standings: Standings, scanned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scanned)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("x.mp4")

    assert rules(standings, scanned / "x.mp4") == [("not-a-file", "x.mp4")]


def test_a_row_whose_folder_was_not_listed_says_so(store: Store, standings: Standings, library: Path) -> None:
    path = make_file(library / "f" / "a.mp4", b"A")
    make_file(library / "b.mp4", b"B")
    scan(store, library)
    root = os.fsencode(library)
    (known,) = store.reader.roots()
    store.writer.end_root(root, known.identity, file_count=2, scanned_ms=1, unlisted=[root + b"/f"])

    assert rules(standings, path) == [("unlisted-folder", "f")]
    assert f"the last scan could not list {library}/f, or a folder above it" in words(standings, path)


NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & set(b"/\0"))


@given(name=NAMES | st.builds(bytes.__add__, NAMES, st.sampled_from([b".mp4", b".MKV", b".mp5", b"."])))
def test_what_no_rule_of_names_skips_is_what_scans_take(name: bytes) -> None:
    filters = Filters(["mp4", "mkv"], ["._*", "[ab]*", "?.mp4", "Icon\r"])

    is_taken = filters.wanted_files([name]) == [name]

    assert is_taken == (filters.has_wanted_extension(name) and filters.skipping_pattern(name) is None)
    assert (filters.wanted_folders([name]) == [name]) == (filters.skipping_pattern(name) is None)


# disks that do not answer


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch, scanned: Path) -> Path:
    """A root, each look at which hangs for ever, as on a mount whose server is gone."""

    def hang(path: bytes, root: bytes | None) -> dict[str, object]:
        while True:
            signal.pause()

    monkeypatch.setattr(sight_module, "_look", hang)
    return scanned


def test_a_disk_that_hangs_is_out_of_reach(standings: Standings, dead: Path) -> None:
    explanation = ask(standings, dead / "a.mp4", lookout=Lookout(SHORT_S))

    said = list(sentences(explanation))
    assert explanation.standing is not None
    assert explanation.is_known
    assert any("on disk: out of reach (the disk does not answer): check" in each for each in said)


def test_the_rest_of_a_dead_root_is_not_looked_at(standings: Standings, dead: Path, forked: list[int]) -> None:
    lookout = Lookout(SHORT_S)

    states = [ask(standings, dead / f"{name}.mp4", lookout=lookout).sight.state for name in "abc"]

    assert states == ["offline"] * 3
    assert len(forked) == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(forked[0], os.WNOHANG)


# for programs


def test_the_object_of_a_path_has_the_same_keys_whatever_there_is(
    store: Store, standings: Standings, library: Path
) -> None:
    make_file(library / "ok.mp4", b"A")
    make_file(library / "failed.mp4", b"broken")
    scan(store, library, prober=FakeProber())

    known, failed, unknown = (
        to_dict(ask(standings, path), ["words"])
        for path in (library / "ok.mp4", library / "failed.mp4", Path("/nowhere/x.txt"))
    )

    assert list(known) == ["path", "status", "stored", "below", "root", "rules", "disk", "says"]
    assert list(known) == list(failed) == list(unknown)
    assert list(known["stored"]) == list(failed["stored"])
    assert (known["status"], failed["status"], unknown["status"]) == ("ok", "failed", "unknown")
    assert known["disk"] == {
        "state": "there",
        "kind": "file",
        "size": 1,
        "mtime_ns": (library / "ok.mp4").stat().st_mtime_ns,
        "readable": True,
        "changed": False,
        "settling": False,
    }
    assert failed["stored"]["error"]["reason"] == "invalid-data"
    assert (unknown["stored"], unknown["root"], unknown["disk"]["state"]) == (None, None, "gone")
    assert unknown["rules"] == [{"rule": "extension", "part": "txt", "pattern": None}]


def test_what_is_neither_stored_nor_on_disk_is_not_known(store: Store, standings: Standings, library: Path) -> None:
    make_file(library / "f" / "a.mp4", b"A")
    scan(store, library)

    assert not ask(standings, library / "none.mp4").is_known
    for path in (library / "f" / "a.mp4", library / "f", Path("/")):
        assert ask(standings, path).is_known


def test_hard_links_are_told_of_each_other(store: Store, standings: Standings, library: Path) -> None:
    path, copy = make_file(library / "a.mp4", b"A"), make_file(library / "copy.mp4", b"A")
    (library / "b.mp4").hardlink_to(path)
    scan(store, library)

    assert f"the same file has other names, hard links: {library}/b.mp4\n" in words(standings, path)
    assert "hard links" not in words(standings, copy)


def test_a_root_that_was_refused_since_its_last_scan_is_told(store: Store, standings: Standings, library: Path) -> None:
    path = make_file(library / "root" / "a.mp4", b"A")
    other = make_file(library / "root2" / "a.mp4", b"A")
    scan(store, library / "root", library / "root2")
    path.unlink()
    with pytest.raises(RootRefused):
        scan(store, library / "root", library / "root2")

    refusal = f"refused that root: root is empty, but the store knows files in it: {library}/root"
    assert words(standings, path).endswith(refusal)
    assert "refused that root" not in words(standings, other)

    make_file(path, b"A")
    scan(store, library / "root")
    assert "refused that root" not in words(standings, path)
