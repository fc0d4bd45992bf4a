"""Commands that ask a server, against the same commands on the store behind it: nobody can tell which was asked."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qacache.client.queries import parameters
from qacache.errors import UsageError
from qacache.selection import Selection
from qacache.selection_text import parse_selection
from qacache.serve.tokens import new_token
from tests.command import Done
from tests.serving import engine, qacache, serving

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without configuration or store."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


@pytest.fixture(scope="module")
def library(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of clips, with a copy, and names that no UTF-8 and no terminal takes."""
    folder = tmp_path_factory.mktemp("served") / "Movies"
    shutil.copytree(clips, folder)
    shutil.copy(clips / "wide.mkv", folder / "copy of wide.mkv")
    shutil.copy(clips / "broken.mp4", folder / "also broken.mp4")
    for name in (b"caf\xe9.mp4", "größe.mp4".encode(), b"\x1b]0;title\x07 50% <b>.mp4", b"line\nbreak.mp4"):
        shutil.copy(os.fsencode(clips / "portrait.mp4"), os.path.join(os.fsencode(folder), name))
    return folder


@pytest.fixture(scope="module")
def db(library: Path) -> Path:
    """The store of that library, scanned twice."""
    path = library.parent / "qacache.db"
    for _ in range(2):
        qacache("scan", "--db", path, "--engine", "libav", library)
    return path


@pytest.fixture(scope="module")
def url(db: Path, library: Path) -> Iterator[str]:
    with serving(db, roots=(library,)) as url:
        yield url


LISTS = [
    ["lookup", "{}"],
    ["lookup", "{}/wide.mkv", "{}/nowhere.mp4", "{}/portrait.mp4", "{}/wide.mkv"],
    ["lookup", "--json", "{}", "/nowhere"],
    ["lookup", "--field", "orientation", "{}", "/nowhere"],
    ["lookup", "--field", "path", "{}"],
    ["lookup", "--field", "digest", "{}"],
    ["lookup", "--field", "no-such", "{}"],
    ["lookup", ""],
    ["lookup"],
    ["find"],
    ["find", "--json"],
    ["find", "--sort", "-size,path", "--limit", "3"],
    ["find", "--limit", "0", "wide"],
    ["find", "--format", "m3u8"],
    ["find", "--print0"],
    ["find", "--format", "paths"],
    ["find", "--format", "csv", "--columns", "path,size,first_seen,error_message", "--status", "any"],
    ["find", "--format", "table", "--columns", "path,size"],
    ["find", "--format", "table"],
    ["find", "--format", "table", "no such name"],
    ["find", "--orientation", "portrait", "--codec", "h264", "--longer-than", "100ms", "--modified-since", "30d"],
    ["find", "--status", "failed", "--columns", "path,error"],
    ["find", "--under", "{}/wide.mkv", "--under", "/nowhere"],
    ["find", "--under", "/nowhere"],
    ["find", "--min-width", "96", "--bigger-than", "1k", "--smaller-than", "1G", "--modified-before", "2100-01-01"],
    ["find", "--bigger-than", "1G", "--smaller-than", "1k"],
    ["find", "--longer-than", "soon"],
    ["find", "<b>"],
    ["find", "größe"],
    ["dupes"],
    ["dupes", "--json"],
    ["dupes", "--under", "{}", "--min-size", "1k", "--limit", "1"],
    ["dupes", "--under", "/nowhere"],
    ["dupes", "--min-size", "1G"],
    ["failures"],
    ["failures", "--json"],
    ["failures", "{}", "--since", "1h", "--reason", "invalid-data"],
    ["failures", "--reason", "timeout"],
    ["failures", "{}/wide.mkv", "--json"],
    ["scans"],
    ["scans", "--json"],
    ["scans", "--limit", "1"],
]


@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_a_server_answers_as_its_store_does(arguments: list[str], url: str, db: Path, library: Path) -> None:
    command, *rest = [each.format(library) for each in arguments]

    local = qacache(command, "--db", db, *rest)
    asked = qacache(command, "--server", url, *rest)

    assert asked == local
    assert local.out or local.err or command == "failures"


def test_long_lists_come_in_pages(monkeypatch: pytest.MonkeyPatch, url: str, db: Path, library: Path) -> None:
    for name in ("files._PAGE", "files._BATCH", "listings._PAGE", "listings._PAGE_OF_GROUPS"):
        monkeypatch.setattr(f"qacache.client.{name}", 1)

    lists = [["find"], ["find", "--sort", "-size"], ["find", "--limit", "3"], ["scans"]]
    lists += [["dupes"], ["dupes", "--json"], ["dupes", "--limit", "2"], ["failures"], ["failures", library, "--json"]]
    for command in lists:
        local = qacache(*command, "--db", db)
        assert qacache(*command, "--server", url) == local
        assert local.out.count("\n") > 1
    paths = [library / name for name in ("wide.mkv", "nowhere.mp4", "portrait.mp4")]
    assert qacache("lookup", "--server", url, *paths) == qacache("lookup", "--db", db, *paths)


def test_relative_paths_are_those_of_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, url: str, library: Path
) -> None:
    monkeypatch.chdir(library)

    assert qacache("lookup", "--server", url, "--field", "status", "./wide.mkv").out == "ok\n"
    assert qacache("find", "--server", url, "--under", ".", "--format", "paths", "wide").out.count("\n") == 2


def test_paths_come_from_standard_input(monkeypatch: pytest.MonkeyPatch, url: str, library: Path) -> None:
    names = b"".join(os.path.join(os.fsencode(library), name) + b"\0" for name in (b"caf\xe9.mp4", b"line\nbreak.mp4"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(names)))

    assert qacache("lookup", "--server", url, "-0", "--field", "status").out == "ok\nok\n"


def test_other_names_of_folders_are_translated_by_the_server(db: Path, library: Path) -> None:
    with serving(db, paths__map=[{"from": "/Volumes/Media", "to": str(library)}]) as url:
        done = qacache("lookup", "--server", url, "--field", "path", "/Volumes/Media/wide.mkv")
        found = qacache("find", "--server", url, "--under", "/Volumes/Media", "--format", "paths", "portrait")
        failed = qacache("failures", "--server", url, "/Volumes/Media/broken.mp4")
        copies = qacache("dupes", "--server", url, "--under", "/Volumes/Media", "--json").records[0]["files"]

    assert done.out == "/Volumes/Media/wide.mkv\n"
    assert found.out == "/Volumes/Media/portrait.mp4\n"
    assert [row["path"] for row in failed.rows] == ["/Volumes/Media/broken.mp4"]
    assert {os.path.dirname(copy["path"]) for copy in copies} == {"/Volumes/Media"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["lookup", "--verify", "/a"],
        ["lookup", "--probe-missing", "/a"],
        ["find", "--where", "1"],
        ["find", "--random"],
        ["dupes", "--verify"],
        ["dupes", "--keep", "newest"],
        ["failures", "--retry", "--jobs", "2"],
        ["reprobe", "--engine", "libav", "/a"],
        ["scan", "--dry-run"],
        ["scan", "--settle", "1s"],
        ["find", "--db", "x.db"],
    ],
    ids=" ".join,
)
def test_what_no_server_does_is_told_with_the_way_out(arguments: list[str], url: str) -> None:
    done = qacache(*arguments, "--server", url)

    assert done.status == 2
    assert "hint: " in done.err
    assert not done.out


def test_who_names_a_store_means_it_whatever_server_is_configured(
    monkeypatch: pytest.MonkeyPatch, db: Path, library: Path
) -> None:
    monkeypatch.setenv("QACACHE_CLIENT_SERVER_URL", "http://127.0.0.1:1")

    assert qacache("lookup", "--field", "status", library / "wide.mkv").status == 15
    assert qacache("lookup", "--db", db, "--field", "status", library / "wide.mkv").out == "ok\n"
    assert qacache("lookup", "--server", "", library / "wide.mkv").status == 10


def test_the_short_way_into_lookup_asks_the_server_too(url: str, library: Path) -> None:
    short = ["--server", url, "--field", "status", library / "wide.mkv"]
    long = [f"--server={url}", "--field=status", library / "wide.mkv"]

    assert qacache("lookup", *short) == qacache("lookup", *long) == Done(0, "ok\n", "")


def test_nothing_is_printed_where_no_server_is(library: Path) -> None:
    for command in (["lookup", library], ["find"], ["dupes"], ["failures"], ["scans"], ["reprobe", library], ["scan"]):
        done = qacache(command[0], "--server", "http://127.0.0.1:1", *command[1:])
        assert (done.status, done.out) == (15, "")
        assert "cannot be reached: connection refused" in done.err


def test_without_a_token_for_it_nothing_is_done(tmp_path: Path, db: Path, library: Path) -> None:
    files: dict[str, Path] = {}
    accepted = tmp_path / "tokens"
    lines = []
    for scope in ("read", "write"):
        token, known = new_token(scope)  # type: ignore[arg-type]
        files[scope] = tmp_path / scope
        files[scope].write_text(token + "\n")
        lines.append(known.line())
    accepted.write_text("".join(lines))
    for path in (accepted, *files.values()):
        path.chmod(0o600)

    def ask(url: str, token: Path | str, *arguments: object) -> Done:
        config = tmp_path / "config.toml"
        config.write_text(f"[client]\nserver_url = {json.dumps(url)}\ntoken_file = {json.dumps(str(token))}\n")
        return qacache(arguments[0], "--config", config, *arguments[1:])

    with serving(db, roots=(library,), tokens=accepted, **engine()) as url:
        assert "asks for a token" in ask(url, "", "find").err
        assert ask(url, files["read"], "find").status == 0
        refused = ask(url, files["read"], "reprobe", library / "wide.mkv")
        assert ask(url, files["write"], "reprobe", library / "wide.mkv").status == 0

    assert refused.status == 1
    assert "this token may only read" in refused.err
    assert "--scope write" in refused.err


SELECTIONS: list[dict[str, list[str]]] = [
    {},
    {"text": ["a b", "ü&=?#%"], "name": ["*.mov"], "status": ["failed", "vanished"]},
    {"status": ["ok"], "orientation": ["portrait", "square"], "resolution": ["4k", "1080p"], "hdr-format": ["hlg"]},
    {"status": ["any"], "min-width": ["1"], "max-width": ["2"], "min-height": ["3"], "max-height": ["4"]},
    {
        "codec": ["h.265"],
        "audio-codec": ["aac"],
        "container": ["mkv"],
        "longer-than": ["1h30m"],
        "shorter-than": ["7d"],
    },
    {"longer-than": ["1.234"], "bigger-than": ["700M"], "smaller-than": ["4GiB"]},
    {"modified-since": ["2026-01-31"], "modified-before": ["2026-01-31T20:15:00.123456+05:30"]},
]


@pytest.mark.parametrize("given", SELECTIONS)
def test_parameters_mean_what_the_options_meant(given: dict[str, list[str]]) -> None:
    meant = parse_selection(given, now_s=NOW)
    sent: dict[str, list[str]] = {}
    for name, value in parameters(meant):
        sent.setdefault(name, []).append(os.fsdecode(value))

    assert parse_selection(sent, now_s=NOW) == meant


def test_sql_is_no_parameter() -> None:
    with pytest.raises(UsageError, match="no --where"):
        list(parameters(Selection(where="1")))
