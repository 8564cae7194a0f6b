"""State of launches: a small JSON of Slurm's jobs, and the lock of a running launch.

jobs.json        id, log, result and recipe of each job's last launch, by its name
failures.json    why each job that failed on this machine did, until it starts again
lock             held by a running launch
params/SHA.yaml  params.yaml as it was when jobs were launched
jobs, logs       logs of Slurm's jobs, and of this machine's
"""

import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.common.files import sha256, write_json
from benchmarks.launch import slurm
from benchmarks.launch.job import LaunchError, last_line
from benchmarks.params.files import read_values, write_yaml
from gavs.reading import reading

KEYS = ("id", "log", "result", "recipe")


class Holder(NamedTuple):
    """Launch that holds the lock."""

    host: str
    process: int

    def __str__(self) -> str:
        return f"a launch (process {self.process} on {self.host})"


class State:
    """Folder of a profile's launches, shared by every machine that runs jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @property
    def jobs(self) -> dict[str, dict[str, str]]:
        """Entries `id`, `log`, `result` and `recipe` of jobs, by name.

        Raises:
            LaunchError: the file is damaged.
        """
        path = self.folder / "jobs.json"
        try:
            jobs = json.loads(path.read_bytes())
            return {name: {key: str(job[key]) for key in KEYS} for name, job in jobs.items()}
        except FileNotFoundError:
            return {}
        except Exception as error:  # whatever a damaged file leads to
            raise LaunchError(
                f"{path}: not a list of jobs ({type(error).__name__}: {error}); see with squeue "
                "that none is left, then delete the file"
            ) from None

    def add(self, entries: dict[str, dict[str, str]]) -> None:
        """Add or replace entries of jobs, which start again."""
        write_json(self.folder / "jobs.json", self.jobs | entries)
        for name in entries:
            self.note(name)

    def drop(self, names: list[str]) -> None:
        """Remove the entries of cancelled jobs, which would count as failed."""
        jobs = {name: job for name, job in self.jobs.items() if name not in names}
        write_json(self.folder / "jobs.json", jobs)

    @property
    def failures(self) -> dict[str, str]:
        """Reasons of jobs that failed on this machine, by name.

        Raises:
            LaunchError: the file is damaged.
        """
        path = self.folder / "failures.json"
        if not path.is_file():
            return {}
        with reading(path, LaunchError, "as a list of failures", "delete it"):
            return {str(name): str(why) for name, why in json.loads(path.read_bytes()).items()}

    def note(self, name: str, failure: str = "") -> None:
        """Note down why a job failed on this machine; or, as it starts again, that it hasn't."""
        before = self.failures
        after = {other: why for other, why in before.items() if other != name}
        after |= {name: failure} if failure else {}
        if after != before:
            write_json(self.folder / "failures.json", after)

    def active(self) -> dict[str, dict[str, str]]:
        """List Slurm's jobs that wait or run: their entries with `state` and `reason`.

        Raises:
            LaunchError: some may, but Slurm isn't here to tell.
        """
        ids = {name: job for name, job in self.jobs.items() if not Path(job["result"]).exists()}
        try:
            queue = slurm.queue() if ids else {}  # finished jobs are known without Slurm
        except LaunchError as error:
            raise LaunchError(
                f"{error}; {self.folder / 'jobs.json'} has {len(ids)} jobs of Slurm that may still "
                "run: ask there, or delete it if none does"
            ) from None
        return {
            name: job | queue[job["id"]]._asdict()
            for name, job in ids.items()
            if job["id"] in queue
        }

    def copy_params(self, path: Path) -> Path:
        """Copy the parameters, so that jobs in a queue don't follow later edits."""
        values = read_values(path)
        checksum = sha256(json.dumps(values, sort_keys=True).encode())
        copy = self.folder / "params" / f"{checksum[:12]}.yaml"
        write_yaml(copy, values)
        return copy

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the lock.

        Raises:
            LaunchError: another launch holds it, or the folder can't be written or locked.
        """
        path = self.folder / "lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        except OSError as error:
            raise LaunchError(
                f"{path}: can't be written ({error.strerror}); it has to be in a folder that this "
                "machine and the jobs' machines share"
            ) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if holder := self.holder():
                    raise LaunchError(
                        f"{holder} is running; see `launch --status`, or end it with "
                        "`launch --cancel`"
                    ) from None
                fcntl.flock(file, fcntl.LOCK_EX)  # `holder` of another process had it for a moment
            except OSError as error:
                raise LaunchError(
                    f"{path}: no locks here ({error.strerror}); docs/cluster.md says which mount "
                    "options they need"
                ) from None
            file.truncate(0)
            json.dump([platform.node(), os.getpid()], file)
            file.flush()
            yield

    def holder(self) -> Holder | None:
        """Find the launch that is running, other than this process."""
        path = self.folder / "lock"
        if not path.is_file():
            return None
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = Holder(*json.loads(file.read() or '["?", 0]'))  # it may just begin
                return None if holder == (platform.node(), os.getpid()) else holder
        return None

    def failure(self, name: str) -> str:
        """Why a job that isn't active ended: of a Slurm job, the last line of its log, and its
        path; empty if the job didn't start.
        """
        if failure := self.failures.get(name):
            return failure
        path = Path(self.jobs[name]["log"]) if name in self.jobs else None
        return last_line(path) if path and path.is_file() else ""
