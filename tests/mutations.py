"""Damaged files of every kind that the suite reads: `python -m tests.mutations --per-kind 1000`.

Each mutated file must be refused with an error that names it, or give bit for bit the content of
the whole one. It is read in a forked child by the function that the pipeline calls: with 2 GB more
memory than it starts with, and ten seconds. Where a format has no checksum of its own, that
function compares one that was kept; `legal` kinds are input that nothing was made from yet.
"""

import argparse
import os
import pickle
import random
import re
import resource
import select
import signal
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests import mutated_kinds
from tests.mutated_kinds import KINDS, Kind

SECONDS, BYTES = 10.0, 2 << 30
GOOD = ("refused", "same", "legal")
_MEMORY = re.compile(r"MemoryError|allocate|not enough memory")


class Outcome(NamedTuple):
    """What came of a mutation: a word (`GOOD` or not) and the error's text."""

    word: str
    text: str = ""


def mutate(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """One damage of a file that isn't empty, by name."""
    kind = rng.choice(["bits", "cut", "zeroed tail", "inserted", "doubled", "swapped"])
    changed, start = bytearray(data), rng.randrange(len(data))
    end = min(len(data), start + rng.choice([1, 2, 16, 512]))
    match kind:
        case "bits":
            for _ in range(rng.choice([1, 1, 2, 8])):
                changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case "cut":
            del changed[start:]
        case "zeroed tail":
            changed[start:] = bytes(len(data) - start)
        case "inserted":
            changed[start:start] = rng.randbytes(end - start)
        case "doubled":
            changed[start:start] = data[start:end]
        case "swapped":
            other = rng.randrange(len(data))
            changed[start], changed[other] = changed[other], changed[start]
    return kind, bytes(changed)


def mutations(kind: Kind, whole: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many files that differ from the whole one."""
    rng = random.Random(zlib.crc32(f"{kind.file} {seed}".encode()))
    while count:
        name, data = mutate(whole, rng)
        if data != whole:
            count -= 1
            yield name, data


def judge(kind: Kind, path: Path, content: object) -> Outcome:
    """Read a mutated file."""
    try:
        found = kind.read(path)
    except kind.errors as error:
        text = str(error)
        if _MEMORY.search(text):
            return Outcome("memory", text)
        named = path.name in text and text.replace("\n", "").isprintable()
        return Outcome("refused" if named else "unnamed", text)
    except MemoryError as error:
        return Outcome("memory", repr(error))
    except Exception as error:
        return Outcome("traceback", repr(error))
    return Outcome("same" if found == content else "legal" if kind.legal else "changed")


def outcomes(kind: Kind, folder: Path, count: int, seed: int) -> Iterator[tuple[str, Outcome]]:
    """The mutations of a kind, and what came of each; a child that dies is replaced."""
    path = kind.make(folder)
    whole, content = path.read_bytes(), kind.read(path)
    pairs = list(mutations(kind, whole, count, seed))
    done = 0
    while done < len(pairs):
        for outcome in _child(kind, path, content, [data for _, data in pairs[done:]]):
            yield pairs[done][0], outcome
            done += 1


def _child(kind: Kind, path: Path, content: object, files: list[bytes]) -> Iterator[Outcome]:
    """Outcomes of a forked process, until it is through, hangs or dies."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            os.close(reader)
            _serve(kind, path, content, files, writer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        for _ in files:
            if not select.select([pipe], [], [], SECONDS)[0]:
                os.kill(pid, signal.SIGKILL)
                yield Outcome("hang")
                break
            try:
                yield pickle.load(pipe)
            except EOFError:
                yield Outcome("killed")
                break
    os.waitpid(pid, 0)


def _serve(kind: Kind, path: Path, content: object, files: list[bytes], writer: int) -> None:
    used = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1])
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (1024 * used + BYTES, hard))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders talk
    for data in files:
        kind.make(path.parent)  # a reader may have removed what is damaged
        path.write_bytes(data)
        mutated_kinds.forget()
        os.write(writer, pickle.dumps(judge(kind, path, content)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--per-kind", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    args = parser.parse_args()
    bad = 0
    for name in args.kinds or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            found = list(outcomes(KINDS[name], Path(folder), args.per_kind, args.seed))
        counts = Counter(outcome.word for _, outcome in found)
        print(f"{name:<16}", ", ".join(f"{n} {word}" for word, n in counts.most_common()))
        wrong = [(damage, outcome) for damage, outcome in found if outcome.word not in GOOD]
        for damage, outcome in wrong[:5]:
            print(f"    {damage}: {outcome.word}: {outcome.text[:300]}")
        bad += len(wrong)
        sys.stdout.flush()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
