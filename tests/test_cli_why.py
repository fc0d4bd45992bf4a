"""`qacache why`: what it says of paths, in which form, and with which status."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.command import APART, Command, respecting_permissions
from tests.fuse_mount import ATTRIBUTES, mounted
from tests.media import make_copy, make_file, make_text
from tests.test_cli_terminal import HOSTILE, SHOWN, harmless, plain

needs_permissions = pytest.mark.skipif(
    os.geteuid() == 0 and not respecting_permissions(), reason="root may read everything, and there is no setpriv"
)


def test_each_path_comes_with_its_sentences_indented_below_it(scanned: Command, clips: Path) -> None:
    done = scanned("why", "broken.mp4", "portrait.mp4", cwd=clips)
    lines = done.out.splitlines()
    assert (done.status, done.err) == (0, "")
    assert [line for line in lines if not line.startswith("  ")] == [f"{clips}/broken.mp4", f"{clips}/portrait.mp4"]
    assert lines[1].startswith("  in the store as failed: invalid-data: ")
    assert f"; qacache reprobe {clips}/broken.mp4 probes it now" in lines[2]
    assert any(line.startswith("  in the store as ok; digest known") for line in lines)


def test_a_folder_says_what_is_stored_below_it(scanned: Command, clips: Path) -> None:
    done = scanned("why", clips)
    assert "  a folder with 3 files stored below it: 1 failed, 2 ok\n" in done.out
    assert f"  in root {clips}, last scanned completely " in done.out
    assert done.status == 0


def test_json_is_an_object_a_path(scanned: Command, clips: Path) -> None:
    done = scanned("why", "--json", clips / "wide.mkv", clips / "nowhere.mp4")
    wide, nowhere = done.records
    assert (wide["path"], wide["status"], wide["rules"]) == (str(clips / "wide.mkv"), "ok", [])
    assert wide["disk"]["changed"] is False
    assert wide["root"]["path"] == str(clips)
    assert wide["says"][0].startswith("in the store as ok")
    assert (nowhere["status"], nowhere["disk"]["state"]) == ("unknown", "gone")
    assert done.status == 3


def test_what_is_neither_stored_nor_on_disk_exits_with_3(scanned: Command, clips: Path) -> None:
    done = scanned("why", clips / "nowhere.mp4", clips / "wide.mkv")
    assert done.status == 3
    assert "  not in the store\n  on disk: gone (no such file or directory)\n" in done.out


def test_what_is_on_disk_alone_exits_with_0(scanned: Command, library: Path) -> None:
    done = scanned("why", make_file(library / "notes.txt", b"A"))
    assert done.status == 0
    assert "  scans pass it over: add txt to scan.extensions to have such files scanned\n" in done.out


def test_on_a_mount_that_stalls_nobody_waits_for_the_disk(qacache: Command, videos: Path, library: Path) -> None:
    with mounted(library, videos) as mount:
        qacache("scan", library, wrapper=APART)
        mount.stall(ATTRIBUTES)

        done = qacache("why", library / "wide.mkv", wrapper=APART)

        assert mount.unanswered()
    assert "  in the store as ok; digest known" in done.out
    assert "  on disk: out of reach (the disk does not answer): check" in done.out
    assert (done.status, done.err) == (0, "")


def test_without_a_store_the_rules_are_explained(qacache: Command, library: Path) -> None:
    done = qacache("why", make_file(library / "@eaDir" / "a.mp4", b"A"), QACACHE_SCAN_ROOTS=str(library))
    assert (done.status, done.err) == (0, "")
    assert "  there is no store yet: qacache scan FOLDER makes one\n" in done.out
    assert f"  in {library} of scan.roots, which no scan has gone through yet: run qacache scan\n" in done.out
    assert "  scans pass it over: @eaDir matches @eaDir of scan.skip_names" in done.out
    assert not qacache.db.exists()


def test_the_configuration_decides_what_is_skipped(scanned: Command, clips: Path) -> None:
    done = scanned("why", clips / "wide.mkv", QACACHE_SCAN_EXTENSIONS="mp4", QACACHE_SCAN_SKIP_NAMES="w*")
    assert "  in the store as ok" in done.out
    assert "  scans pass it over: wide.mkv matches w* of scan.skip_names" in done.out
    assert "  scans pass it over: add mkv to scan.extensions" in done.out


def test_the_way_out_works(qacache: Command, videos: Path) -> None:
    path = make_copy(videos / "clip.mp5", videos / "portrait.mp4")
    qacache("scan", videos)
    said = qacache("why", path).out
    assert f"  qacache reprobe {path} probes it now\n" in said
    assert qacache("reprobe", path).status == 0
    assert "  in the store as ok" in qacache("why", path).out


@needs_permissions
def test_what_may_not_be_read_or_listed_says_so(qacache: Command, videos: Path) -> None:
    closed = make_copy(videos / "closed" / "a.mp4", videos / "portrait.mp4")
    searched = make_copy(videos / "searched" / "a.mp4", videos / "portrait.mp4")
    (videos / "wide.mkv").chmod(0)
    closed.parent.chmod(0)
    searched.parent.chmod(0o100)
    qacache("scan", videos, wrapper=respecting_permissions())
    done = qacache("why", "--json", closed, searched, videos / "wide.mkv", wrapper=respecting_permissions())
    closed.parent.chmod(0o700)
    searched.parent.chmod(0o700)
    inside, beside, unreadable = done.records
    assert inside["disk"]["state"] == "denied"
    assert any("check the permissions of the folders above it" in say for say in inside["says"])
    assert [rule["part"] for rule in inside["rules"]] == [str(closed.parent)]
    assert (beside["disk"]["state"], beside["rules"][0]["rule"]) == ("there", "closed-folder")
    assert (unreadable["stored"]["error"]["reason"], unreadable["disk"]["readable"]) == ("permission-denied", False)
    assert "it may not be read: check its permissions" in unreadable["says"]
    assert any(say.endswith("; the next scan tries again") for say in unreadable["says"])


def test_no_form_of_output_passes_escape_sequences_on(qacache: Command, library: Path) -> None:
    path = make_text(library / f"folder {HOSTILE}" / f"broken {HOSTILE}.mp4")
    qacache("scan", library)
    for done in (qacache("why", path, path.parent, library / HOSTILE), qacache("why", "--json", path, path.parent)):
        assert harmless(done.out + done.err)
        assert "\x1b" not in done.out + done.err
    assert SHOWN in qacache("why", path).out
    assert harmless(plain(qacache.on_terminal("why", path).wait().out))


@pytest.mark.parametrize("arguments", [[], [""], ["x.mp4", ""]], ids=["none", "empty", "one empty"])
def test_no_path_and_empty_paths_are_wrong_usage(scanned: Command, arguments: list[str]) -> None:
    done = scanned("why", *arguments)
    assert done.status == 2
    assert done.err.startswith("qacache: ")


def test_a_store_that_cannot_be_used_is_an_error(qacache: Command, library: Path, tmp_path: Path) -> None:
    notes = make_file(tmp_path / "notes.txt", b"This is no database, but somebody's notes.\n" * 100)
    done = qacache("why", library, "--db", notes)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"qacache: store {notes} is no SQLite database ")


def test_help_names_every_exit_status(qacache: Command) -> None:
    text = " ".join(qacache("why", "--help").out.split())
    assert "Exit status: 0 ok · 1 error · 2 wrong usage" in text
    assert "3 done, but some files failed, or some paths were not found" in text
    assert "10 no store" not in text
