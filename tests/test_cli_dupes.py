"""`qacache dupes`: what it lists, proves, and says is to stay."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from qacache.duplicates.keeping import Rule
from qacache.store.lock import held, lock_path
from tests.command import Command, Done, respecting_permissions
from tests.fuse_mount import Operation, mounted
from tests.media import make_copy, make_file

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
MIDDLE = 64 * 1024


@pytest.fixture
def library(videos: Path, qacache: Command) -> Path:
    """A scanned library: three copies of a small clip, one with a hard link, and two large files that nearly are."""
    fill(videos)
    qacache("scan", videos)
    return videos


def fill(videos: Path) -> None:
    (videos / "Sorted").mkdir()
    make_copy(videos / "Sorted" / "tall.mp4", videos / "portrait.mp4")
    make_copy(videos / "Inbox" / "tall again.mp4", videos / "portrait.mp4")
    os.link(videos / "portrait.mp4", videos / "zlinked.mp4")
    clip = (videos / "wide.mkv").read_bytes()
    large = clip + bytes(8 * MIDDLE)
    make_file(videos / "large.mkv", large)
    make_file(videos / "nearly.mkv", large[: -2 * MIDDLE] + b"x" + large[1 - 2 * MIDDLE :])
    for age_s, name in enumerate(("portrait.mp4", "Sorted/tall.mp4", "Inbox/tall again.mp4", "large.mkv"), start=1):
        written_ns = 1_700_000_000_000_000_000 - age_s * 1_000_000_000
        os.utime(videos / name, ns=(written_ns, written_ns))


def relative(done: Done, library: Path) -> list[list[list[str]]]:
    """The groups of the JSON, with the names of each copy."""
    groups = []
    for record in done.records:
        copies: dict[int, list[str]] = {}
        for file in record["files"]:
            copies.setdefault(file["copy"], []).append(os.path.relpath(file["path"], library))
        groups.append(list(copies.values()))
    return groups


SMALL = [["Inbox/tall again.mp4"], ["Sorted/tall.mp4"], ["portrait.mp4", "zlinked.mp4"]]
LARGE = [["large.mkv"], ["nearly.mkv"]]


def test_candidates_are_listed_those_first_that_waste_most(qacache: Command, library: Path) -> None:
    done = qacache("dupes", "--json")

    assert (done.status, done.err) == (0, "")
    assert relative(done, library) == [LARGE, SMALL]
    large, small = done.records
    assert list(small) == ["digest", "size", "copies", "wasted", "verified", "files"]
    assert (small["copies"], small["wasted"], small["verified"]) == (3, 2 * small["size"], False)
    assert large["size"] == (library / "large.mkv").stat().st_size
    assert small["files"][1] == {
        "path": str(library / "Sorted" / "tall.mp4"),
        "mtime_ns": 1_699_999_998_000_000_000,
        "copy": 2,
    }


def test_nothing_is_read_for_candidates(qacache: Command, library: Path) -> None:
    before = qacache("dupes", "--json").out
    shutil.rmtree(library)
    assert qacache("dupes", "--json").out == before


def test_verifying_tells_copies_from_what_nearly_is_one(qacache: Command, library: Path) -> None:
    done = qacache("dupes", "--verify", "--json")

    assert done.status == 0
    assert relative(done, library) == [SMALL]
    assert done.records[0]["verified"] is True
    message = "equal to others in size and samples only"
    assert done.err == (
        f"left out: 2 different\n  {library / 'large.mkv'}: {message}\n  {library / 'nearly.mkv'}: {message}\n"
    )
    assert qacache("dupes", "--verify", "--json") == done


def test_in_a_pipe_there_is_a_line_a_file(qacache: Command, library: Path) -> None:
    done = qacache("dupes")

    size = (library / "portrait.mp4").stat().st_size
    small = [row for row in done.rows if row["group"] == "2"]
    assert [(row["copy"], os.path.relpath(row["path"], library)) for row in small] == [
        ("1", "Inbox/tall again.mp4"),
        ("2", "Sorted/tall.mp4"),
        ("3", "portrait.mp4"),
        ("3", "zlinked.mp4"),
    ]
    assert {(row["wasted"], row["size"], row["copies"], row["verified"]) for row in small} == {
        (f"{2 * size}", f"{size}", "3", "no")
    }
    assert {row["verified"] for row in qacache("dupes", "--verify").rows} == {"yes"}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--limit", "1"], [LARGE]),
        (["--limit", "0"], [LARGE, SMALL]),
        (["--min-size", "100KiB"], [LARGE]),
        (["--min-size", "1GB"], []),
        (["--min-size", "100k"], [LARGE]),
        (["--under", "Inbox"], []),
        (["--under", "large.mkv", "--under", "nearly.mkv"], [LARGE]),
        (["--under", "Inbox", "--under", "Sorted/"], [SMALL[:2]]),
        (["--under", "."], [LARGE, SMALL]),
    ],
)
def test_what_counts_can_be_chosen(
    qacache: Command, library: Path, arguments: Sequence[str], found: list[list[list[str]]]
) -> None:
    done = qacache("dupes", "--json", *arguments, cwd=library)
    assert (done.status, done.err) == (0, "")
    assert relative(done, library) == found


def test_a_limit_is_also_one_of_what_is_read(qacache: Command, library: Path) -> None:
    done = qacache("dupes", "--verify", "--json", "--limit", "1")
    assert done.out == ""
    assert done.err.startswith("left out: 2 different\n")


def test_a_folder_of_which_nothing_is_stored_is_told(qacache: Command, library: Path) -> None:
    done = qacache("dupes", "--json", "--under", "/no\nwhere")
    assert (done.status, done.out, done.err) == (3, "", "qacache: not in the store: /no\\x0awhere\n")
    done = qacache(
        "dupes", "--json", "--under", "/nowhere", "--under", library / "Inbox", "--under", library / "Sorted"
    )
    assert done.status == 3
    assert relative(done, library) == [SMALL[:2]]


def test_no_log_is_left_behind_by_whoever_remembers(qacache: Command, library: Path) -> None:
    assert qacache("dupes", "--verify").status == 0
    assert not Path(f"{qacache.db}-wal").exists()


class TestKeeping:
    @pytest.mark.parametrize(
        ("rule", "printed"),
        [
            ("newest", ["Inbox/tall again.mp4", "Sorted/tall.mp4"]),
            ("oldest", ["Sorted/tall.mp4", "portrait.mp4", "zlinked.mp4"]),
            ("shortest-path", ["Inbox/tall again.mp4", "Sorted/tall.mp4"]),
            ("longest-path", ["Sorted/tall.mp4", "portrait.mp4", "zlinked.mp4"]),
            ("first-path", ["Sorted/tall.mp4", "portrait.mp4", "zlinked.mp4"]),
        ],
    )
    def test_the_paths_of_all_copies_but_one_are_printed(
        self, qacache: Command, library: Path, rule: str, printed: list[str]
    ) -> None:
        done = qacache("dupes", "--keep", rule)
        assert done.status == 0
        assert done.out == "".join(f"{library / name}\n" for name in printed)
        assert qacache("dupes", "--verify", "--keep", rule, "-0").out == done.out.replace("\n", "\0")

    def test_what_is_in_a_folder_to_be_kept_is_not_printed(self, qacache: Command, library: Path) -> None:
        keep = ["dupes", "--verify", "--keep", "newest", "--keep-under"]
        assert qacache(*keep, "Inbox", cwd=library).out == "".join(
            f"{library / name}\n" for name in ("Sorted/tall.mp4", "portrait.mp4", "zlinked.mp4")
        )
        assert qacache(*keep, library / "Inbox", "--keep-under", library / "Sorted").out == "".join(
            f"{library / name}\n" for name in ("portrait.mp4", "zlinked.mp4")
        )
        assert qacache(*keep, library).out == ""

    def test_json_says_of_each_file_whether_it_stays(self, qacache: Command, library: Path) -> None:
        [group] = qacache("dupes", "--verify", "--json", "--keep", "newest").records
        assert {os.path.relpath(file["path"], library): file["keep"] for file in group["files"]} == {
            "Inbox/tall again.mp4": False,
            "Sorted/tall.mp4": False,
            "portrait.mp4": True,
            "zlinked.mp4": True,
        }

    @pytest.mark.parametrize("rule", [rule.value for rule in Rule])
    def test_removing_all_that_is_printed_leaves_every_content(
        self, qacache: Command, library: Path, rule: str
    ) -> None:
        before = {path.read_bytes() for path in library.rglob("*.*")}
        paths = qacache("dupes", "--verify", "--keep", rule, "-0").out
        subprocess.run(["xargs", "-0", "rm", "--"], input=paths.encode(), check=True)
        assert {path.read_bytes() for path in library.rglob("*.*")} == before
        assert qacache("dupes", "--verify", "--keep", rule, "-0").out == ""
        qacache("scan", "--accept-shrink", library)
        assert relative(qacache("dupes", "--json"), library) == [LARGE]

    def test_raw_bytes_are_printed_in_a_pipe(self, qacache: Command, videos: Path) -> None:
        name = os.fsencode(videos) + b"/z\xff \x1b[31m%41.mp4"
        shutil.copyfile(videos / "portrait.mp4", name)
        os.utime(name, (1_600_000_000, 1_600_000_000))
        qacache("scan", videos)
        for option, end in ((["-0"], b"\0"), ([], b"\n")):
            with qacache.start("dupes", "--verify", "--keep", "first-path", *option) as run:
                assert run.communicate() == (name + end, b"")

    def test_a_name_with_a_line_break_is_no_line(self, qacache: Command, videos: Path) -> None:
        make_copy(videos / "z\nz.mp4", videos / "portrait.mp4")
        qacache("scan", videos)
        done = qacache("dupes", "--verify", "--keep", "first-path")
        assert (done.status, done.out) == (3, "")
        assert done.err == f"qacache: left out, as its name has a line break: {videos}/z\\x0az.mp4\n"
        done = qacache("dupes", "--verify", "--keep", "first-path", "-0")
        assert (done.status, done.out) == (0, f"{videos}/z\nz.mp4\0")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--verify", "-0"], "there are no paths to end with NUL"),
        (["--verify", "--keep", "newest", "-0", "--json"], "there are no paths to end with NUL"),
        (["--verify", "--keep-under", "/v"], "nothing is chosen to be kept"),
        (["--verify", "--keep", "best"], "invalid value for '--keep': 'best' is not one of 'newest', 'oldest', 'sh"),
        (["--min-size", "much"], 'flag --min-size: "much" is no size: write 700M, 2GB or 4GiB'),
        (["--limit", "-1"], "invalid value for '--limit'"),
        (["--under", ""], "a path is empty"),
    ],
)
def test_what_makes_no_sense_is_refused(
    qacache: Command, library: Path, arguments: Sequence[str], complaint: str
) -> None:
    done = qacache("dupes", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"qacache: {complaint}")


def test_a_folder_to_be_kept_that_is_not_known_is_refused(qacache: Command, library: Path) -> None:
    done = qacache("dupes", "--verify", "--keep", "newest", "--keep-under", library / "Sorte")
    assert (done.status, done.out) == (2, "")
    assert "not all that --keep-under names is known" in done.err


def test_without_a_store_there_is_a_hint(qacache: Command) -> None:
    done = qacache("dupes")
    assert (done.status, done.out) == (10, "")
    assert "hint: make one with: qacache scan FOLDER" in done.err


def test_a_store_that_is_being_written_to_is_read_but_nothing_is_remembered(qacache: Command, library: Path) -> None:
    with held(lock_path(str(qacache.db)), purpose="a test", timeout_s=0):
        assert qacache("dupes").status == 0
        done = qacache("dupes", "--verify", QACACHE_DB_BUSY_TIMEOUT="0.01s")
    assert done.status == 11
    assert "a test" in done.err


def test_files_that_cannot_be_read_are_told(qacache: Command, library: Path) -> None:
    wrapper = respecting_permissions()
    (library / "Inbox" / "tall again.mp4").chmod(0)
    done = qacache("dupes", "--verify", "--json", wrapper=wrapper)
    assert done.status == 3
    assert relative(done, library) == [SMALL[1:]]
    assert f"{library}/Inbox/tall again.mp4: permission denied\n" in done.err


def test_what_is_not_in_the_store_as_it_is_is_told_with_what_to_do(qacache: Command, library: Path) -> None:
    (library / "large.mkv").unlink()
    (library / "zlinked.mp4").unlink()
    done = qacache("dupes", "--verify", "--json")
    assert done.status == 0
    assert relative(done, library) == [[*SMALL[:2], ["portrait.mp4"]]]
    assert done.err.startswith("left out: 2 gone\n")
    assert done.err.endswith("\na scan brings the store up to date: qacache scan\n")


def test_many_files_that_are_left_out_are_counted(qacache: Command, videos: Path) -> None:
    for number in range(25):
        make_copy(videos / f"{number}.mp4", videos / "wide.mkv")
    qacache("scan", videos)
    for number in range(25):
        (videos / f"{number}.mp4").unlink()
    done = qacache("dupes", "--verify")
    assert done.err.count(": not there any more\n") == 20
    assert "\n  ... and 5 more\n" in done.err


def test_the_limits_of_a_mount_are_those_of_the_configuration(qacache: Command, tmp_path: Path, library: Path) -> None:
    with mounted(tmp_path / "nas", library) as mount:
        db = tmp_path / "nas.db"
        qacache("scan", "--db", db, mount.folder)
        mount.delay_s = 0.001
        mount.most_at_a_time = 0
        limits = {"QACACHE_MOUNTS": f'{{"{mount.folder}" = {{concurrency = 1}}}}'}
        assert relative(qacache("dupes", "--db", db, "--verify", "--json", **limits), mount.folder) == [SMALL]
        assert mount.most_at_a_time == 1


class TestTerminal:
    def test_a_table_shows_the_groups(self, qacache: Command, library: Path) -> None:
        done = qacache.on_terminal("dupes", columns=100).wait()
        lines = [line.rstrip() for line in ESCAPE.sub("", done.out).split("\n")]
        assert lines[0] == str(library)
        assert lines[1].split() == ["wasted", "size", "copies", "files"]
        assert re.fullmatch(r" *\d+ kB +\d+ kB +2  large.mkv", lines[3])
        assert re.fullmatch(r" *[\d.]+ kB +[\d.]+ kB +3  Inbox/tall again.mp4", lines[5])
        assert [line.strip() for line in lines[6:9]] == [
            "Sorted/tall.mp4",
            "portrait.mp4",
            "zlinked.mp4 (the same file)",
        ]
        assert re.fullmatch(r"\d+ kB wasted by 3 copies in 2 groups", lines[9])
        assert lines[10:] == ["candidates, by size and samples: --verify reads the files", ""]

    def test_a_verified_one_says_so(self, qacache: Command, library: Path) -> None:
        done = qacache.on_terminal("dupes", "--verify", columns=100).wait()
        screen = ESCAPE.sub("", done.out)
        assert "Inbox/tall again.mp4" in screen
        assert "nearly.mkv  " not in screen
        assert re.search(r"kB wasted by 2 copies in 1 group: all equal, byte for byte\nleft out: 2 different\n", screen)

    def test_progress_is_shown_while_files_are_read(self, qacache: Command, library: Path, tmp_path: Path) -> None:
        with mounted(tmp_path / "nas", library) as mount:
            db = tmp_path / "nas.db"
            qacache("scan", "--db", db, mount.folder)
            mount.stall({Operation.READ}, only="tall again.mp4")
            terminal = qacache.on_terminal("dupes", "--db", db, "--verify", columns=100)
            screen = ESCAPE.sub("", terminal.read_until("1 of 2 groups compared"))
            assert re.search(r"[\d.]+ MB of [\d.]+ MB · [\d.]+ .?B/s · \d:\d\d left", screen)
            mount.recover()
            assert "1 group: all equal" in ESCAPE.sub("", terminal.wait().out)

    def test_an_interrupted_one_says_how_far_it_came(self, qacache: Command, library: Path, tmp_path: Path) -> None:
        with mounted(tmp_path / "nas", library) as mount:
            db = tmp_path / "nas.db"
            qacache("scan", "--db", db, mount.folder)
            mount.stall({Operation.READ}, only="tall again.mp4")
            terminal = qacache.on_terminal("dupes", "--db", db, "--verify")
            terminal.read_until("1 of 2 groups compared")
            terminal.process.send_signal(signal.SIGINT)
            terminal.read_until("stopping")
            mount.recover()
            done = terminal.wait()
        assert done.status == 130
        assert "interrupted: 1 of 2 groups were compared; what is proven is remembered\n" in ESCAPE.sub("", done.out)

    def test_where_there_is_nothing_it_says_so(self, qacache: Command, videos: Path) -> None:
        qacache("scan", videos)
        for arguments in ([], ["--verify"]):
            done = qacache.on_terminal("dupes", *arguments).wait()
            assert (done.status, ESCAPE.sub("", done.out).strip()) == (0, "no duplicates found")

    def test_long_lists_are_cut(self, qacache: Command, videos: Path) -> None:
        for number in range(25):
            make_file(videos / f"many {number}.mp4", b"the same")
            for twin in "ab":
                make_file(videos / f"{number}{twin}.mp4", b"%3d" % number)
        qacache("scan", videos)
        screen = ESCAPE.sub("", qacache.on_terminal("dupes").wait().out)
        assert "many 24.mp4" not in screen
        assert "... and 16 more" in screen
        assert "... and 6 more groups: --limit 0 lists all" in screen
        assert "wasted by 49 copies in 26 groups" in screen
        assert "more groups" not in qacache.on_terminal("dupes", "--limit", "0").wait().out

    def test_names_do_nothing_to_it(self, qacache: Command, videos: Path) -> None:
        make_copy(videos / "\x1b]0;evil\x07.mp4", videos / "portrait.mp4")
        qacache("scan", videos)
        for arguments in ([], ["--verify", "--keep", "longest-path"], ["--verify", "--keep", "shortest-path"]):
            out = qacache.on_terminal("dupes", *arguments, columns=200).wait().out
            assert "\x1b]0" not in out
            assert "\x07" not in out

    def test_what_goes_to_a_file_gets_there_while_progress_is_shown(
        self, qacache: Command, library: Path, tmp_path: Path
    ) -> None:
        target = tmp_path / "out.json"
        done = qacache.on_terminal("dupes", "--verify", "--json", stdout=target).wait()
        assert done.status == 0
        assert '"verified":true' in target.read_text(encoding="utf-8")
        assert "verified" not in done.out
