"""`qacache config`, and what all commands have in common: --help, --version, --config, --db, --json."""

from __future__ import annotations

from pathlib import Path

import pytest

from qacache import __version__
from qacache.config.sections import keys
from qacache.store.database import SCHEMA_VERSION
from tests.command import Command

COMMANDS = [
    ["scan"],
    ["lookup"],
    ["probe"],
    ["why"],
    ["reprobe"],
    ["failures"],
    ["export"],
    ["scans"],
    ["diff"],
    ["migrate"],
    ["vacuum"],
    ["doctor"],
    ["stats"],
    ["backup", "create"],
    ["backup", "list"],
    ["backup", "verify"],
    ["backup", "restore"],
    ["backup", "prune"],
    ["config", "show"],
    ["config", "init"],
    ["config", "path"],
]
ALL = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


# show


def test_show_prints_every_key_with_its_value_and_origin(qacache: Command, tmp_path: Path) -> None:
    toml = tmp_path / "my.toml"
    toml.write_text('[scan]\nsettle = "1m"\nrate = 5\n')
    done = qacache("config", "show", "--config", toml, "--db", "/srv/q.db", QACACHE_SCAN_RATE="7")
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert list(lines) == [key.name for _, key in keys()]
    assert lines["scan.settle"] == f"1m (file {toml})"
    assert lines["scan.rate"] == "7.0 (variable QACACHE_SCAN_RATE)"
    assert lines["db.path"] == "/srv/q.db (flag --db)"
    assert lines["scan.roots"] == "- (default)"
    assert (done.status, done.err) == (0, "")


def test_show_as_json_is_a_key_a_line(qacache: Command) -> None:
    done = qacache("config", "show", "--json", QACACHE_SCAN_ROOTS="/a:/b")
    records = {record["key"]: record for record in done.records}
    assert records["scan.roots"] == {
        "key": "scan.roots",
        "value": ["/a", "/b"],
        "origin": "variable QACACHE_SCAN_ROOTS",
    }
    assert list(records) == [key.name for _, key in keys()]


def test_show_fits_a_terminal(qacache: Command) -> None:
    done = qacache.on_terminal("config", "show", "--db", "/q.db", columns=80).wait()
    assert "scan.extensions" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


# init and path


def test_init_writes_a_file_that_is_read_from_then_on(qacache: Command) -> None:
    assert qacache("config", "path").out == f"{qacache.config}\n"
    done = qacache("config", "init")
    assert (done.status, done.out) == (0, f"written: {qacache.config}\n")
    qacache.config.write_text(qacache.config.read_text().replace('# settle = "5s"', 'settle = "1m"'))
    assert f"1m (file {qacache.config})" in qacache("config", "show").out


def test_init_leaves_an_existing_file_alone(qacache: Command) -> None:
    qacache("config", "init")
    qacache.config.write_text("mine")
    done = qacache("config", "init")
    assert (done.status, done.out) == (2, "")
    assert done.err == f"qacache: {qacache.config} exists already\nhint: remove it first, or name another file\n"
    assert qacache.config.read_text() == "mine"


def test_init_writes_where_it_is_told_and_what_is_known(qacache: Command, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "my.toml"
    done = qacache("config", "init", QACACHE_CONFIG=str(target))
    assert done.out == f"written: {target}\n"
    other = tmp_path / "other.toml"
    qacache("config", "init", "--config", other, "--db", "here.db")
    assert f"{qacache.home}/here.db (file {other})" in qacache("config", "show", "--config", other).out


def test_path_prints_the_file_that_is_read(qacache: Command, tmp_path: Path) -> None:
    toml = tmp_path / "my.toml"
    toml.touch()
    assert qacache("config", "path", "--config", toml).out == f"{toml}\n"
    assert qacache("config", "path", QACACHE_CONFIG=str(toml)).out == f"{toml}\n"


# what is wrong


@pytest.mark.parametrize("command", [["scan"], ["lookup"], ["config", "show"]], ids=" ".join)
def test_one_error_lists_all_that_is_wrong_with_a_configuration(
    qacache: Command, tmp_path: Path, command: list[str]
) -> None:
    toml = tmp_path / "my.toml"
    toml.write_text('[scan]\nsetle = "1m"\n[ffprobe]\ntimeout = "soon"\n')
    done = qacache(*command, "--config", toml, QACACHE_DB_PAHT="x", QACACHE_SCAN_RATE="fast")
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines() == [
        f"qacache: unknown key scan.setle in {toml}: did you mean scan.settle?",
        "unknown variable QACACHE_DB_PAHT: did you mean QACACHE_DB_PATH?",
        f'ffprobe.timeout in {toml}: "soon" is no duration: write 30s, 12h or 1h30m',
        'variable QACACHE_SCAN_RATE: "fast" is no number: write digits without quotes, like 2.5',
    ]


def test_a_configuration_that_is_not_there_is_an_error(qacache: Command, tmp_path: Path) -> None:
    done = qacache("lookup", "--config", tmp_path / "no.toml", "x.mp4")
    assert done.status == 2
    assert f"configuration file {tmp_path}/no.toml (named by flag --config) does not exist" in done.err


# what all commands have


@ALL
def test_help_of_every_command_ends_with_its_exit_statuses(qacache: Command, command: list[str]) -> None:
    done = qacache(*command, "--help")
    assert (done.status, done.err) == (0, "")
    assert "--config FILE" in done.out
    # that one has nothing to do with the store
    assert ("--db FILE" in done.out) == (command != ["probe"])
    statuses = done.out.rpartition("Exit status: ")[2]
    assert statuses.startswith("0 ok · 1 error · 2 wrong usage")


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]], ids=" ".join)
def test_the_command_alone_shows_all_commands_in_full_sentences(qacache: Command, arguments: list[str]) -> None:
    done = qacache(*arguments)
    assert (done.status, done.err) == (0, "")
    for name in ("scan", "lookup", "reprobe", "export", "config", "migrate"):
        assert f"\n  {name} " in done.out
    assert "..." not in done.out.partition("Commands:")[2]


def test_version_is_one_line(qacache: Command) -> None:
    done = qacache("--version")
    assert (done.status, done.out, done.err) == (0, f"qacache {__version__}\n", "")


def test_to_print_the_version_loads_nothing_else(qacache: Command) -> None:
    _, err = qacache.start("--version", PYTHONPROFILEIMPORTTIME="1").communicate(timeout=60)
    loaded = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert not loaded & {"typer", "json", "qacache.config", "qacache.versions", "importlib.metadata"}


@pytest.mark.parametrize("arguments", [["--version", "--json"], ["--json", "--version"]], ids=" ".join)
def test_versions_of_all_that_matters_are_json(qacache: Command, arguments: list[str]) -> None:
    done = qacache(*arguments)
    assert (done.status, done.err) == (0, "")
    [told] = done.records
    assert (told["qacache"], told["schema"]) == (__version__, SCHEMA_VERSION)
    assert told["ffprobe"] == "5.1.9"


def test_versions_are_told_though_the_configuration_is_wrong(qacache: Command) -> None:
    done = qacache("--version", "--json", QACACHE_NONSENSE="1")
    assert (done.status, done.err) == (0, "")
    assert done.records[0]["qacache"] == __version__


def test_json_alone_is_wrong_usage(qacache: Command) -> None:
    done = qacache("--json", "scans")
    assert (done.status, done.out) == (2, "")
    assert done.err == "qacache: --json belongs behind a command\nhint: such as: qacache scans --json\n"


@pytest.mark.parametrize(
    ("arguments", "guess", "help_of"),
    [(["lokup"], "Did you mean 'lookup'?", "qacache"), (["config", "sho"], "Did you mean 'show'?", "qacache config")],
)
def test_an_unknown_command_is_wrong_usage_with_a_guess(
    qacache: Command, arguments: list[str], guess: str, help_of: str
) -> None:
    done = qacache(*arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"qacache: no such command '{arguments[-1]}'. {guess}\nhint: see {help_of} --help\n"


def test_a_group_without_a_command_is_wrong_usage(qacache: Command) -> None:
    done = qacache("config")
    assert (done.status, done.err) == (2, "qacache: missing command\nhint: see qacache config --help\n")


@pytest.mark.parametrize("option", ["--forse", "-\x1b]0;evil\x07", "--\x9b31m"])
def test_an_unknown_option_is_wrong_usage_and_shown_harmless(qacache: Command, option: str) -> None:
    done = qacache("scan", option)
    assert (done.status, done.out) == (2, "")
    assert "qacache: no such option: -" in done.err
    assert done.err.endswith("\nhint: see qacache scan --help\n")
    assert not {"\x1b", "\x07", "\x9b"} & set(done.err)


def test_db_chooses_the_store(qacache: Command, clips: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.db"
    qacache("scan", clips, "--db", mine)
    assert qacache("lookup", clips).status == 10
    assert len(qacache("lookup", clips, QACACHE_DB_PATH=str(mine)).rows) == 3
    assert len(qacache("export", "--db", mine).records) == 3
