"""A Slurm cluster of this one machine, on the loopback address, in a temporary folder."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

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
def cluster(tmp_path_factory) -> Iterator[Path]:
    """A running cluster; its folder. Jobs in its partition `urgent` preempt those in `main`."""
    if "TEST_SLURM" not in os.environ:
        pytest.skip("`make test-slurm` runs this")
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons need root here")
    if not all(map(shutil.which, PROGRAMS)):
        _install()
    folder = tmp_path_factory.mktemp("slurm")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # munge refuses a socket below a folder that others can't read
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
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    daemons: list[subprocess.Popen] = []
    try:
        munge = {name: folder / "munge" / name for name in ("socket", "key", "pid", "log", "seed")}
        daemons.append(
            _daemon(
                folder, "munged", "--foreground", f"--socket={munge['socket']}",
                f"--key-file={munge['key']}", f"--pid-file={munge['pid']}",
                f"--log-file={munge['log']}", f"--seed-file={munge['seed']}",
            )
        )  # fmt: skip
        _await(munge["socket"].exists, folder)
        daemons.append(_daemon(folder, "slurmctld", "-D", "-c"))
        daemons.append(_daemon(folder, "slurmd", "-D"))
        _await(lambda: "idle" in _output("sinfo", "--noheader", "--format=%t"), folder)
        yield folder
    finally:
        if len(daemons) == 3:
            _output("scancel", "--me")
            _await(lambda: not _output("squeue", "--noheader"), folder)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait()
        del os.environ["SLURM_CONF"]


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


def _daemon(folder: Path, *command: str) -> subprocess.Popen:
    with (folder / f"{command[0]}.out").open("ab") as file:
        return subprocess.Popen(["nice", *command], stdout=file, stderr=file)


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
    for _ in range(60):
        if condition():
            return
        time.sleep(0.5)
    said = "\n".join(f"{p.name}: {p.read_text()[-500:]}" for p in folder.glob("*.out"))
    raise AssertionError(f"Slurm didn't come up:\n{said}")
