"""Kill the pipeline at random moments, go on, and compare with what an uninterrupted run leaves.

    python -m tests.kill --kills 100

A tiny world goes through data, features, two cells' training and scoring, and the report. Each
kill is of the whole process group, of the main process alone, of a worker alone, or of the main
process with a worker that is stopped. A run that comes to its end is compared and begun anew from
nothing.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch

from ruamel.yaml import YAML

import benchmarks.features.extract
import benchmarks.grid.cells
import benchmarks.miniature.sheet
import benchmarks.report.write  # noqa: F401  imported here once: each run is a fork of this process
from benchmarks import cli
from benchmarks.common.files import sha256
from benchmarks.launch.job import AGAIN
from benchmarks.params import load
from tests.copies import small_project

STAGES = {
    "data": ["data"],
    "features": ["features"],
    "run": ["run", "table1", "gavs", "v1m", "--seed", "0"],
    "report": ["report"],
}
KINDS = ("group", "main", "worker", "stopped")
PATIENCE = 600  # seconds that one run may take, or a killed one's processes to end


@dataclass
class Tally:
    """What came out: kills by kind and by the stage that was hit, and the runs compared."""

    kinds: Counter = field(default_factory=Counter)
    stages: Counter = field(default_factory=Counter)
    finished: int = 0
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return sum(self.kinds.values())

    def __str__(self) -> str:
        parts = (", ".join(f"{n} {k}" for k, n in c.items()) for c in (self.kinds, self.stages))
        kinds, stages = parts
        return (
            f"{self.kills} kills ({kinds}) during {stages}; {self.finished} runs came to their end "
            f"and equal the uninterrupted one; {self.seconds:.0f} s"
        )


class Project:
    """A folder with the smoke profile, in which the pipeline is run and killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        small_project(folder)
        with chdir(folder):
            _shrink(Path("params.yaml"))
            self.made = [folder / load().work, folder / "results"]

    def start(self) -> int:
        """The number of a process, leader of a group, that runs what is left of the pipeline."""
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            os.chdir(self.folder)
            log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            for name, arguments in STAGES.items():
                Path("stage").write_text(name)
                if code := cli.main(arguments):
                    os._exit(code)
            os._exit(0)
        except BaseException:
            traceback.print_exc()  # an error that the command line didn't catch
        os._exit(70)

    def stage(self) -> str:
        return (self.folder / "stage").read_text()

    def left(self) -> dict[str, str]:
        """What the pipeline has left: checksums, of records without their `run` block."""
        found = {}
        for folder in self.made:
            for path in folder.rglob("*"):
                name = str(path.relative_to(self.folder))
                if path.suffix in (".csv", ".md", ".npz", ".npy") and "/runs/" not in name:
                    found[name] = sha256(path)
                elif path.suffix == ".json" and "/records/" in name:
                    content = json.loads(path.read_text())
                    del content["run"]
                    found[name] = sha256(json.dumps(content, sort_keys=True).encode())
        return found

    def refuse_litter(self) -> None:
        """Raise AssertionError where killed writers have left something."""
        litter = [p for p in self.folder.rglob(".*") if p.name.endswith(".part")]
        litter += [p for n in (".parts-*", ".stale-*") for p in self.folder.rglob(n)]
        litter += [p for n in ("last.pt", "best.pt") for p in self.folder.rglob(n)]
        assert not litter, f"left behind: {litter}"

    def wipe(self) -> None:
        for folder in self.made:
            shutil.rmtree(folder, ignore_errors=True)


def _shrink(path: Path) -> None:
    """Fourteen clips of V1M and nothing else, in several shards; a checkpoint every few steps."""
    yaml = YAML()
    params = yaml.load(path)
    params["data"] |= {"labels": ["v1m"], "vggss": None, "vggsound": None}
    params["world"]["clips"] = {"v1m": {"train": 8, "val": 2, "test": 4}}
    params["tables"] |= {"rows": [], "ablated": []}  # what no V1M clip is in: features draws it
    params["tables"]["table1"]["benchmarks"] = ["v1m"]
    params["tables"]["ablations"]["groups"], params["tables"]["table3"]["in_set"] = [], []
    params["features"]["rows_per_shard"] = 16
    params["training"]["checkpoint_seconds"] = 0.05
    yaml.dump(params, path)


def kill(project: Project, kills: int, seconds: float, seed: int) -> Tally:
    """Kill `kills` times, or until the seconds are over, and compare each run that ends.

    Raises:
        AssertionError: a run failed, left another result, or something behind.
    """
    rng, tally, start = random.Random(seed), Tally(), time.monotonic()
    code = _end(project.start(), PATIENCE)
    assert code == 0, _tail(project, f"the uninterrupted run ended with {code}")
    whole, length = project.left(), time.monotonic() - start
    assert any("/records/" in name for name in whole), f"no record in {sorted(whole)}"
    project.refuse_litter()
    print(f"uninterrupted: {length:.0f} s, {len(whole)} files", flush=True)
    project.wipe()
    start = time.monotonic()
    done = False
    while not done or tally.finished == 0:
        done = tally.kills >= kills or time.monotonic() - start > seconds
        leader = project.start()
        # Early ones are many, and some late enough for the report, which goes on from nothing.
        moment = 1.5 * length * rng.random() ** 2
        code = _end(leader, PATIENCE if done else moment)
        # The kind that had the fewest; where it has no process yet, a little later.
        kind = min(KINDS, key=lambda k: (tally.kinds[k], rng.random()))
        while struck := code is None and not done:
            stage = project.stage()
            if _strike(leader, kind, rng):
                break
            code = _end(leader, 0.02)
        if struck:
            tally.kinds[kind] += 1
            tally.stages[stage] += 1
            code = _end(leader, PATIENCE)
            assert code in (0, -signal.SIGKILL, AGAIN), _tail(
                project, f"{kind} in {stage}: ended with {code}"
            )
            continue
        assert code == 0, _tail(project, f"ended with {code}")
        found = project.left()
        differs = [n for n in {*whole, *found} if whole.get(n) != found.get(n)]
        assert not differs, f"after {tally.kills} kills: other content of {sorted(differs)}"
        project.refuse_litter()
        tally.finished += 1
        tally.seconds = time.monotonic() - start
        print(tally, flush=True)
        project.wipe()
    return tally


def _strike(leader: int, kind: str, rng: random.Random) -> bool:
    """Kill by kind; False: there is no such process now."""
    if kind == "group":
        return _signal(os.killpg, leader, signal.SIGKILL)
    workers = _descendants(leader)
    if kind == "main":
        return _signal(os.kill, leader, signal.SIGKILL)
    if not workers:
        return False
    worker = rng.choice(workers)
    if kind == "worker":
        return _signal(os.kill, worker, signal.SIGKILL)
    return _signal(os.kill, worker, signal.SIGSTOP) and _signal(os.kill, leader, signal.SIGKILL)


def _signal(send: Callable[[int, int], None], pid: int, number: int) -> bool:
    try:
        send(pid, number)
    except ProcessLookupError:
        return False
    return True


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _descendants(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if _parent(int(path.name)) == pid:
                found += [int(path.name), *_descendants(int(path.name))]
        except (OSError, IndexError):
            continue
    return found


def _end(pid: int, seconds: float) -> int | None:
    """How a process ended; None: not within these seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    if seconds == PATIENCE:
        os.killpg(pid, signal.SIGKILL)
        raise AssertionError(f"a run didn't end in {seconds} s")
    return None


def _tail(project: Project, text: str) -> str:
    return f"{text}; the log ends:\n{(project.folder / 'log').read_text()[-3000:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=60, help="at most; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default: %(default)s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kill(Project(Path(folder)), args.kills, 60 * args.minutes, args.seed)


if __name__ == "__main__":
    main()
