"""Every key, defined once: the sections of the TOML file as frozen dataclasses, gathered in `Config`.

Attributes carry their units (`settle_s`), names in TOML, variables and flags do not (`scan.settle`). Paths
are absolute text for `os.fsencode`. To add a section, write its dataclass and name it in `Config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, get_type_hints

from qacache.config import kinds
from qacache.config.keys import Key, key
from qacache.config.mounts import MOUNTS, MountLimits
from qacache.config.places import default_database
from qacache.config.serving import Client, Log, Metrics, Paths, Server
from qacache.config.units import DAY_S, HOUR_S, MIB
from qacache.config.upkeep import Backup, Doctor, Maintenance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# a line each: MPEG-4 and QuickTime; cameras and drones; Matroska, Ogg and RIFF; Windows, Flash and Real; MPEG
# streams of broadcast, discs and camcorders; professional containers; raw streams (two lines); what else
# ffmpeg plays
_EXTENSIONS = """
    mp4 m4v mp4v mov qt m4s cmfv ismv f4v 3gp 3gpp 3g2 3gp2 k3g mj2 mjp2
    insv lrv lrf 360 braw
    mkv mk3d webm ogv ogm ogx avi divx xvid
    wmv asf wm wtv dvr-ms flv rm rmvb rv ivr
    ts m2ts mts m2t trp tp mpg mpeg mpe mpv mpg2 m2p vob vro evo ssif mod tod ty pva
    mxf gxf lxf mlv r3d cine dv dif imx dnxhd dnxhr
    m1v m2v mp2v h261 h263 h264 264 avc 26l h265 265 hevc h266 266 vvc
    av1 obu ivf evc apv vc1 rcv vc2 drc cavs avs2 avs3 mjpg mjpeg y4m
    amv nut nsv nuv viv roq bik bk2 smk usm thp moflex fli flc mtv mxg
"""
EXTENSIONS = tuple(_EXTENSIONS.split())

ENGINES = ("auto", "libav", "ffprobe")
FFPROBE = "ffprobe"

SKIP_NAMES = (
    # macOS
    *("._*", ".DS_Store", ".localized", "Icon\r", ".Spotlight-V100", ".Trashes", ".fseventsd"),
    *(".TemporaryItems", ".DocumentRevisions-V100", ".AppleDouble", ".apdisk"),
    # Linux, Windows
    *(".Trash-*", "lost+found", "$RECYCLE.BIN", "System Volume Information"),
    # NAS systems and filesystems with snapshots
    *("@eaDir", "#recycle", "#snapshot", ".snapshot", ".snapshots", ".zfs", "@Recycle", "@Recently-Snapshot"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Db:
    """The database that remembers."""

    path: str = key(
        "db.path",
        kinds.PATH,
        default_database,
        "The SQLite database. It must be on a local disk. The default is qacache/qacache.db in the "
        "platform's folder for the data of users: this is the one of Linux.",
        flag="--db",
        usual_default="~/.local/share/qacache/qacache.db",
    )
    busy_timeout_s: float = key(
        "db.busy_timeout",
        kinds.DURATION,
        5.0,
        "How long to wait for another process that holds the database.",
        minimum=0,
        maximum=HOUR_S,
    )
    checkpoint_every: int = key(
        "db.checkpoint_every",
        kinds.WHOLE,
        0,
        "After how many batches that a scan stores `qacache serve` folds the write-ahead log into the database.",
        unit="batches",
        minimum=1,
        maximum=1_000_000,
        zero="up to SQLite",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Which files are looked at, and how eagerly."""

    roots: tuple[str, ...] = key(
        "scan.roots",
        kinds.PATHS,
        (),
        "The folders that `qacache scan` goes through where none is named on the command line.",
    )
    interval_s: float = key(
        "scan.interval",
        kinds.DURATION,
        0.0,
        "How long after a scan `qacache serve` begins the next one, of scan.roots.",
        minimum=60,
        maximum=366 * DAY_S,
        zero="never by itself",
    )
    settle_s: float = key(
        "scan.settle",
        kinds.DURATION,
        5.0,
        "A file that was modified less than this ago is still being written, and left for later.",
        minimum=0,
        maximum=7 * DAY_S,
        flag="--settle",
    )
    extensions: tuple[str, ...] = key(
        "scan.extensions",
        kinds.EXTENSIONS,
        EXTENSIONS,
        "The extensions of video files, without the dot, in any case. All other files are passed over.",
    )
    skip_names: tuple[str, ...] = key(
        "scan.skip_names",
        kinds.NAMES,
        SKIP_NAMES,
        "Names of files and folders that are never looked at. *, ? and [...] match as in a shell.",
    )
    read_only_roots: tuple[str, ...] = key(
        "scan.read_only_roots",
        kinds.PATHS,
        (),
        "Folders that need not be writable, with all roots below them: / for all there are. qacache never writes to a "
        "root, but one that cannot be written any more is often a sign of trouble, and `qacache doctor` says so.",
    )
    rate_per_s: float = key(
        "scan.rate",
        kinds.NUMBER,
        0.0,
        "How many files a second may be read and probed, to spare a busy NAS.",
        unit="files per second",
        minimum=0.001,
        zero="no limit",
        flag="--rate",
    )
    network_concurrency: int = key(
        "scan.network_concurrency",
        kinds.WHOLE,
        4,
        "How many things are asked of one network mount at a time: folders listed, files looked at, read and probed. "
        "The table [mounts] says it for a single one.",
        minimum=1,
        maximum=256,
    )
    max_shrink: float = key(
        "scan.max_shrink",
        kinds.NUMBER,
        0.5,
        "How large a share of a root's files may be gone for a scan to believe it, without --accept-shrink.",
        minimum=0,
        maximum=1,
    )
    hang_timeout_s: float = key(
        "scan.hang_timeout",
        kinds.DURATION,
        60.0,
        "How long to wait for a folder or file of a network mount. A root of which several in a row do not answer, or "
        "cannot be read, is given up until the next scan.",
        minimum=1,
        maximum=HOUR_S,
    )
    retry_min_s: float = key(
        "scan.retry_min",
        kinds.DURATION,
        HOUR_S,
        "How long a file that failed is left alone. The wait doubles with each further failure.",
        minimum=1,
        maximum=3650 * DAY_S,
    )
    retry_max_s: float = key(
        "scan.retry_max",
        kinds.DURATION,
        30 * DAY_S,
        "The longest wait before a file that failed is tried again.",
        minimum=1,
        maximum=3650 * DAY_S,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounts:
    """Limits for single mounts, or for any other folder and all that is below it: a table for each."""

    by_folder: Mapping[str, MountLimits] = key(
        "mounts",
        MOUNTS,
        dict,
        "The folder as its name, and in the table `concurrency`, how many things are asked of it at a time (folders "
        "listed, files looked at, read and probed; 0: as without a table), and `rate`, how many of its files a second "
        "may be read and probed (0: no limit). The limits of [scan] and [ffprobe] hold all the same.",
        usual_default=MOUNTS.show({"/mnt/nas": MountLimits()}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ffprobe:
    """How files are probed: what ffprobe would say is asked of FFmpeg's libraries, of ffprobe itself, or of both."""

    engine: str = key(
        "ffprobe.engine",
        kinds.choice("engine", *ENGINES),
        "auto",
        "What probes: libav, FFmpeg's libraries as they come with qacache, in processes that last; ffprobe, a process "
        "a file; or auto: libav, and ffprobe, where it is installed, for what libav cannot fully describe.",
        flag="--engine",
    )
    path: str = key(
        "ffprobe.path",
        kinds.PROGRAM,
        FFPROBE,
        "The ffprobe to run: a name that is looked up on PATH, or a path.",
    )
    concurrency: int = key(
        "ffprobe.concurrency",
        kinds.WHOLE,
        0,
        "How many files are probed at the same time.",
        unit="processes",
        minimum=1,
        maximum=256,
        zero="CPUs + 2",
        flag="--jobs",
    )
    timeout_s: float = key(
        "ffprobe.timeout",
        kinds.DURATION,
        30.0,
        "How long one file may take. After that the process that probes it is killed and the file counts as failed.",
        minimum=0.001,
        maximum=DAY_S,
    )
    memory_limit_bytes: int = key(
        "ffprobe.memory_limit",
        kinds.SIZE,
        1024 * MIB,
        "How much address space one process that probes may take, so that no broken file takes all memory. The "
        "libraries of FFmpeg alone need 256MiB.",
        minimum=384 * MIB,
        zero="no limit",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration; `Config()` holds the defaults of this machine."""

    db: Db = field(default_factory=Db)
    scan: Scan = field(default_factory=Scan)
    mounts: Mounts = field(default_factory=Mounts)
    ffprobe: Ffprobe = field(default_factory=Ffprobe)
    maintenance: Maintenance = field(default_factory=Maintenance)
    doctor: Doctor = field(default_factory=Doctor)
    backup: Backup = field(default_factory=Backup)
    server: Server = field(default_factory=Server)
    metrics: Metrics = field(default_factory=Metrics)
    log: Log = field(default_factory=Log)
    client: Client = field(default_factory=Client)
    paths: Paths = field(default_factory=Paths)


def sections() -> dict[str, type]:
    """Return the dataclass of each section, by the section's name."""
    return get_type_hints(Config)


def keys() -> Iterator[tuple[str, Key]]:
    """Yield the attribute's name and the definition of every key, section by section."""
    for section in sections().values():
        for each in fields(section):
            yield each.name, each.metadata["key"]
