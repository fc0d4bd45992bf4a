"""Names, files, folders and databases as bad as they come: each is told clearly, and nothing else is lost.

In every library here there is a good clip, too, and it is always stored.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from tests.command import Command, Done, hanging_ffprobe, make_ffprobe, probed_by, respecting_permissions
from tests.media import make_clip, make_copy, make_file, make_playlist, make_text, make_truncated

PATH_MAX = 4096
NAMES = [
    b"\xff\xfe no UTF-8 \x9b31m.mp4",
    b"two\nlines.mp4",
    b"tab\there.mp4",
    b"-rf.mp4",
    b"--help.mp4",
    b"100%25.mp4",
    b"'quoted' \"$(reboot)\" `x` \\.mp4",
    b" spaces .mp4",
    "日本語 e\u0301.mp4".encode(),
    b"http:x.mp4",
    b"%d.mp4",
]

linux_names = pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 here")
needs_permissions = pytest.mark.skipif(
    os.geteuid() == 0 and not respecting_permissions(), reason="root may read everything, and there is no setpriv"
)


@pytest.fixture
def qacache(tmp_path: Path) -> Command:
    """The command with the real ffprobe: what that makes of bad files is the point."""
    return Command(tmp_path / "home")


@pytest.fixture
def good(library: Path, clips: Path) -> Path:
    """The good clip of a library."""
    return make_copy(library / "good.mp4", clips / "portrait.mp4")


@pytest.fixture
def unreadable(library: Path, clips: Path) -> Iterator[Path]:
    """A folder with a clip, to be made unreadable."""
    folder = library / "private"
    make_copy(folder / "clip.mp4", clips / "wide.mkv")
    yield folder
    folder.chmod(0o755)


def reasons(done: Done) -> dict[str, str]:
    """The reason of each failure, by the name of the file."""
    return {Path(event["path"]).name: event["reason"] for event in done.records if event["event"] == "failed"}


def is_ok(qacache: Command, path: Path) -> bool:
    return qacache("lookup", "--field", "status", path).out == "ok\n"


# names


@linux_names
def test_names_of_all_kinds_are_scanned_looked_up_and_exported(qacache: Command, library: Path, good: Path) -> None:
    paths = [os.path.join(os.fsencode(library), name) for name in NAMES]
    for path in paths:
        make_copy(Path(os.fsdecode(path)), good)
    scan = qacache("scan", library)
    assert (scan.status, scan.err) == (0, "")
    looked_up = qacache("lookup", "-0", stdin=b"\0".join(paths)).rows
    assert [unquote_to_bytes(row["path"]) for row in looked_up] == paths
    assert {row["status"] for row in looked_up} == {"ok"}
    assert qacache("lookup", "--", *NAMES, cwd=library).rows == looked_up
    assert len(qacache("export").records) == len(NAMES) + 1


def test_ffprobe_takes_no_name_for_an_option_or_a_protocol(qacache: Command, library: Path) -> None:
    for number, name in enumerate(["-version.mp4", "http:x.mp4", "%d.mp4", "concat:a|b.mp4"]):
        make_clip(library / name, shade=30 * number)
    assert "4 probed" in qacache("scan", library).out


def test_paths_of_4000_characters_are_paths_like_others(qacache: Command, library: Path, good: Path) -> None:
    folder = library
    while len(bytes(folder)) < PATH_MAX - 250:
        folder /= "x" * 120
    path = make_copy(folder / "clip.mp4", good)
    scan = qacache("scan", library)
    assert scan.status == 0
    assert qacache("lookup", library).rows[1]["path"] == str(path)
    assert is_ok(qacache, good)
    assert is_ok(qacache, path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
def test_a_folder_too_deep_to_be_named_fails_alone(qacache: Command, library: Path, good: Path) -> None:
    descriptor = os.open(library, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("x" * 120, dir_fd=descriptor)
        inner = os.open("x" * 120, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    scan = qacache("scan", "--json", library)
    assert reasons(scan) == {"x" * 120: "name-too-long"}
    assert scan.status == 3
    assert is_ok(qacache, good)


# what is no file


def test_what_is_no_file_is_told_from_what_is(qacache: Command, library: Path, good: Path) -> None:
    make_file(library / "empty.mp4")
    make_copy(library / "folder.mp4" / "inside.mp4", good)
    os.mkfifo(library / "fifo.mp4")
    (library / "dangling.mp4").symlink_to("nowhere.mp4")
    (library / "looping.mp4").symlink_to("looping.mp4")
    (library / "link.mp4").symlink_to("good.mp4")
    (library / "folder.mp4" / "up").symlink_to("..")
    (library / "up.mp4").symlink_to(".")
    with socket.socket(socket.AF_UNIX) as listener:
        # the path of a socket is short, and relative
        before = os.open(".", os.O_RDONLY)
        os.chdir(library)
        listener.bind("socket.mp4")
        os.chdir(before)
        os.close(before)
        scan = qacache("scan", "--json", library)
    assert reasons(scan) == {
        "empty.mp4": "empty-file",
        "fifo.mp4": "not-a-file",
        "socket.mp4": "not-a-file",
        "dangling.mp4": "dangling-symlink",
        "looping.mp4": "symlink-loop",
    }
    fine = {Path(event["path"]).name for event in scan.records[:-1] if event["event"] in {"probed", "reused"}}
    assert fine == {"good.mp4", "inside.mp4", "link.mp4"}
    assert (scan.status, scan.err) == (3, "")


@needs_permissions
def test_an_unreadable_folder_fails_alone_and_its_files_stay(
    qacache: Command, library: Path, good: Path, unreadable: Path
) -> None:
    qacache("scan", library)
    unreadable.chmod(0)
    scan = qacache("scan", library, wrapper=respecting_permissions())
    assert scan.status == 3
    assert f"\nfailed:\n  {unreadable}\n    permission-denied: permission denied\n" in scan.out
    assert "vanished" not in scan.out
    assert qacache("lookup", "--field", "status", library).out == "ok\nok\n"


@needs_permissions
def test_an_unreadable_file_fails_alone(qacache: Command, library: Path, good: Path, unreadable: Path) -> None:
    (unreadable / "clip.mp4").chmod(0)
    scan = qacache("scan", "--json", library, wrapper=respecting_permissions())
    assert reasons(scan) == {"clip.mp4": "permission-denied"}
    assert is_ok(qacache, good)


@needs_permissions
def test_an_unreadable_root_is_refused(qacache: Command, library: Path, good: Path, unreadable: Path) -> None:
    unreadable.chmod(0)
    scan = qacache("scan", unreadable, library, wrapper=respecting_permissions())
    assert scan.status == 14
    assert f"root cannot be listed: {unreadable}: permission denied" in scan.err
    assert is_ok(qacache, good)


def test_a_file_is_no_root(qacache: Command, good: Path) -> None:
    scan = qacache("scan", good)
    assert scan.status == 14
    assert f"root is no folder: {good}" in scan.err


# files that change while they are looked at


def test_files_that_vanish_or_change_during_the_scan_are_unstable(
    qacache: Command, library: Path, good: Path, tmp_path: Path
) -> None:
    going = make_clip(library / "going.mp4", shade=30)
    growing = make_clip(library / "growing.mp4", shade=60)
    longer = make_clip(tmp_path / "longer.mp4", shade=60, duration_s=1)
    meddle = f'case "$*" in */going*) rm {going} ;; */growing*) mv {longer} {growing} ;; esac'
    ffprobe = str(make_ffprobe(tmp_path / "meddling-ffprobe", meddle))
    scan = qacache("scan", "--json", library, **probed_by(ffprobe))
    outcomes = {Path(event["path"]).name: event["event"] for event in scan.records[:-1]}
    assert outcomes == {"good.mp4": "probed", "going.mp4": "unstable", "growing.mp4": "unstable"}
    assert scan.status == 0
    assert "2 files in " in qacache("scan", library).out
    assert qacache("lookup", "--field", "duration_s", growing).out == "1.0\n"
    assert qacache("lookup", going).status == 3


# files that are not what they are called


def test_what_is_no_media_fails_with_a_reason(qacache: Command, library: Path, good: Path, clips: Path) -> None:
    make_text(library / "text.mp4")
    make_truncated(library / "truncated.mp4", clips / "portrait.mp4")
    make_file(library / "zeros.mp4", bytes(100_000))
    scan = qacache("scan", "--json", library)
    assert reasons(scan) == dict.fromkeys(("text.mp4", "truncated.mp4", "zeros.mp4"), "invalid-data")
    assert all(event["message"] for event in scan.records if event["event"] == "failed")
    assert is_ok(qacache, good)


def test_a_playlist_in_disguise_opens_no_other_file(qacache: Command, library: Path, good: Path) -> None:
    # whoever opened this one would wait for ever
    other = library / "other.ts.fifo"
    os.mkfifo(other)
    make_playlist(library / "playlist.mp4", other)
    scan = qacache("scan", "--json", library, QACACHE_FFPROBE_TIMEOUT="20s")
    assert reasons(scan) == {"playlist.mp4": "refused-format"}
    assert is_ok(qacache, good)


def test_a_file_that_ffprobe_chokes_on_fails_alone(qacache: Command, library: Path, good: Path, tmp_path: Path) -> None:
    make_clip(library / "crash.mp4", shade=30)
    make_clip(library / "slow.mp4", shade=60)
    choke = 'case "$*" in */crash*) kill -SEGV $$ ;; */slow*) sleep 60 ;; esac'
    ffprobe = str(make_ffprobe(tmp_path / "choking-ffprobe", choke))
    scan = qacache("scan", "--json", library, **probed_by(ffprobe), QACACHE_FFPROBE_TIMEOUT="1s")
    assert reasons(scan) == {"crash.mp4": "crashed", "slow.mp4": "timeout"}
    assert is_ok(qacache, good)


# databases


@pytest.mark.parametrize(
    "command", ["scan", "lookup", "export", "reprobe", "failures", "scans", "diff", "stats", "vacuum", "migrate"]
)
def test_what_is_no_database_is_left_alone(qacache: Command, good: Path, tmp_path: Path, command: str) -> None:
    path = make_file(tmp_path / "notes.txt", b"This is no database, but somebody's notes.\n" * 100)
    before = path.read_bytes()
    takes_no_path = command in {"migrate", "scans", "diff", "stats", "vacuum"}
    arguments = [] if takes_no_path else [good.parent] if command == "scan" else [good]
    done = qacache(command, *arguments, "--db", path)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"qacache: store {path} is no SQLite database ")
    assert "hint: choose another store with --db" in done.err
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", ["scan", "lookup", "reprobe"])
def test_the_database_of_another_program_is_left_alone(
    qacache: Command, good: Path, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE file (path)")
    before = path.read_bytes()
    done = qacache(command, good.parent, "--db", path)
    assert (done.status, done.out) == (12, "")
    assert f"{path} is some other program's database\nhint: choose another store with --db\n" in done.err
    assert path.read_bytes() == before


def test_a_damaged_database_is_told_from_a_sound_one(qacache: Command, good: Path) -> None:
    qacache("scan", good.parent)
    with open(qacache.db, "r+b") as file:
        file.seek(4096)
        file.write(b"\xee" * (qacache.db.stat().st_size - 4096))
    for command in ("scan", "lookup"):
        done = qacache(command, good.parent)
        assert done.status == 1
        assert f"store {qacache.db} is damaged" in done.err
        assert "hint: restore a backup, or move it away and scan again" in done.err


@needs_permissions
def test_a_read_only_database_answers_and_is_not_written(qacache: Command, good: Path) -> None:
    qacache("scan", good.parent)
    qacache.db.chmod(0o444)
    qacache.db.parent.chmod(0o555)
    asked = qacache("lookup", "--field", "status", good, wrapper=respecting_permissions())
    written = qacache("scan", good.parent, wrapper=respecting_permissions())
    qacache.db.parent.chmod(0o755)
    assert (asked.status, asked.out) == (0, "ok\n")
    assert (written.status, written.out) == (1, "")
    assert " cannot be written" in written.err
    assert "--db" in written.err


def test_a_store_in_a_place_that_cannot_be_is_an_error(qacache: Command, good: Path) -> None:
    done = qacache("scan", good.parent, "--db", good / "q.db")
    assert (done.status, done.out) == (1, "")
    assert f"no folder can be made for the store {good}/q.db" in done.err


FULL_DISK = """
disk=$1; library=$2; shift 2
mount -t tmpfs -o size=2m tmpfs "$disk" || exit 77
"$@" scan --db "$disk/q.db" "$library" >/dev/null || exit 1
cp "$library/good.mp4" "$library/second.mp4"; touch -d yesterday "$library/second.mp4"
cat /dev/zero >"$disk/fill" 2>/dev/null
"$@" scan --force --db "$disk/q.db" "$library"; echo "status $?"
rm "$disk/fill"
"$@" lookup --field status --db "$disk/q.db" "$library/good.mp4"
"$@" scan --db "$disk/q.db" "$library" >/dev/null
"$@" lookup --field status --db "$disk/q.db" "$library"
"""


@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_is_told_and_loses_nothing(qacache: Command, library: Path, good: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = qacache(wrapper=["unshare", "-m", "sh", "-c", FULL_DISK, "sh", disk, library])
    if done.status == 77:
        pytest.skip("nothing can be mounted here")
    assert done.out == "status 1\nok\nok\nok\n"
    assert f"qacache: store {disk}/q.db " in done.err
    assert "hint: " in done.err
    assert "Traceback" not in done.err


# several at once, and sudden ends


def test_a_second_scan_is_refused_while_the_first_goes_on(
    qacache: Command, library: Path, good: Path, tmp_path: Path
) -> None:
    slow = make_clip(library / "slow.mp4", shade=30)
    first = qacache.start("scan", "--json", library, **probed_by(hanging_ffprobe(tmp_path)))
    assert first.stdout is not None
    first.stdout.readline()
    second = qacache("scan", library)
    asked = is_ok(qacache, good)
    (tmp_path / "go").touch()
    first.communicate(timeout=60)
    assert (second.status, second.out) == (11, "")
    assert f"store is in use: pid {first.pid} (qacache scan) holds " in second.err
    assert asked
    assert first.returncode == 0
    assert is_ok(qacache, slow)


def test_a_scan_that_was_killed_leaves_a_sound_store(
    qacache: Command, library: Path, good: Path, tmp_path: Path
) -> None:
    make_clip(library / "slow.mp4", shade=30)
    first = qacache.start("scan", "--json", library, **probed_by(hanging_ffprobe(tmp_path)))
    assert first.stdout is not None
    first.stdout.readline()
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    (tmp_path / "go").touch()
    assert "1 unchanged · 1 probed" in qacache("scan", library).out
    with closing(sqlite3.connect(qacache.db)) as connection:
        assert connection.execute("SELECT state FROM scans ORDER BY id").fetchall() == [
            ("interrupted",),
            ("complete",),
        ]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
