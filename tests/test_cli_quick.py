"""The short way into `lookup` against the long one: whichever is taken, nobody can tell."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qacache.cli import quick
from qacache.cli.answers import answer
from qacache.cli.app import run_command
from qacache.errors import QacacheError
from tests.command import Command

NAMES = ["portrait.mp4", "wide.mkv", "broken.mp4", "nowhere.mp4", ".", "..", "./wide.mkv"]
FLAGS = [
    ["--json"],
    ["--stdin"],
    ["-0"],
    ["--field", "orientation"],
    ["--field", "path"],
    ["--field", "no-such"],
    ["--verify", "--verify-deadline", "30s"],
    ["--verify-deadline", "never"],
    ["--db", "no-store.db"],
    ["--config", "no-file.toml"],
    ["--server", "http://127.0.0.1:1"],
    ["--server", "no URL"],
    ["--"],
]
LONG_WAY = [
    ["--field=orientation"],
    ["--db=no-store.db"],
    ["--server=http://127.0.0.1:1"],
    ["--help"],
    ["-h"],
    ["--js"],
    ["--no-such-option"],
    ["-x"],
    ["-0x"],
    ["--probe-missing"],
    ["--field"],
    ["--db"],
    ["-"],
]


def short_way(arguments: Sequence[str]) -> int:
    request = quick.parse(["lookup", *arguments])
    assert request is not None
    return answer(request)


def long_way(arguments: Sequence[str]) -> int:
    return run_command(["lookup", *arguments])


def outcome(way: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> tuple[Any, ...]:
    """All that the caller can tell: what was printed, and the status or the error."""
    sys.stdin = io.TextIOWrapper(io.BytesIO(b"wide.mkv\nnowhere.mp4\n"))
    with redirect_stdout(io.StringIO()) as out:
        try:
            return way(arguments), out.getvalue()
        except QacacheError as error:
            return type(error), str(error), error.hint, out.getvalue()


@pytest.fixture
def inside(scanned: Command, clips: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process, in the folder of the clips, with the store that knows them."""
    monkeypatch.chdir(clips)
    monkeypatch.setenv("HOME", str(scanned.home))
    monkeypatch.setenv("XDG_DATA_HOME", str(scanned.home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(scanned.home / "config"))
    monkeypatch.setattr(sys, "stdin", sys.stdin)
    return clips


@pytest.mark.usefixtures("inside")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from([[name] for name in NAMES]), st.sampled_from(FLAGS)), max_size=5))
def test_both_ways_answer_alike_whatever_the_order_of_arguments(parts: list[list[str]]) -> None:
    arguments = [argument for part in parts for argument in part]
    assert outcome(short_way, arguments) == outcome(long_way, arguments)


@pytest.mark.parametrize("flags", LONG_WAY, ids=" ".join)
def test_unusual_spellings_go_the_long_way(flags: list[str]) -> None:
    assert quick.parse(["lookup", "clip.mp4", *flags]) is None


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_usual_spellings_go_the_short_way(flags: list[str]) -> None:
    assert quick.parse(["lookup", *flags, "clip.mp4"]) is not None


@pytest.mark.parametrize("arguments", [[], ["scan", "lookup"], ["--version"], ["--", "lookup"]], ids=" ".join)
def test_other_commands_go_the_long_way(arguments: list[str]) -> None:
    assert quick.parse(arguments) is None


@pytest.mark.parametrize(
    ("usual", "unusual"),
    [
        (["--field", "orientation"], ["--field=orientation"]),
        (["--verify-deadline", "never"], ["--verify-deadline=never"]),
        (["--db", "no-store.db"], ["--db=no-store.db"]),
    ],
)
def test_the_command_answers_alike_however_it_is_spelt(
    scanned: Command, clips: Path, usual: list[str], unusual: list[str]
) -> None:
    assert scanned("lookup", *usual, clips) == scanned("lookup", *unusual, clips)


def test_names_behind_two_dashes_are_paths(scanned: Command, clips: Path) -> None:
    done = scanned("lookup", "--field", "path", "--", "--json", "-x.mp4", cwd=clips)
    assert done.out == f"{clips}/--json\n{clips}/-x.mp4\n"


def test_the_short_way_loads_no_typer(scanned: Command, clips: Path) -> None:
    _, err = scanned.start("lookup", clips, PYTHONPROFILEIMPORTTIME="1").communicate(timeout=60)
    loaded = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert "qacache.cli.answers" in loaded
    assert not loaded & {"typer", "rich", "sqlite_utils", "subprocess", "concurrent.futures"}
