"""`qacache failures`: what failed, in which form, and trying it again."""

from __future__ import annotations

import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from qacache.events import Failed
from qacache.models import Failure
from qacache.store import migrations
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.command import Command, hanging_ffprobe, probed_by
from tests.media import make_clip, make_text
from tests.rows import failed, stat_of
from tests.test_cli_terminal import HOSTILE, SHOWN, harmless, plain

DAY_S = 86400.0
COLUMNS = ["path", "stage", "reason", "message", "attempts", "failed_at", "next_retry", "prober"]
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def timed_out(path: bytes) -> Failed:
    return Failed(path, Failure("probe", "timeout", "took longer than 30 s"), stat_of(path), None, "fake 1")


@pytest.fixture
def filled(qacache: Command) -> Command:
    """The command with three failures in its store: of a minute, of three days and of two weeks ago."""
    migrations.create(str(qacache.db), busy_timeout_s=5)
    for name, age_s in ((b"new", 60), (b"older", 3 * DAY_S), (b"old", 14 * DAY_S)):
        at = time.time() - age_s
        retries = RetrySchedule(7 * DAY_S, 7 * DAY_S, jitter=lambda: 0.5)
        with Writer(str(qacache.db), busy_timeout_s=5, retries=retries, clock=lambda at=at: at) as writer:
            make = failed if name == b"older" else timed_out
            writer.write([make(b"/v/%s/clip.mp4" % name)])
    return qacache


def folders(qacache: Command, *arguments: str) -> list[str]:
    """Which of the three are listed, by the names of their folders."""
    done = qacache("failures", *arguments)
    assert (done.status, done.err) == (0, "")
    return [Path(row["path"]).parent.name for row in done.rows]


# which


def test_all_failures_are_listed_in_path_order(filled: Command) -> None:
    assert folders(filled) == ["new", "old", "older"]


def test_since_lists_what_failed_in_that_time(filled: Command) -> None:
    assert folders(filled, "--since", "7d") == ["new", "older"]
    assert folders(filled, "--since", "1h") == ["new"]
    assert folders(filled, "--since", "10s") == []


def test_reasons_may_be_several(filled: Command) -> None:
    assert folders(filled, "--reason", "timeout") == ["new", "old"]
    assert folders(filled, "--reason", "timeout", "--reason", "invalid-data") == ["new", "old", "older"]
    assert folders(filled, "--reason", "timeout", "--since", "7d") == ["new"]


def test_paths_are_files_and_folders(filled: Command) -> None:
    assert folders(filled, "/v/old", "/v/new/clip.mp4") == ["new", "old"]
    assert folders(filled, "/v/nothing") == []


def test_paths_are_relative_to_the_working_directory(qacache: Command, videos: Path) -> None:
    qacache("scan", videos)

    done = qacache("failures", ".", cwd=videos)

    assert [row["path"] for row in done.rows] == [str(videos / "broken.mp4")]


def test_a_reason_that_matches_nothing_is_told_with_those_there_are(filled: Command) -> None:
    done = filled("failures", "--reason", "timeuot", "--reason", "crashed")
    assert (done.status, done.rows) == (0, [])
    assert done.err == "qacache: no failure is timeuot or crashed; there are: invalid-data, timeout\n"

    done = filled("failures", "--reason", "crashed", "/v/nothing")
    assert done.err == "qacache: no failure is crashed; nothing failed at all\n"


def test_files_that_are_gone_are_listed_no_more(qacache: Command, videos: Path) -> None:
    qacache("scan", videos)
    (videos / "broken.mp4").unlink()
    qacache("scan", videos)

    assert qacache("failures").rows == []


# in which form


def test_piped_failures_are_tab_separated_with_a_header(filled: Command) -> None:
    done = filled("failures", "/v/older")
    (row,) = done.rows
    assert list(row) == COLUMNS
    assert row["path"] == "/v/older/clip.mp4"
    assert (row["stage"], row["reason"], row["message"], row["attempts"]) == ("probe", "invalid-data", "no", "1")
    assert row["prober"] == "fake 1"
    assert WHEN.fullmatch(row["failed_at"])
    assert WHEN.fullmatch(row["next_retry"])
    assert len(done.out.splitlines()) == 2


def test_json_is_an_object_a_line_with_the_same_names(filled: Command) -> None:
    records = filled("failures", "--json").records
    assert [list(record) for record in records] == [COLUMNS] * 3
    assert [record["reason"] for record in records] == ["timeout", "timeout", "invalid-data"]
    assert records[0]["attempts"] == 1
    assert records[0]["failed_at"] < records[0]["next_retry"]


def test_names_that_are_no_text_come_with_their_bytes(qacache: Command, library: Path) -> None:
    try:
        make_text(library / "broken caf\udce9.mp4")
    except OSError:
        pytest.skip("this filesystem takes no names that are no UTF-8")
    qacache("scan", library)

    (record,) = qacache("failures", "--json").records

    assert list(record)[:2] == ["path", "path_b64"]


def test_a_terminal_shows_a_table_and_counts_by_reason(filled: Command) -> None:
    screen = plain(filled.on_terminal("failures", columns=160).wait().out)
    folder, header, _, *rows, last = screen.splitlines()
    assert folder == "/v"
    assert header.split() == ["file", "reason", "next", "try", "tries", "message", "failed", "stage", "by"]
    assert [row.split()[0] for row in rows] == ["new/clip.mp4", "old/clip.mp4", "older/clip.mp4"]
    assert re.search(r"timeout +in 6d +1 +took longer than 30 s +1m ago +probe +fake 1", rows[0])
    assert re.search(r"timeout +next scan +1 +took longer than 30 s +14d ago", rows[1])
    assert last == "3 failures: 2 timeout · 1 invalid-data"


@pytest.mark.parametrize("columns", [40, 80, 100, 160])
def test_the_table_fits_its_terminal(filled: Command, columns: int) -> None:
    lines = plain(filled.on_terminal("failures", columns=columns).wait().out).splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in "".join(lines)


def test_a_terminal_is_told_that_nothing_failed(filled: Command) -> None:
    assert plain(filled.on_terminal("failures", "/v/none").wait().out) == "no failures\n"


def test_no_form_of_output_passes_escape_sequences_on(qacache: Command, library: Path) -> None:
    make_text(library / f"broken {HOSTILE}.mp4")
    qacache("scan", library)
    table = qacache.on_terminal("failures", columns=120).wait().out
    assert SHOWN in plain(table)
    assert harmless(table)
    for done in (qacache("failures"), qacache("failures", "--json"), qacache("failures", "--reason", HOSTILE)):
        assert harmless(done.out + done.err)
        assert "\x1b" not in done.out + done.err


# trying again


@pytest.fixture
def failing(qacache: Command, videos: Path) -> Path:
    """The scanned library, with another broken file in a folder."""
    make_text(videos / "folder" / "broken too.mp4")
    qacache("scan", videos)
    return videos


def retried(qacache: Command, *arguments: str | Path) -> list[tuple[str, str]]:
    """What became of which file."""
    events = qacache("failures", "--retry", "--json", *arguments).records[:-1]
    return sorted((event["event"], Path(event["path"]).name) for event in events)


def test_retry_probes_what_failed_at_once(qacache: Command, failing: Path) -> None:
    done = qacache("failures", "--retry")
    assert (done.status, done.err) == (3, "")
    assert done.out.startswith("2 files in ")
    assert [row["attempts"] for row in qacache("failures").rows] == ["2", "2"]


def test_retry_probes_no_more_than_what_would_be_listed(qacache: Command, failing: Path) -> None:
    assert retried(qacache, failing / "folder") == [("failed", "broken too.mp4")]
    assert retried(qacache, "--since", "1h") == [("failed", "broken too.mp4"), ("failed", "broken.mp4")]
    assert retried(qacache, "--since", "1ms") == []
    assert retried(qacache, "--reason", "timeout") == []


def test_what_was_mended_is_no_failure_after_a_retry(qacache: Command, failing: Path) -> None:
    ffprobe = probed_by(str(shutil.which("ffprobe")))
    make_clip(failing / "broken.mp4")
    make_clip(failing / "folder" / "broken too.mp4", shade=40)
    assert qacache("failures", "--retry", "--jobs", "1", **ffprobe).status == 0
    assert qacache("failures").rows == []

    done = qacache("failures", "--retry", **ffprobe)
    assert done.status == 0
    assert done.out.endswith(": nothing to do\n")


def test_a_retry_leaves_nothing_beside_the_database_but_its_locks(qacache: Command, failing: Path) -> None:
    qacache("failures", "--retry")
    assert [path.name for path in qacache.db.parent.iterdir() if path.suffix not in {".db", ".lock"}] == []
    assert not Path(f"{qacache.db}-wal").exists()


def test_an_interrupted_retry_keeps_what_is_finished(qacache: Command, library: Path, tmp_path: Path) -> None:
    for name in ("broken", "slow"):
        make_text(library / f"{name}.mp4")
    qacache("scan", library, QACACHE_FFPROBE_ENGINE="libav")
    ffprobe = probed_by(hanging_ffprobe(tmp_path))
    running = qacache.start("failures", "--retry", "--json", "--jobs", "2", **ffprobe)
    assert running.stdout is not None
    assert b"broken.mp4" in running.stdout.readline()
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b'"state":"interrupted"' in out
    assert [row["prober"].split()[0] for row in qacache("failures").rows] == ["ffprobe", "libav"]


# what is refused


@pytest.mark.parametrize("flags", [["--jobs", "2"], ["--rate", "5"], ["--engine", "ffprobe"]], ids=" ".join)
def test_options_of_probing_need_retry(filled: Command, flags: list[str]) -> None:
    done = filled("failures", *flags)
    assert (done.status, done.out) == (2, "")
    assert done.err == "qacache: nothing is probed\nhint: --engine, --jobs and --rate go with --retry\n"


@pytest.mark.parametrize("since", ["soon", "0", "-1s", "1e400", "2000000d"])
def test_a_time_that_makes_no_sense_is_wrong_usage(filled: Command, since: str) -> None:
    done = filled("failures", "--since", since)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("qacache: flag --since: ")


@pytest.mark.parametrize("flags", [[], ["--json"], ["--retry"], ["--reason", "timeout"]], ids=" ".join)
def test_without_a_store_the_way_to_one_is_shown(qacache: Command, flags: list[str]) -> None:
    done = qacache("failures", *flags)
    assert (done.status, done.out) == (10, "")
    assert done.err == f"qacache: no store at {qacache.db}\nhint: make one with: qacache scan FOLDER\n"
    assert not qacache.db.exists()


def test_help_names_every_exit_status(qacache: Command) -> None:
    done = qacache("failures", "--help")
    assert (done.status, done.err) == (0, "")
    text = " ".join(done.out.split())
    assert "3 done, but some files failed" in text
    assert "10 no store" in text
