"""Manual pages and completions: written from the commands' own definitions, checked in, and understood by shells."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from qacache.cli.reference.__main__ import files
from qacache.cli.reference.definitions import Command, read_commands
from qacache.cli.reference.man import page_name, render

PROJECT = Path(__file__).parent.parent
PROGRAM = read_commands()
COMMANDS = PROGRAM.all()
EACH_COMMAND = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)

BASH = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$(({count} - 1))
_qacache
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files to name, and a `qacache` that knows two roots."""
    folder = tmp_path / "here"
    (folder / "my films").mkdir(parents=True)
    (folder / "a clip.mp4").touch()
    program = tmp_path / "bin" / "qacache"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho /mnt/nas/films\necho '/mnt/my disk'\n")
    program.chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return folder


def output_of(*arguments: str) -> list[str]:
    if shutil.which(arguments[0]) is None:
        pytest.skip(f"there is no {arguments[0]} here")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL)
    assert done.stderr == ""
    return done.stdout.splitlines()


def in_bash(*words: str) -> set[str]:
    """What bash offers for the last of `words`."""
    script = BASH.format(
        script=PROJECT / "completions" / "qacache.bash",
        words=" ".join(f"'{word}'" for word in words),
        count=len(words),
    )
    return set(output_of("bash", "--norc", "-c", script)) - {""}


def in_fish(line: str) -> set[str]:
    """What fish offers at the end of `line`."""
    script = f"source {PROJECT}/completions/qacache.fish; complete -C '{line}'"
    return {offer.partition("\t")[0] for offer in output_of("fish", "--no-config", "-c", script)}


def test_what_is_checked_in_is_what_the_definitions_make() -> None:
    checked_in = {
        str(path.relative_to(PROJECT)): path.read_text(encoding="utf-8")
        for folder in ("man", "completions")
        for path in (PROJECT / folder).iterdir()
    }
    assert checked_in == files(), "run: make generate"


class TestDefinitions:
    @EACH_COMMAND
    def test_each_command_says_what_it_does_and_how_it_ends(self, command: Command) -> None:
        assert command.summary
        assert all(entry.help for entry in (*command.options, *command.arguments))
        assert command.statuses or command.commands

    def test_groups_hold_their_commands(self) -> None:
        assert "qacache config show" in [command.name for command in COMMANDS]

    def test_options_know_their_values(self) -> None:
        (scan,) = (command for command in COMMANDS if command.name == "qacache scan")
        options = {name: option for option in scan.options for name in option.names}
        assert options["--engine"].values == ("auto", "libav", "ffprobe")
        assert (options["--db"].kind, options["--jobs"].kind, options["--force"].kind) == ("file", "other", "flag")
        assert [argument.kind for argument in scan.arguments] == ["folder"]

    def test_statuses_are_those_of_the_help(self) -> None:
        (scan,) = (command for command in COMMANDS if command.name == "qacache scan")
        assert dict(scan.statuses)["14"] == "a root was refused"


class TestMan:
    @EACH_COMMAND
    def test_a_page_has_every_option_and_status(self, command: Command) -> None:
        lines = render(command, PROGRAM).splitlines()
        bold = {name for line in lines for name in re.findall(r"\\fB(.*?)\\fR", line)}
        names = {name.replace("-", r"\-") for option in command.options for name in option.names}
        assert names | {number for number, _ in command.statuses} <= bold
        assert lines[1] == ".SH NAME"

    @EACH_COMMAND
    def test_groff_takes_each_page_without_a_warning(self, command: Command) -> None:
        page = PROJECT / "man" / page_name(command)
        text = "\n".join(output_of("groff", "-man", "-Tutf8", "-P-cbou", "-ww", str(page)))
        assert "EXIT STATUS" in text or command.commands

    def test_text_is_not_taken_for_requests_or_other_characters(self) -> None:
        command = Command(("x",), (".SH is 'a\\b' -- ~^",), (), (), (), ())
        assert r"\&.SH is \(aqa\eb\(aq \-\- \(ti\(ha" in render(command, PROGRAM)


class TestBash:
    def test_commands_and_those_below_them(self, scanned: Path) -> None:
        assert {"scan", "lookup", "config"} <= in_bash("qacache", "")
        assert in_bash("qacache", "scan", "", "") & {"lookup"} == set()
        assert in_bash("qacache", "config", "s") == {"show"}

    def test_options_of_the_command(self, scanned: Path) -> None:
        assert in_bash("qacache", "scan", "--acc") == {"--accept-shrink"}
        assert in_bash("qacache", "lookup", "--acc") == set()

    def test_values_of_an_option(self, scanned: Path) -> None:
        assert in_bash("qacache", "scan", "--engine", "") == {"auto", "libav", "ffprobe"}
        assert in_bash("qacache", "scan", "--engine", "=", "l") == {"libav"}
        assert in_bash("qacache", "scan", "--engine", "=") == {"auto", "libav", "ffprobe"}
        assert in_bash("qacache", "scan", "--jobs", "") == set()
        assert in_bash("qacache", "scan", "--db", "") == {"a clip.mp4", "my films"}

    def test_folders_and_roots_where_a_root_is_wanted(self, scanned: Path) -> None:
        assert in_bash("qacache", "scan", "") == {"my films", "/mnt/nas/films", "/mnt/my disk"}
        assert in_bash("qacache", "scan", "/mnt/n") == {"/mnt/nas/films"}

    def test_files_where_files_are_wanted(self, scanned: Path) -> None:
        assert in_bash("qacache", "probe", "a") == {"a clip.mp4"}
        assert in_bash("qacache", "lookup", "") == {"a clip.mp4", "my films", "/mnt/nas/films", "/mnt/my disk"}


class TestFish:
    def test_commands_and_those_below_them(self, scanned: Path) -> None:
        assert {"scan", "lookup", "config"} <= in_fish("qacache ")
        assert in_fish("qacache config s") == {"show"}

    def test_options_of_the_command(self, scanned: Path) -> None:
        assert in_fish("qacache scan --acc") == {"--accept-shrink"}
        assert in_fish("qacache config show --acc") == set()

    def test_values_of_an_option(self, scanned: Path) -> None:
        assert in_fish("qacache scan --engine ") == {"auto", "libav", "ffprobe"}

    def test_folders_and_roots_where_a_root_is_wanted(self, scanned: Path) -> None:
        assert in_fish("qacache scan ") == {"my films/", "/mnt/nas/films", "/mnt/my disk"}

    def test_files_where_files_are_wanted(self, scanned: Path) -> None:
        assert in_fish("qacache probe a") == {"a clip.mp4"}


class TestZsh:
    def test_it_is_understood(self, scanned: Path) -> None:
        assert output_of("zsh", "-n", str(PROJECT / "completions" / "_qacache")) == []
