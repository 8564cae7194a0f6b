import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from benchmarks.common.workers import worker_pool

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, time
from benchmarks.common.workers import worker_pool
pool = worker_pool(1)
print(pool.submit(os.getpid).result(), flush=True)
time.sleep(60)
"""
STOPPED = """
import multiprocessing.util, os, signal, time
from benchmarks.common.workers import worker_pool
multiprocessing.util._close_stdin = lambda: os.kill(os.getpid(), signal.SIGSTOP)  # a worker's first
pool = worker_pool(1)
pool.submit(os.getpid)
print(*pool._processes, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("program, state", [(PROGRAM, "SR"), (STOPPED, "T")])
def test_workers_leave_with_a_killed_parent(program, state):
    """One that is stopped as it starts too: it would hold the locks that it inherits."""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    worker = int(parent.stdout.readline())
    while _state(worker) not in state:
        time.sleep(0.05)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    for _ in range(100):
        if not _alive(worker):
            break
        time.sleep(0.1)
    assert not _alive(worker)


CUDA = """
import benchmarks, torch
torch.cuda._device_count_nvml = lambda: 1  # a driver that answers
torch._C._cuda_getDeviceCount = lambda: started.append(1) or 1  # what begins CUDA
started = []
import benchmarks.grid.cells, benchmarks.features.extract, benchmarks.preflight.check
print(len(started))
"""


def test_nothing_that_is_imported_begins_cuda():
    """A forked worker of a process where it has begun can't use it; mmengine asks on import."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTORCH_NVML_BASED_CUDA_CHECK"}
    done = subprocess.run(
        [sys.executable, "-c", CUDA], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ["0"], done.stderr


def _faults_of_a_step() -> int:
    """Pages that the kernel hands out while 40 MB of tensors are made for the tenth time."""
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        tensors = [torch.ones(2**20) for _ in range(10)]
        found = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        del tensors
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="how glibc gives memory back")
def test_a_worker_keeps_the_memory_that_it_frees():
    with worker_pool(1) as pool:
        assert pool.submit(_faults_of_a_step).result() < 100  # 10,240 without


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def _alive(pid: int) -> bool:
    try:  # an orphan that nobody has reaped yet is a zombie, not alive
        return _state(pid) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("killed", [0, 1])
def test_a_pool_ends_though_an_idle_worker_was_killed_at_its_end(killed):
    """One of two idle workers holds the lock by which they wait; either may be the one."""
    pool = worker_pool(2)
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
    processes = list(pool._processes.values())
    assert len(processes) == 2
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    end = threading.Thread(target=pool.shutdown, daemon=True)
    end.start()
    time.sleep(0.5)  # the pool no longer looks for the killed
    os.kill(processes[killed].pid, signal.SIGKILL)
    for process in processes:
        os.kill(process.pid, signal.SIGCONT)
    end.join(15)
    assert not end.is_alive()
