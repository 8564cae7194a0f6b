"""What was launched and how it went: a folder of small files that every job can write its own of.

    lock                 held by a launch at work
    params/SHA.yaml      params.yaml as it was when jobs were launched
    arrays/NAME.json     the jobs of one array, written before it is submitted
    outcomes/JOB.json    how the latest go of a job went
    logs/NAME-INDEX.log  what the job said

Which jobs wait or run is the scheduler's to know; it names them by array and index.
"""

import fcntl
import json
import os
import platform
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common.files import sha256, write_atomic, write_json


class LaunchError(ValueError):
    """Jobs that can't be launched; the message says what to change."""


class Holder(NamedTuple):
    """The launch that holds the lock."""

    host: str
    process: int
    token: str  # in its arrays, too: a process number comes back

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


class Ledger:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            LaunchError: one of them can't be written.
        """
        for name in ("params", "arrays", "outcomes", "logs"):
            folder = self.folder / name
            try:
                write_atomic(folder / ".writable", "")
                (folder / ".writable").unlink()
            except OSError as error:
                raise LaunchError(
                    f"{folder}: can't be written ({error.strerror}); it has to be a folder that "
                    "this machine and the jobs' machines share"
                ) from None

    @contextmanager
    def claim(self) -> Iterator[str]:
        """Hold the lock; a token that names this launch.

        Raises:
            LaunchError: another launch holds it, or the file system has no locks.
        """
        with (self.folder / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if holder := self.holder():
                    raise LaunchError(
                        f"another launch is at work ({holder}); see `launch --status`, or end it "
                        "with `launch --cancel`"
                    ) from None
                fcntl.flock(file, fcntl.LOCK_EX)  # somebody only looked
            except OSError as error:
                raise LaunchError(
                    f"{self.folder / 'lock'}: no locks here ({error.strerror}); docs/cluster.md "
                    "says which mount options they need"
                ) from None
            holder = Holder(platform.node(), os.getpid(), uuid.uuid4().hex)
            file.truncate(0)
            json.dump(holder, file)
            file.flush()
            yield holder.token

    def holder(self) -> Holder | None:
        """The launch that is at work."""
        path = self.folder / "lock"
        if not path.is_file():
            return None
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Holder(*json.loads(file.read() or '["?", 0, ""]'))  # it may just begin
        return None

    def keep_params(self, path: Path) -> Path:
        """A copy of the parameters, so that jobs in a queue don't follow later edits."""
        content = path.read_bytes()
        kept = self.folder / "params" / f"{sha256(content)[:12]}.yaml"
        write_atomic(kept, content)
        return kept

    def add_array(self, name: str, **content: Any) -> None:
        """The array's `on` (local or slurm), `retries` and `jobs`, a list of name, command, needs,
        recipe; outcomes of earlier goes are forgotten."""
        for job in content["jobs"]:
            self._outcome(job["name"]).unlink(missing_ok=True)
        write_json(self._array(name), content)

    def drop_array(self, name: str) -> None:
        self._array(name).unlink(missing_ok=True)

    def array(self, name: str) -> dict[str, Any]:
        return json.loads(self._array(name).read_text())

    def arrays(self) -> dict[str, dict[str, Any]]:
        return {p.stem: self.array(p.stem) for p in sorted(self.folder.glob("arrays/*.json"))}

    def outcome(self, job: str) -> dict[str, Any]:
        """state (running, done, failed, stopped or again), reason, seconds, tries, array, index;
        empty before the first go."""
        try:
            return json.loads(self._outcome(job).read_text())
        except FileNotFoundError:
            return {}

    def set_outcome(self, job: str, content: dict[str, Any]) -> None:
        write_json(self._outcome(job), content)

    def log(self, array: str, index: int | str) -> Path:
        return self.folder / "logs" / f"{array}-{index}.log"

    def last_line(self, array: str, index: int) -> str:
        """The last thing that a job said."""
        path = self.log(array, index)
        if not path.is_file():
            return "(no log)"
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "(empty log)")[:200]

    def _array(self, name: str) -> Path:
        return self.folder / "arrays" / f"{name}.json"

    def _outcome(self, job: str) -> Path:
        return self.folder / "outcomes" / f"{job}.json"
