"""The libav prober against damaged media: whatever a file holds, it gets an answer, and so does the next.

Real clips are damaged in the ways that disks, networks and attackers damage them. Each mutant follows from the seed in
the test's name and from its own number, both of which a failure tells; the file that failed is kept.
`QACACHE_FUZZ_MUTANTS=100000` makes so many of them, rather than a few thousand.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from qacache.models import Failure, Probe
from qacache.os_failures import REASONS
from qacache.probe.libav.prober import LibavProber
from qacache.record import media_from_dict, media_to_dict
from tests.media import make_clip, make_song
from tests.processes import children_of

MUTANTS = int(os.environ.get("QACACHE_FUZZ_MUTANTS", "4000"))
THREADS = 4
PROBER_REASONS = {"invalid-data", "no-streams", "bad-output", "refused-format", "timeout", "crashed", "too-much-output"}
KNOWN_REASONS = PROBER_REASONS | set(REASONS.values())

# What misleads whoever reads the dump or the log line by line, or takes any text for UTF-8.
WORDS = (
    b"\n    Stream #0:0: Video: x, ",
    b"\n      Side data:\n        Display Matrix: rotation of nan degrees\n",
    b"\n[hls @ 0x1] Format not on whitelist",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xff\xfe\x00\xd8",
    b"\x1b[31m\r\n\x00",
    b"1e999",
)
LENGTHS = (1, 2, 4, 8)
TITLE = b"Title " * 40

# Boxes of MP4 that hold boxes, and the size of what stands before these. EBML elements that hold elements.
BOX_HEADERS = {b"meta": 12, b"stsd": 16, b"dref": 16} | dict.fromkeys(
    (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"ilst", b"mvex", b"moof", b"traf"), 8
)
MASTERS = {
    *(0x1A45DFA3, 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1),
    *(0x1F43B675, 0x1C53BB6B, 0x1254C367, 0x7373, 0x67C8),
}

Mutation = Callable[[bytes, bytes, random.Random], bytes]


class Part(NamedTuple):
    """A box of MP4 or an element of EBML: where it begins, where its size stands, and where it ends."""

    start: int
    size_at: int
    size_bytes: int
    end: int


def parts_of(content: bytes) -> list[Part]:
    """All parts, those within others too; none where the content is neither MP4 nor EBML."""
    if content[4:8] in {b"ftyp", b"moov"}:
        return list(boxes(content, 0, len(content)))
    return list(elements(content, 0, len(content))) if content.startswith(b"\x1a\x45\xdf\xa3") else []


def boxes(content: bytes, start: int, end: int) -> Iterator[Part]:
    while start + 8 <= end:
        size, kind = int.from_bytes(content[start : start + 4], "big"), content[start + 4 : start + 8]
        if not 8 <= size <= end - start:
            return
        yield Part(start, start, 4, start + size)
        if kind in BOX_HEADERS:
            yield from boxes(content, start + BOX_HEADERS[kind], start + size)
        start += size


def elements(content: bytes, start: int, end: int) -> Iterator[Part]:
    while start + 2 <= end and content[start]:
        size_at = start + 9 - content[start].bit_length()
        if size_at >= end or not content[size_at]:
            return
        size_bytes = 9 - content[size_at].bit_length()
        begin = size_at + size_bytes
        size = int.from_bytes(content[size_at:begin], "big") - (1 << 7 * size_bytes)
        if not 0 <= size <= end - begin:
            return
        yield Part(start, size_at, size_bytes, begin + size)
        if int.from_bytes(content[start:size_at], "big") in MASTERS:
            yield from elements(content, begin, begin + size)
        start = begin + size


# Ways to damage a content; some need another one.


def flip_bits(content: bytes, _: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        damaged[place(content, rng)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def put_extreme_number(content: bytes, _: bytes, rng: random.Random) -> bytes:
    size = rng.choice(LENGTHS)
    number = rng.choice([0, 1, 1 << 8 * size - 1, (1 << 8 * size - 1) - 1, (1 << 8 * size) - 1])
    return put(content, place(content, rng), number.to_bytes(size, rng.choice(["big", "little"])))


def put_words(content: bytes, _: bytes, rng: random.Random) -> bytes:
    return put(content, place(content, rng), rng.choice(WORDS))


def put_words_into_the_title(content: bytes, _: bytes, rng: random.Random) -> bytes:
    return content.replace(TITLE, put(TITLE, 4, rng.choice(WORDS)))


def truncate(content: bytes, _: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def behead(content: bytes, _: bytes, rng: random.Random) -> bytes:
    return content[place(content, rng) :]


def splice_head(content: bytes, other: bytes, rng: random.Random) -> bytes:
    at = place(other, rng)
    return other[:at] + content[at:]


def duplicate_block(content: bytes, _: bytes, rng: random.Random) -> bytes:
    start, end = block(content, rng)
    return content[:end] + content[start:end] * rng.choice([1, 2, 16]) + content[end:]


def zero_block(content: bytes, _: bytes, rng: random.Random) -> bytes:
    start, end = block(content, rng)
    return put(content, start, bytes(end - start))


def insert_block(content: bytes, other: bytes, rng: random.Random) -> bytes:
    at = place(content, rng)
    start, end = block(other, rng)
    inserted = rng.choice([rng.randbytes(end - start), other[start:end]])
    return content[:at] + inserted + content[at:]


def swap_parts(content: bytes, other: bytes, rng: random.Random) -> bytes:
    parts = parts_of(content)
    if not parts:
        return flip_bits(content, other, rng)
    one, two = sorted(rng.choices(parts, k=2))
    if two.start < one.end:
        # one holds the other, which is to take its place
        return content[: one.start] + content[two.start : two.end] + content[one.end :]
    between = content[one.end : two.start]
    swapped = content[two.start : two.end] + between + content[one.start : one.end]
    return content[: one.start] + swapped + content[two.end :]


def repeat_part(content: bytes, other: bytes, rng: random.Random) -> bytes:
    parts = parts_of(content)
    if not parts:
        return duplicate_block(content, other, rng)
    part = rng.choice(parts)
    return content[: part.end] + content[part.start : part.end] * rng.choice([1, 40]) + content[part.end :]


def resize_part(content: bytes, other: bytes, rng: random.Random) -> bytes:
    parts = parts_of(content)
    if not parts:
        return put_extreme_number(content, other, rng)
    part = rng.choice(parts)
    bits = 7 * part.size_bytes if content.startswith(b"\x1a") else 32
    marker = 1 << bits if bits != 32 else 0
    size = rng.choice([0, 1, 7, rng.getrandbits(bits), (1 << bits) - 2, (1 << bits) - 1])
    return put(content, part.size_at, (marker + size).to_bytes(part.size_bytes, "big"))


MUTATIONS: tuple[Mutation, ...] = (
    *(flip_bits, put_extreme_number, put_words, put_words_into_the_title, truncate, behead, splice_head),
    *(duplicate_block, zero_block, insert_block, swap_parts, repeat_part, resize_part),
)


def place(content: bytes, rng: random.Random) -> int:
    """Where to begin: mostly near an end, where containers keep their headers."""
    last = max(0, len(content) - 1)
    near = min(last, 2000)
    return rng.choice([rng.randint(0, near), rng.randint(last - near, last), rng.randint(0, last)])


def block(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = place(content, rng)
    return start, min(len(content), start + rng.choice([1, 4, 16, 64, 1024]))


def put(content: bytes, at: int, words: bytes) -> bytes:
    return content[:at] + words + content[at + len(words) :]


class Mutant(NamedTuple):
    recipe: str
    suffix: str
    content: bytes


def make_mutant(originals: Mapping[str, bytes], seed: int, number: int) -> Mutant:
    """The same for the same originals, seed and number."""
    rng = random.Random(f"{seed}/{number}")
    name, other = rng.choices(sorted(originals), k=2)
    content, steps = originals[name], [name]
    for mutation in rng.choices(MUTATIONS, k=rng.choice([1, 1, 2, 4])):
        content = mutation(content, originals[other], rng) if content else content
        steps.append(mutation.__name__)
    return Mutant(f"{', '.join(steps)}, by {other}", os.path.splitext(name)[1], content)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, bytes]:
    """Clips and songs in several containers and codecs, and the content of each."""
    folder = tmp_path_factory.mktemp("originals")
    tags = {"tags": {"title": TITLE.decode()}}
    made = [
        make_clip(folder / "plain.mp4", **tags),
        make_clip(folder / "silent.mp4", audio=False, codec="libx264", color_transfer="smpte2084"),
        make_clip(folder / "upright.mov", rotation=-90, **tags),
        make_clip(folder / "poster.mp4", cover=True, rotation=180),
        make_clip(folder / "wide.mkv", sample_aspect_ratio=Fraction(64, 45), **tags),
        make_clip(folder / "turned.mkv", rotation=90, codec="libx264", audio_codec="flac"),
        make_clip(folder / "clip.webm", **tags),
        make_clip(folder / "clip.avi", duration_s=0.2, **tags),
        make_clip(folder / "clip.ts", duration_s=0.2),
        make_clip(folder / "clip.mpg", duration_s=0.2),
        make_clip(folder / "clip.flv", **tags),
        make_song(folder / "cover.mp3", cover=True, **tags),
        make_song(folder / "cover.m4a", cover=True, **tags),
        make_song(folder / "song.flac", **tags),
        make_song(folder / "song.ogg", **tags),
        make_song(folder / "song.wav", duration_s=0.05, **tags),
    ]
    return {path: path.read_bytes() for path in made}


@pytest.fixture
def prober() -> Iterator[LibavProber]:
    with closing(LibavProber(timeout_s=10.0)) as prober:
        yield prober


@pytest.mark.parametrize("seed", [20_230_117], ids="seed{}".format)
def test_damaged_media_get_an_answer_each_and_leave_the_prober_whole(
    seed: int, prober: LibavProber, originals: dict[Path, bytes], tmp_path: Path
) -> None:
    contents = {path.name: content for path, content in originals.items()}
    before = children_of(os.getpid())
    expected = [prober.probe(os.fsencode(path)) for path in originals]

    def look(number: int) -> str:
        recipe, suffix, content = make_mutant(contents, seed, number)
        path = tmp_path / f"mutant-{number}{suffix}"
        path.write_bytes(content)
        try:
            kind = sound_kind(prober.probe(os.fsencode(path)))
        except BaseException as error:
            error.add_note(f"mutant {number} of seed {seed}: {recipe}; kept as {path}")
            raise
        path.unlink()
        return kind

    with ThreadPoolExecutor(THREADS) as pool:
        kinds = set(pool.map(look, range(MUTANTS)))

    assert {"described", "invalid-data"} <= kinds
    assert [prober.probe(os.fsencode(path)) for path in originals] == expected
    assert all(isinstance(answer, Probe) for answer in expected)
    assert prober.abandoned == 0
    prober.close()
    assert children_of(os.getpid()) == before


@pytest.mark.parametrize("name", ["plain.mp4", "poster.mp4", "upright.mov", "cover.m4a", "wide.mkv", "clip.webm"])
def test_mutations_know_the_parts_of_a_container(name: str, originals: dict[Path, bytes]) -> None:
    content = next(content for path, content in originals.items() if path.name == name)

    parts = parts_of(content)

    assert len(parts) > 20
    assert max(part.end for part in parts) == len(content)


def sound_kind(answer: Probe | Failure) -> str:
    """`described`, or the reason of the failure; asserts that the answer can be stored and shown."""
    if isinstance(answer, Failure):
        assert answer.stage == "probe"
        assert answer.reason in KNOWN_REASONS
        assert 0 < len(answer.message) <= 300
        assert answer.message.splitlines() == [answer.message]
        assert answer.message.encode()
        # that is a child which its own program brought down, not FFmpeg
        assert "exit status" not in answer.message
        return answer.reason
    media = media_to_dict(answer.media)
    assert media_from_dict(as_stored(media)) == answer.media
    assert as_stored(answer.raw) == answer.raw
    assert all(-(2**63) <= number < 2**63 for number in numbers_in(media))
    return "described"


def as_stored(value: Any) -> Any:
    return json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())


def numbers_in(value: Any) -> Iterator[int]:
    match value:
        case int():
            yield value
        case dict():
            yield from numbers_in(list(value.values()))
        case list():
            for item in value:
                yield from numbers_in(item)
