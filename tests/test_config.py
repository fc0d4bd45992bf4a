from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from qacache.config import Config, Scan, Settings, load, places
from qacache.config.mounts import MountLimits
from qacache.config.sections import keys, sections
from qacache.config.units import DAY_S, MIB
from qacache.errors import ConfigError

PROJECT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own, so that no configuration of the machine is found."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setattr(places, "SYSTEM_CONFIG_FILE", str(tmp_path / "etc" / "config.toml"))
    return home


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load_file(path: Path, text: str) -> Config:
    return load(config_path=write(path, text), environ={}).config


def load_variables(**variables: str) -> Config:
    return load(environ={f"QACACHE_{name}": text for name, text in variables.items()}).config


def problems_of(**arguments: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(**{"environ": {}, **arguments})  # type: ignore[arg-type]
    return str(caught.value).splitlines()


def origins(settings: Settings) -> dict[str, str]:
    return {each.key.name: each.origin for each in settings.effective()}


# where the configuration comes from


def test_without_any_source_everything_is_at_its_default(home: Path) -> None:
    settings = load(environ={})
    assert settings.config == Config()
    assert settings.file is None
    assert set(origins(settings).values()) == {"default"}
    assert settings.config.scan.settle_s == 5.0
    assert settings.config.ffprobe.memory_limit_bytes == 1024 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms ask platformdirs itself")
@pytest.mark.parametrize("folder", [None, "", "relative", "/absolute"])
def test_folders_are_those_of_platformdirs(folder: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable)
        if folder is not None:
            monkeypatch.setenv(variable, folder)
    assert os.path.dirname(places.user_config_file()) == platformdirs.user_config_dir("qacache")
    assert os.path.dirname(Config().db.path) == platformdirs.user_data_dir("qacache")


def test_later_sources_win_and_are_named(toml: Path) -> None:
    write(toml, '[scan]\nsettle = "1s"\nretry_min = "1m"\nrate = 5\n[db]\nbusy_timeout = 1\n')
    settings = load(
        config_path=toml,
        environ={"QACACHE_SCAN_SETTLE": "2s", "QACACHE_SCAN_RETRY_MIN": "2m"},
        flags={"scan.settle": "3s", "scan.rate": None},
    )
    scan = settings.config.scan
    assert (scan.settle_s, scan.retry_min_s, scan.rate_per_s) == (3.0, 120.0, 5.0)
    assert settings.origin("scan.settle") == "flag --settle"
    assert settings.origin("scan.retry_min") == "variable QACACHE_SCAN_RETRY_MIN"
    assert settings.origin("scan.rate") == f"file {toml}"
    assert settings.origin("scan.retry_max") == "default"


def test_the_flag_names_the_file_before_the_variable_and_the_users_own(home: Path, tmp_path: Path) -> None:
    user = write(home / "config" / "qacache" / "config.toml", "")
    system = write(tmp_path / "etc" / "config.toml", "")
    by_flag, by_variable = write(tmp_path / "flag.toml", ""), write(tmp_path / "variable.toml", "")
    environ = {"QACACHE_CONFIG": str(by_variable)}

    assert load(config_path=by_flag, environ=environ).file == str(by_flag)
    assert load(environ=environ).file == str(by_variable)
    assert load(environ={"QACACHE_CONFIG": ""}).file == str(user)
    user.unlink()
    assert load(environ={}).file == str(system)


def test_only_one_file_is_read(home: Path, toml: Path) -> None:
    write(home / "config" / "qacache" / "config.toml", "[scan]\nsettle = 99\n")
    assert load_file(toml, "").scan.settle_s == 5.0


def test_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QACACHE_SCAN_RATE", "2.5")
    assert load().config.scan.rate_per_s == 2.5


def test_effective_values_are_also_told_as_toml_holds_them() -> None:
    settings = load(environ={}, flags={"scan.settle": "90", "scan.roots": ["/a", "/b"]})
    plain = {each.key.name: each.plain for each in settings.effective()}
    assert plain["scan.settle"] == "1m30s"
    assert plain["scan.roots"] == ["/a", "/b"]
    assert plain["ffprobe.memory_limit"] == "1GiB"


# values


def test_a_file_sets_every_kind_of_value(toml: Path) -> None:
    config = load_file(
        toml,
        """
        db = { path = "/srv/q.db", busy_timeout = "500ms" }
        scan.roots = ["/a", "/b", "/a"]
        scan.extensions = [".MP4", "mkv", "mp4"]
        scan.skip_names = ["junk*"]
        scan.rate = 3
        ffprobe = { path = "/opt/ffprobe", concurrency = 256, timeout = 0.5, memory_limit = 402653184 }
        """,
    )
    assert (config.db.path, config.db.busy_timeout_s) == ("/srv/q.db", 0.5)
    assert config.scan.roots == ("/a", "/b")
    assert config.scan.extensions == ("mp4", "mkv")
    assert config.scan.skip_names == ("junk*",)
    assert config.scan.rate_per_s == 3.0
    assert (config.ffprobe.path, config.ffprobe.concurrency) == ("/opt/ffprobe", 256)
    assert (config.ffprobe.timeout_s, config.ffprobe.memory_limit_bytes) == (0.5, 384 * MIB)


def test_variables_set_every_kind_of_value() -> None:
    config = load_variables(
        DB_PATH="/srv/q.db",
        SCAN_ROOTS=f"/a{os.pathsep}/b,c",
        SCAN_EXTENSIONS="mp4, .MKV",
        SCAN_SKIP_NAMES='["a,b", "c"]',
        SCAN_RATE="2.5",
        FFPROBE_CONCURRENCY="4",
        FFPROBE_MEMORY_LIMIT="0",
    )
    assert config.db.path == "/srv/q.db"
    assert config.scan == Scan(roots=("/a", "/b,c"), extensions=("mp4", "mkv"), skip_names=("a,b", "c"), rate_per_s=2.5)
    assert (config.ffprobe.concurrency, config.ffprobe.memory_limit_bytes) == (4, 0)


def test_an_empty_variable_is_an_empty_list() -> None:
    assert load_variables(SCAN_SKIP_NAMES="").scan.skip_names == ()


def test_paths_that_are_no_utf8_survive_in_variables() -> None:
    roots = load_variables(SCAN_ROOTS=os.fsdecode(b"/media/caf\xe9")).scan.roots
    assert os.fsencode(roots[0]) == b"/media/caf\xe9"


def test_flags_may_be_text_paths_numbers_or_lists(tmp_path: Path) -> None:
    flags = {
        "db.path": tmp_path / "q.db",
        "scan.roots": [tmp_path, "/b:c"],
        "scan.rate": 1.5,
        "ffprobe.concurrency": "8",
        "scan.extensions": (),
    }
    config = load(environ={}, flags=flags).config
    assert config.db.path == str(tmp_path / "q.db")
    assert config.scan.roots == (str(tmp_path), "/b:c")
    assert config.scan.rate_per_s == 1.5
    assert config.ffprobe.concurrency == 8
    assert config.scan.extensions == Scan().extensions


def test_relative_paths_start_at_the_file_or_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "sub" / "c.toml", '[scan]\nroots = ["media/", "../x"]\n[ffprobe]\npath = "./ffprobe"\n')
    settings = load(config_path="sub/c.toml", environ={"QACACHE_DB_PATH": "q.db"})
    assert settings.file == str(tmp_path / "sub" / "c.toml")
    assert settings.config.scan.roots == (str(tmp_path / "sub" / "media"), str(tmp_path / "x"))
    assert settings.config.ffprobe.path == str(tmp_path / "sub" / "ffprobe")
    assert settings.config.db.path == str(tmp_path / "q.db")


def test_tilde_is_the_home_folder(home: Path, toml: Path) -> None:
    config = load_file(toml, '[db]\npath = "~/q.db"\n[ffprobe]\npath = "~/ffprobe"\n')
    assert config.db.path == str(home / "q.db")
    assert config.ffprobe.path == str(home / "ffprobe")


# problems


def test_unknown_key_names_the_nearest_one(toml: Path) -> None:
    write(toml, "[scan]\nsetle = 5\n")
    assert problems_of(config_path=toml) == [f"unknown key scan.setle in {toml}: did you mean scan.settle?"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("settle = 5", "unknown key settle in {}: did you mean scan.settle?"),
        ("[db]\nzzz = 5", "unknown key db.zzz in {}: known are db.path, db.busy_timeout, db.checkpoint_every"),
        ("[scna]", "unknown section scna in {}: did you mean scan?"),
        (
            "[zzz]",
            "unknown section zzz in {}: known are backup, client, db, doctor, ffprobe, log, maintenance, metrics, "
            "mounts, paths, scan, server",
        ),
        ("scan = 5", "scan in {}: 5 is no table: write [scan]"),
        ("[[scan]]", "scan in {}: a list is no table: write [scan]"),
        ("mounts = 5", 'mounts in {}: 5 is no table of mounts: write [mounts."/mnt/nas"] and keys below it'),
        ("[mounts]\nrate = 5", 'mounts in {}: "rate" is 5, which is no table: write [mounts."rate"]'),
        ('[mounts."/nas"]\nrats = 5', 'mounts in {}: unknown key rats of "/nas": did you mean rate?'),
        ('[mounts."/nas"]\nzzz = 5', 'mounts in {}: unknown key zzz of "/nas": known are concurrency, rate'),
        (
            '[mounts."/nas"]\nconcurrency = -1\nrate = "x"',
            'mounts in {}: concurrency of "/nas": -1 is less than 1: write 1 or more, or 0 (as without this table); '
            'rate of "/nas": "x" is no number: write digits without quotes, like 2.5',
        ),
        ("[scan.roots]", 'scan.roots in {}: a table is no list of paths: write ["~/Movies", "/mnt/media"]'),
    ],
)
def test_misplaced_and_unknown_names_in_a_file_are_named(toml: Path, text: str, problem: str) -> None:
    write(toml, text)
    assert problems_of(config_path=toml) == [problem.format(toml)]


@pytest.mark.parametrize(
    ("variable", "guess"),
    [
        ("QACACHE_SCAN_SETLE", "did you mean QACACHE_SCAN_SETTLE?"),
        ("QACACHE_CONFIGS", "did you mean QACACHE_CONFIG?"),
        ("QACACHE_ZZZ", "unset it, no key is named so"),
    ],
)
def test_unknown_variable_names_the_nearest_one(variable: str, guess: str) -> None:
    assert problems_of(environ={variable: "1"}) == [f"unknown variable {variable}: {guess}"]


def test_unknown_flag_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError, match=r"scan\.nothing"):
        load(environ={}, flags={"scan.nothing": "1"})


@pytest.mark.parametrize(
    "assignment",
    [
        *('scan.settle = "soon"', "scan.settle = true", "scan.settle = nan", "scan.settle = inf"),
        *("scan.settle = -1", 'scan.settle = "8d"', "scan.settle = 1979-05-27", "scan.settle = 1e999"),
        *("scan.retry_min = 0", "scan.rate = -0.5", 'scan.rate = "2"', "scan.rate = false"),
        *(f"scan.rate = 1{'0' * 400}", "scan.roots = '/a'", "scan.roots = [5]", "scan.roots = ['']"),
        *("scan.extensions = []", "scan.extensions = ['']", "scan.extensions = ['a.b']"),
        *("scan.skip_names = ['a/b']", "scan.skip_names = [['a']]"),
        *("db.path = 5", "db.path = ''", 'db.path = "a\\u0000b"', "db.path = '~no-such-user/q.db'"),
        *("ffprobe.path = ''", "ffprobe.path = ['ffprobe']", "ffprobe.timeout = 0"),
        *("ffprobe.concurrency = 1.0", "ffprobe.concurrency = true", "ffprobe.concurrency = '4'"),
        *("ffprobe.concurrency = -1", "ffprobe.concurrency = 257"),
        *("doctor.skip = ['nonsense']", "doctor.skip = 'clock'", "doctor.deadline = 0", "doctor.min_free = -1"),
        *("ffprobe.memory_limit = '383MiB'", "ffprobe.memory_limit = '1 gib'", "ffprobe.memory_limit = 1e9"),
    ],
)
def test_wrong_values_are_refused_by_key_and_file(toml: Path, assignment: str) -> None:
    write(toml, assignment)
    [problem] = problems_of(config_path=toml)
    assert problem.startswith(f"{assignment.partition(' ')[0]} in {toml}: ")
    assert ": write " in problem


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("SCAN_SETTLE", "soon", '"soon" is no duration: write 30s, 12h or 1h30m'),
        ("FFPROBE_CONCURRENCY", "four", '"four" is no whole number: write digits without quotes, like 4'),
        ("FFPROBE_CONCURRENCY", "-1", "-1 is less than 1: write 1 or more, or 0 (CPUs + 2)"),
        ("SCAN_ROOTS", "[broken", '"[broken" is no list of paths: write ["~/Movies", "/mnt/media"]'),
        ("SCAN_ROOTS", "/a::/b", '"" is no path: write text, like "~/Movies"'),
        ("DB_BUSY_TIMEOUT", "2h", "2h is more than 1h: write 1h or less"),
        ("DB_BUSY_TIMEOUT", "", '"" is no duration: write 30s, 12h or 1h30m'),
    ],
)
def test_wrong_variables_are_refused_with_value_and_way_out(variable: str, text: str, problem: str) -> None:
    name = f"QACACHE_{variable}"
    assert problems_of(environ={name: text}) == [f"variable {name}: {problem}"]


def test_all_problems_of_all_sources_come_in_one_error(toml: Path) -> None:
    write(toml, '[scan]\nsetle = 1\nsettle = "soon"\n')
    lines = problems_of(
        config_path=toml,
        environ={"QACACHE_SCAN_RATE": "x", "QACACHE_NO": "1", "QACACHE_SCAN_SETTLE": "1s"},
        flags={"db.path": ""},
    )
    assert sorted(line.split(":")[0] for line in lines) == [
        "flag --db",
        f"scan.settle in {toml}",
        f"unknown key scan.setle in {toml}",
        "unknown variable QACACHE_NO",
        "variable QACACHE_SCAN_RATE",
    ]


def test_retry_range_must_not_be_upside_down() -> None:
    assert problems_of(environ={"QACACHE_SCAN_RETRY_MAX": "1m"}) == [
        "scan.retry_min is 1h, more than scan.retry_max, 1m (default; variable QACACHE_SCAN_RETRY_MAX): "
        "change one of them"
    ]


def test_a_named_file_that_is_missing_is_an_error_beside_others(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    way_out = "does not exist: create it, or name another one"
    assert problems_of(config_path=missing, environ={"QACACHE_SCAN_RATE": "x"}) == [
        f"configuration file {missing} (named by flag --config) {way_out}",
        'variable QACACHE_SCAN_RATE: "x" is no number: write digits without quotes, like 2.5',
    ]
    assert problems_of(environ={"QACACHE_CONFIG": str(missing)}) == [
        f"configuration file {missing} (named by variable QACACHE_CONFIG) {way_out}"
    ]


def test_invalid_toml_is_told_with_line_and_column(toml: Path) -> None:
    write(toml, "[scan]\nsettle = soon\n")
    [problem] = problems_of(config_path=toml)
    assert problem.startswith(f"configuration file {toml} is no valid TOML: ")
    assert "line 2, column 10" in problem


def test_bottomless_toml_is_no_crash(toml: Path) -> None:
    write(toml, "x = " + "[" * 100_000)
    [problem] = problems_of(config_path=toml)
    assert problem.startswith(f"configuration file {toml} is no valid TOML: ")


def test_a_file_that_is_not_utf8_or_no_file_is_told(toml: Path, tmp_path: Path) -> None:
    toml.write_bytes(b'[db]\npath = "caf\xe9"\n')
    assert problems_of(config_path=toml) == [f"configuration file {toml} is not UTF-8: byte 16 cannot be decoded"]
    [problem] = problems_of(config_path=tmp_path)
    assert problem.startswith(f"configuration file {tmp_path} cannot be read: ")


# mounts


def test_each_mount_has_a_table_of_its_own(toml: Path, tmp_path: Path) -> None:
    write(toml, '[mounts."/nas"]\nconcurrency = 2\n[mounts.films]\nrate = 2.5\n')

    settings = load(config_path=toml, environ={})

    assert settings.config.mounts.by_folder == {
        "/nas": MountLimits(concurrency=2),
        str(toml.parent / "films"): MountLimits(rate_per_s=2.5),
    }
    assert settings.origin("mounts") == f"file {toml}"


def test_the_tables_of_all_mounts_fit_a_variable(toml: Path) -> None:
    write(toml, '[mounts."/nas"]\nconcurrency = 2\n')

    settings = load(config_path=toml, environ={"QACACHE_MOUNTS": '{"/nas" = {rate = 5}}'})

    assert settings.config.mounts.by_folder == {"/nas": MountLimits(rate_per_s=5.0)}
    assert problems_of(environ={"QACACHE_MOUNTS": "/nas=5"}) == [
        'variable QACACHE_MOUNTS: "/nas=5" is no table of mounts: write [mounts."/mnt/nas"] and keys below it'
    ]


# definitions


def test_every_key_is_named_for_its_section_and_described() -> None:
    for attribute, key in keys():
        assert key.section in sections()
        assert attribute.startswith(key.bare_name)
        assert key.help.endswith(".")


def test_every_default_passes_its_own_check() -> None:
    config = Config()
    for attribute, key in keys():
        value = getattr(getattr(config, key.section), attribute)
        assert key.parse(key.kind.show(value), "") == value


def test_variables_and_flags_follow_mechanically_from_names() -> None:
    found = {key.name: (key.variable, key.option) for _, key in keys()}
    assert found["db.busy_timeout"] == ("QACACHE_DB_BUSY_TIMEOUT", "--db-busy-timeout")
    assert found["db.path"] == ("QACACHE_DB_PATH", "--db")
    assert len(set(found.values())) == len(found)


def test_retries_wait_from_an_hour_to_a_month() -> None:
    assert (Scan().retry_min_s, Scan().retry_max_s) == (3600.0, 30 * DAY_S)


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms need platformdirs")
def test_loading_defaults_imports_nothing_heavy(home: Path) -> None:
    heavy = {"tomllib", "tomli_w", "difflib", "fnmatch", "json", "pathlib", "platformdirs"}
    program = f"import sys; from qacache.config import load; load(); print({heavy!r} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout == "set()\n"
