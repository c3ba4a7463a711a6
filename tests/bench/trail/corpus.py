"""The trail files that are read: generated once for a seed, the same records in many small files and in few large ones."""

import gzip
import hashlib
import io
import json
import os
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bench.trail import calls, landscape

SEED = 3
MEGABYTE = 1_000_000
# Uncompressed, of each shape, and of one large file.
SIZE_MB, LARGE_MB = 1050, 75
# Whose trail each of the large files is, and of which Region, over and over.
WHERE = ((landscape.ACCOUNT, landscape.HOME_REGION), (landscape.OTHER_ACCOUNTS[0], "eu-west-1"),
         (landscape.ACCOUNT, "us-east-1"), (landscape.OTHER_ACCOUNTS[1], "eu-central-1"),
         (landscape.ACCOUNT, landscape.HOME_REGION), (landscape.OTHER_ACCOUNTS[2], "us-east-1"),
         (landscape.OTHER_ACCOUNTS[3], "us-west-2"), (landscape.ACCOUNT, landscape.HOME_REGION),
         (landscape.ACCOUNT, "eu-central-1"), (landscape.OTHER_ACCOUNTS[4], "eu-west-1"))
# How many of its account's records are of the session asked for, where it lives and elsewhere.
ASKED_FOR, ASKED_FOR_ELSEWHERE = 0.035, 0.003
AT_A_TIME, CALLS_A_BURST = 3, 15
SHAPES = {"many": "many small files", "few": "few large files"}


@dataclass(frozen=True)
class Shape:
    name: str
    folder: Path
    files: int
    compressed_bytes: int
    uncompressed_bytes: int
    # The largest file, uncompressed.
    largest_bytes: int


@dataclass(frozen=True)
class Corpus:
    shapes: tuple[Shape, ...]
    records: int
    # The records asked for, one a line, byte for byte as the files have them.
    expected: Path


def get(cache: Path, size_mb: int, say) -> Corpus:
    """The corpus of that size, generated unless it is in the cache; another one in the cache gives way."""
    name = f"{size_mb}-{_recipe()}"
    folder = cache / name
    if not (folder / "corpus.json").exists():
        shutil.rmtree(cache, ignore_errors=True)
        say(f"generating 2 × {size_mb} MB of trail files, kept for the next time")
        _generate(folder, size_mb)
    facts = json.loads((folder / "corpus.json").read_text())
    shapes = tuple(Shape(**{**shape, "folder": folder / shape["folder"]}) for shape in facts["shapes"])
    return Corpus(shapes, facts["records"], folder / "expected.jsonl")


def _recipe() -> str:
    """Changes when the generator does."""
    sources = (Path(module.__file__).read_bytes() for module in (landscape, calls))
    return hashlib.sha256(b"\0".join([*sources, Path(__file__).read_bytes()])).hexdigest()[:12]


def _generate(folder: Path, size_mb: int) -> None:
    count = max(2, round(size_mb / LARGE_MB))
    large_bytes = size_mb * MEGABYTE // count
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        parts = list(pool.map(_one_large, [folder] * count, range(count), [large_bytes] * count))
    with (folder / "expected.jsonl").open("wb") as expected:
        for part in parts:
            expected.write(Path(part["expected"]).read_bytes())
            Path(part["expected"]).unlink()
    shapes = [asdict(Shape(name, kind, len(files), sum(file[0] for file in files), sum(file[1] for file in files),
                           max(file[1] for file in files)))
              for kind, name in SHAPES.items() for files in [[file for part in parts for file in part[kind]]]]
    # Written last: it is there = the corpus is whole.
    (folder / "corpus.json").write_text(json.dumps({"shapes": shapes, "records": sum(part["records"] for part in parts)}))


def _one_large(folder: Path, index: int, size_bytes: int) -> dict:
    """Writes one large file and the small files of the same records, delivery after delivery; the sizes of each."""
    rng = random.Random(f"{SEED} file {index}")
    number, region = WHERE[index % len(WHERE)]
    account = landscape.account(SEED, number)
    now = datetime(2026, 11, 20) + timedelta(hours=index)
    expected = folder / f"expected-{index}.jsonl"
    large = Delivery(folder / "few", number, region, now, rng)
    many, written = [], 0
    with expected.open("wb") as found:
        while large.uncompressed_bytes < size_bytes:
            small = Delivery(folder / "many", number, region, now, rng)
            # Uncompressed: about 20 to 200 KB when compressed.
            size = min(2_400_000, max(240_000, int(rng.lognormvariate(13.7, 0.6))))
            for scene, call in _what_happens(rng, account, region, now):
                line = json.dumps(calls.record(scene, call), separators=(",", ":"), ensure_ascii=False).encode()
                small.add(line)
                large.add(line)
                written += 1
                if scene.session.is_the_one:
                    found.write(line + b"\n")
                if small.uncompressed_bytes >= size or large.uncompressed_bytes >= size_bytes:
                    break
            many.append(small.close())
            now += timedelta(minutes=5)
    return {"expected": str(expected), "records": written, "many": many, "few": [large.close()]}


def _what_happens(rng: random.Random, account: landscape.Account, region: str, start: datetime):
    """Calls of the minutes of one delivery, without end. Callers come in bursts, a few at a time, each mostly repeating a call:
    that is what lets trail files compress so well."""
    bursts = []
    while True:
        if len(bursts) < AT_A_TIME:
            moment = start + timedelta(seconds=rng.randrange(240))
            scene = calls.Scene(rng, account, region, _somebody(rng, account, region, moment), moment)
            bursts.append([scene, calls.some_kind(scene), 1 + int(rng.expovariate(1 / CALLS_A_BURST))])
            continue
        burst = rng.choice(bursts)
        scene, kind, left = burst
        yield scene, kind(scene)
        scene.now += timedelta(seconds=rng.choice((0, 0, 0, 1, 1, 3)))
        if rng.random() < 0.2:
            burst[1] = calls.some_kind(scene)
        burst[2] = left - 1
        if burst[2] == 0:
            bursts.remove(burst)


def _somebody(rng: random.Random, account: landscape.Account, region: str, now: datetime) -> landscape.Session:
    chance = rng.random()
    if chance < 0.06:
        return rng.choice(account.users)
    if chance < 0.22:
        service = rng.choice(("lambda", "ec2", "ecs-tasks", "cloudtrail", "delivery.logs", "events")) + ".amazonaws.com"
        return landscape.Session("aws", {"type": "AWSService", "invokedBy": service}, service, service)
    if account.number == landscape.ACCOUNT:
        share = ASKED_FOR if region == landscape.HOME_REGION else ASKED_FOR_ELSEWHERE
        # Its first role is the one asked for.
        chosen = account.roles[0] if rng.random() < share / 0.78 else rng.choice(account.roles[1:])
        return account.session(rng, chosen, now)
    # Work is not spread evenly: the first roles do most of it.
    return account.session(rng, account.roles[int(len(account.roles) * rng.random() ** 2)], now)


class Delivery:
    """One file, named and laid out as CloudTrail delivers it, compressed as it is written."""

    def __init__(self, root: Path, account: str, region: str, now: datetime, rng: random.Random):
        folder = root / f"AWSLogs/{account}/CloudTrail/{region}/{now:%Y/%m/%d}"
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{account}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_{landscape.key_of(rng, '', 16)}.json.gz"
        self._file = self._path.open("wb")
        # No name and no time in the header, so that a seed always makes the same bytes.
        self._gzip = gzip.GzipFile("", "wb", 6, self._file, mtime=0)
        self._buffer = io.BytesIO()
        self._before = b'{"Records":['
        self.uncompressed_bytes = 0

    def add(self, line: bytes) -> None:
        self._write(self._before + line)
        self._before = b","

    def close(self) -> tuple[int, int]:
        """Ends the file; its size compressed and uncompressed."""
        self._write(b"]}")
        self._gzip.write(self._buffer.getvalue())
        self._gzip.close()
        self._file.close()
        return self._path.stat().st_size, self.uncompressed_bytes

    def _write(self, content: bytes) -> None:
        self._buffer.write(content)
        self.uncompressed_bytes += len(content)
        if self._buffer.tell() > MEGABYTE:
            self._gzip.write(self._buffer.getvalue())
            self._buffer = io.BytesIO()
