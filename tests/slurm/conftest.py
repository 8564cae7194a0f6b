"""A Slurm cluster of this one machine, on the loopback address, in a temporary folder."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,bf_interval=2
KillWait=5
MinJobAge=86400
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb}
PartitionName=main Nodes=ALL Default=YES MaxTime=2:00:00 PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=2:00:00 PriorityTier=2 PreemptMode=OFF
"""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A running cluster; its folder. Jobs in its partition `urgent` preempt those in `main`."""
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons need root")
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        if "TEST_SLURM" not in os.environ:
            pytest.skip(f"no {', '.join(missing)} here: `make test-slurm` installs them")
        _install()
    with TemporaryDirectory(prefix="slurm-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # munge refuses a socket below closed folders, as pytest makes them
        with _daemons(folder):
            yield folder
        assert _left(folder) == []


@contextmanager
def _daemons(folder: Path) -> Iterator[None]:
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700)
    (folder / "munge").chmod(0o711)
    (folder / "munge" / "key").write_bytes(os.urandom(128))
    (folder / "munge" / "key").chmod(0o600)
    configuration = CONFIGURATION.format(
        host=socket.gethostname(),
        ports=_free_ports(2),
        folder=folder,
        cpus=os.cpu_count(),
        memory_mb=int(0.9 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20),
    )
    (folder / "slurm.conf").write_text(configuration)
    munge = {name: folder / "munge" / name for name in ("socket", "key", "pid", "log", "seed")}
    files = [f"--{name}-file={munge[name]}" for name in ("key", "pid", "log", "seed")]
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        munged = ["munged", "--foreground", f"--socket={munge['socket']}", *files]
        stack.enter_context(_daemon(folder, munged))
        _await(munge["socket"].exists, folder)
        stack.enter_context(_daemon(folder, ["slurmctld", "-D", "-c"]))
        stack.enter_context(_daemon(folder, ["slurmd", "-D"]))
        _await(lambda: "idle" in _output("sinfo", "--noheader", "--format=%t"), folder)
        stack.callback(_end_jobs, folder)
        yield


def _end_jobs(folder: Path) -> None:
    def ended() -> bool:
        _output("scancel", "--me")  # again: one that is just put back can't be cancelled
        queue = subprocess.run(["squeue", "--noheader"], capture_output=True)
        return queue.returncode == 0 and not queue.stdout

    _await(ended, folder)


def _left(folder: Path) -> list[str]:
    """Command lines of daemons, jobs and what they started that still run: those that were given
    this configuration."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            if f"SLURM_CONF={folder}" in (path / "environ").read_text(errors="replace"):
                found.append((path / "cmdline").read_text().replace("\0", " "))
    return found


def _install() -> None:
    """Debian's packages; their own services stay off."""
    if not shutil.which("apt-get"):
        pytest.skip("no Slurm here, and no apt-get to install it with")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "--no-install-recommends", "slurm-wlm", "munge"]):
        done = subprocess.run(
            ["apt-get", "--yes", *arguments], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"apt-get {arguments[0]} can't: {done.stderr.strip()[-300:]}")
    if shutil.which("systemctl"):
        services = ["munge", "slurmctld", "slurmd"]
        subprocess.run(["systemctl", "disable", "--now", *services], capture_output=True)


@contextmanager
def _daemon(folder: Path, command: list[str]) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("ab") as file:
        daemon = subprocess.Popen(["nice", *command], stdout=file, stderr=file)
    try:
        yield
    finally:
        daemon.terminate()
        daemon.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for free in sockets:
        free.bind(("127.0.0.1", 0))
    ports = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    return ports


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def _await(condition, folder: Path) -> None:
    for _ in range(240):
        if condition():
            return
        time.sleep(0.5)
    said = "\n".join(f"{p.name}: {p.read_text()[-500:]}" for p in folder.glob("*.out"))
    raise AssertionError(f"Slurm didn't come up:\n{said}")
