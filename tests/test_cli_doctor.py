"""`qacache doctor`: what is printed and with which status, on real disks and with real permissions."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from qacache.config.upkeep import CHECKS
from qacache.store.lock import held, lock_path, scan_lock_path
from tests.command import Argument, Command, Done, respecting_permissions
from tests.fuse_mount import LISTINGS, mounted
from tests.media import make_file

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|9[0-7])[;m]")
HOSTILE = "\x1b]0;evil\x07"

# to start the probers takes longer than all the rest
QUICK = {"QACACHE_DOCTOR_SKIP": "prober-libav,prober-ffprobe"}
SOUND = {"QACACHE_DOCTOR_SKIP": "prober-libav,prober-ffprobe,sqlite-version"}

# mounts a disk in memory with the options $1 on $2, runs $3 there, and then the rest
ON_A_DISK = 'mount -t tmpfs -o "$1" tmpfs "$2" || exit 77; sh -ec "$3" sh "$2" || exit 78; shift 3; exec "$@"'


def states(done: Done) -> dict[str, str]:
    """The state of each check, of several of the same name the last one."""
    lines = [line.split() for line in done.out.splitlines()]
    return {line[1]: line[0] for line in lines if len(line) > 1 and line[1] in CHECKS}


def on_a_disk(options: str, folder: Path, prepare: str = "") -> Sequence[Argument]:
    """The wrapper for a command in a mount namespace of its own, in which `folder` is a small disk."""
    namespace = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("needs mount namespaces (Linux, unshare), to mount a small disk in")
    return [*namespace, "sh", "-c", ON_A_DISK, "sh", options, folder, prepare]


@pytest.fixture
def sound(qacache: Command, videos: Path) -> Command:
    """The command after a scan."""
    qacache("scan", videos)
    return qacache


def test_where_all_is_well_a_check_is_a_line(sound: Command, videos: Path) -> None:
    done = sound("doctor", **SOUND)

    assert (done.status, done.err) == (0, "")
    *lines, summary = done.out.splitlines()
    assert [line.split()[1] for line in lines] == list(CHECKS)
    assert f"root can be listed: {videos}" in done.out
    assert summary == f"{len(CHECKS)} checks: {len(CHECKS) - 3} ok · 3 skipped"


def test_probers_are_named_with_their_versions(sound: Command) -> None:
    done = sound("doctor")
    assert states(done)["prober-libav"] == "ok"
    assert re.search(r"^ok +prober-libav +libav \d+\.\d+", done.out, re.MULTILINE)
    assert re.search(r"^ok +prober-ffprobe +ffprobe 5\.1\.9 probes", done.out, re.MULTILINE)


def test_what_failed_comes_with_a_hint_and_status_1(sound: Command, videos: Path) -> None:
    videos.rename(videos.with_name("away"))

    done = sound("doctor", **SOUND)

    assert (done.status, done.err) == (1, "")
    assert states(done)["root-present"] == "failed"
    assert f"root is missing: {videos}\n" in done.out
    assert "hint: check that the folder is there and mounted\n" in done.out
    assert done.out.splitlines()[-1].endswith(" ok · 1 failed · 6 skipped")


def test_warnings_are_no_failures(sound: Command, videos: Path) -> None:
    (videos.parent / "empty").mkdir()
    done = sound("doctor", **SOUND, QACACHE_SCAN_ROOTS=str(videos.parent / "empty"))
    assert done.status == 0
    assert "root is empty" in done.out


def test_programs_get_an_object_a_check_and_a_summary(sound: Command, videos: Path) -> None:
    videos.rename(videos.with_name("away"))

    done = sound("doctor", "--json", **SOUND)

    assert done.status == 1
    *checks, summary = done.records
    assert [each["check"] for each in checks] == list(CHECKS)
    assert summary == {"event": "summary", "state": "failed", "ok": 8, "warning": 0, "failed": 1, "skipped": 6}
    [failed] = [each for each in checks if each["state"] == "failed"]
    assert failed == {
        "event": "check",
        "check": "root-present",
        "state": "failed",
        "message": f"root is missing: {videos}",
        "hint": "check that the folder is there and mounted",
        "path": str(videos),
    }


def test_before_the_first_scan_nothing_is_wrong(qacache: Command) -> None:
    done = qacache("doctor", **QUICK)
    assert (done.status, done.err) == (0, "")
    assert f"no store at {qacache.db}" in done.out
    assert "hint: make one with: qacache scan FOLDER" in done.out
    assert not qacache.db.parent.exists()


def test_a_configuration_that_is_wrong_is_told_as_everywhere(qacache: Command) -> None:
    done = qacache("doctor", QACACHE_DOCTOR_SKIP="sqlite")
    assert (done.status, done.out) == (2, "")
    assert '"sqlite" is no check: write database-filesystem, ' in done.err


@pytest.mark.parametrize(
    ("statement", "hint"),
    [("user_version = 1", "qacache migrate"), ("user_version = 99", "upgrade"), ("application_id = 1", "--db")],
)
def test_a_store_of_another_schema_is_a_failed_check_and_no_error(sound: Command, statement: str, hint: str) -> None:
    with closing(sqlite3.connect(sound.db)) as connection:
        connection.execute(f"PRAGMA {statement}")
    done = sound("doctor", **QUICK)
    assert (done.status, done.err) == (1, "")
    assert states(done)["database-schema"] == "failed"
    assert hint in done.out


def test_locks_are_told_with_their_holders(sound: Command) -> None:
    with (
        held(lock_path(str(sound.db)), purpose="a long write", timeout_s=0.0),
        held(scan_lock_path(str(sound.db)), purpose="qacache scan", timeout_s=0.0),
    ):
        done = sound("doctor", **QUICK, QACACHE_DB_BUSY_TIMEOUT="0")
    assert done.status == 0
    assert f"scan lock is held by pid {os.getpid()} (qacache scan)" in done.out
    assert f"pid {os.getpid()} (a long write) holds" in done.out
    assert (states(done)["write-lock"], states(done)["wal-checkpoint"]) == ("warning", "skipped")


def test_a_mount_that_stalls_is_given_up_and_the_command_ends(sound: Command, tmp_path: Path) -> None:
    nas = tmp_path / "nas"
    with mounted(nas, make_file(tmp_path / "served" / "film.mp4", b"content").parent) as mount:
        mount.stall(LISTINGS)
        # a process of its own, which has to end while a thread of it hangs
        process = sound.start("doctor", **QUICK, QACACHE_DOCTOR_DEADLINE="500ms", QACACHE_SCAN_ROOTS=str(nas))
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, b"")
    assert f"root {nas}: no answer in 0.5 s" in out.decode()


# what may be read and written


def test_a_root_that_may_not_be_listed_fails(sound: Command, videos: Path) -> None:
    videos.chmod(0o300)
    done = sound("doctor", wrapper=respecting_permissions(), **QUICK)
    videos.chmod(0o700)
    assert done.status == 1
    assert f"root cannot be listed: {videos}: permission denied" in done.out
    assert f"hint: let this user, {os.geteuid()}, read it" in done.out


def test_a_root_of_which_no_file_may_be_read_fails_and_one_is_enough(sound: Command, videos: Path) -> None:
    for path in videos.iterdir():
        path.chmod(0o000)
    denied = sound("doctor", wrapper=respecting_permissions(), **QUICK)
    (videos / "wide.mkv").chmod(0o400)
    granted = sound("doctor", wrapper=respecting_permissions(), **QUICK)
    assert (denied.status, states(denied)["root-readable"]) == (1, "failed")
    assert re.search(rf"no file in the root can be read: {videos}/\S+: permission denied", denied.out)
    assert (granted.status, states(granted)["root-readable"]) == (0, "ok")


def test_a_root_that_may_not_be_written_fails_unless_it_need_not_be(sound: Command, videos: Path) -> None:
    videos.chmod(0o500)
    done = sound("doctor", wrapper=respecting_permissions(), **QUICK)
    accepted = sound("doctor", wrapper=respecting_permissions(), **QUICK, QACACHE_SCAN_READ_ONLY_ROOTS=str(videos))
    videos.chmod(0o700)
    assert (done.status, states(done)["root-writable"]) == (1, "failed")
    assert f"root cannot be written: {videos}: this user, {os.geteuid()}, may not" in done.out
    assert "scan.read_only_roots" in done.out
    assert (accepted.status, states(accepted)["root-writable"]) == (0, "skipped")


def test_a_root_that_is_mounted_read_only_says_so(qacache: Command, tmp_path: Path) -> None:
    wrapper = on_a_disk("size=1m", tmp_path, 'echo content > "$1/film.mp4"; mount -o remount,ro "$1"')
    done = qacache("doctor", wrapper=wrapper, **QUICK, QACACHE_SCAN_ROOTS=str(tmp_path), HOME="/nowhere")
    assert (done.status, states(done)["root-writable"]) == (1, "failed")
    assert "it is mounted read-only" in done.out


def test_a_store_that_may_not_be_written_fails(sound: Command) -> None:
    folder = sound.db.parent
    for path in (*folder.iterdir(), folder):
        path.chmod(0o500 if path.is_dir() else 0o400)
    done = sound("doctor", wrapper=respecting_permissions(), **QUICK)
    folder.chmod(0o700)
    assert (done.status, states(done)["wal-checkpoint"]) == (1, "failed")
    assert "hint: make the store's folder writable" in done.out


def test_a_store_that_may_not_be_looked_at_is_not_taken_for_none(sound: Command) -> None:
    sound.db.parent.chmod(0o000)
    done = sound("doctor", wrapper=respecting_permissions(), **QUICK)
    sound.db.parent.chmod(0o700)
    assert (done.status, states(done)["database-schema"]) == (1, "failed")
    assert f"store {sound.db}: permission denied" in done.out


def test_a_full_disk_is_noticed(sound: Command, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = f'cp {sound.db} "$1/q.db"; : > "$1/q.db.lock"; cat /dev/zero > "$1/filler" 2>/dev/null || true'
    wrapper = on_a_disk("size=2m", disk, fill)

    done = sound("doctor", "--db", disk / "q.db", wrapper=wrapper, **QUICK)

    assert (done.status, states(done)["database-space"]) == (1, "failed")
    assert f"only 0.0 MiB free at the store: {disk}" in done.out
    assert "it may be full" in done.out


def test_a_disk_without_room_for_a_copy_of_the_store_is_a_warning(sound: Command, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = f'cp {sound.db} "$1/q.db"; head -c 900000 /dev/zero >> "$1/q.db"'
    wrapper = on_a_disk("size=1500k", disk, fill)

    done = sound("doctor", "--db", disk / "q.db", wrapper=wrapper, **QUICK, QACACHE_DOCTOR_MIN_FREE="4096")

    assert states(done)["database-space"] == "warning"
    assert "less than the store takes" in done.out


# on a terminal


def test_a_terminal_gets_colours_and_lines_that_fit(sound: Command, videos: Path) -> None:
    done = sound.on_terminal("doctor", columns=80, **QUICK).wait()
    screen = ESCAPE.sub("", done.out)
    assert COLOUR.search(done.out)
    assert max(map(len, screen.splitlines())) <= 80
    assert re.search(r"^skipped prober-libav +left out, says doctor.skip", screen, re.MULTILINE)


def test_colours_are_left_out_where_they_are_not_wanted(sound: Command) -> None:
    done = sound.on_terminal("doctor", NO_COLOR="1", **QUICK).wait()
    assert "root-present" in done.out
    assert not COLOUR.search(done.out)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_names_are_shown_harmless(qacache: Command, is_terminal: bool) -> None:
    roots = {"QACACHE_SCAN_ROOTS": f'["/{HOSTILE}"]'.replace("\x1b", "\\u001b").replace("\x07", "\\u0007")}
    if is_terminal:
        out = qacache.on_terminal("doctor", columns=200, **QUICK, **roots).wait().out
    else:
        out = qacache("doctor", **QUICK, **roots).out
    assert r"root is missing: /\x1b]0;evil\x07" in out
    assert HOSTILE not in out


def test_each_line_is_told_at_once(sound: Command, tmp_path: Path) -> None:
    nas = tmp_path / "nas"
    with mounted(nas, make_file(tmp_path / "served" / "film.mp4", b"content").parent) as mount:
        mount.stall(LISTINGS)
        process = sound.start("doctor", **QUICK, QACACHE_SCAN_ROOTS=str(nas))
        assert process.stdout is not None
        told = b""
        while b"root-present" not in told:
            more = os.read(process.stdout.fileno(), 65536)
            assert more, told
            told += more
        assert b"root-listable" not in told
        mount.recover()
        told += process.stdout.read()
        process.communicate(timeout=30)
    assert b"ok       root-listable" in told
