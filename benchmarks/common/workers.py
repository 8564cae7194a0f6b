"""Worker processes side by side: one thread each, and gone when their parent is."""

import ctypes
import os
import resource
import signal
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

AGAIN = 75  # EX_TEMPFAIL: exit status of a command that lost a worker process
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
PR_SET_PDEATHSIG = 1  # of Linux's prctl.h
_prctl = getattr(ctypes.CDLL(None), "prctl", None)
_starting: int | None = None  # process that starts a pool's workers just now


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of forked workers, which share what the parent has imported and opened.

    The parent must not have used several torch threads or CUDA before: a fork survives neither.
    """
    return _Pool(workers, get_context("fork"), _begin, (os.getpid(),))


class _Pool(ProcessPoolExecutor):
    """A pool that ends though a worker was killed after its last task.

    Idle workers wait for a task one after the other, by a lock. Python's pool, once it shuts down,
    no longer looks for workers that were killed: one that held the lock would keep the rest for
    ever, and the parent with them.
    """

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future:
        global _starting
        _starting = os.getpid()
        try:
            return super().submit(fn, *args, **kwargs)  # the first one forks the workers
        finally:
            _starting = None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        processes: list[Any] = list((self._processes or {}).values())
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        while wait and (alive := [p for p in processes if p.exitcode is None]):
            if any(p.exitcode for p in processes):
                for process in alive:
                    process.kill()
            alive[0].join(0.1)
        super().shutdown(wait=wait, cancel_futures=cancel_futures)


def _begin(parent: int) -> None:
    _leave_with_parent(parent)
    keep_freed_memory()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _die_with_parent() -> None:
    """Have the kernel end this worker, from its fork on, when its parent is killed.

    A stopped worker ends too, which would keep its parent's locks for ever.
    """
    if _starting is not None:
        end_with_parent(signal.SIGKILL)
        if os.getppid() != _starting:
            os._exit(1)


def end_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when its parent ends, where the system can."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, number)


os.register_at_fork(after_in_child=_die_with_parent)


def _leave_with_parent(parent: int) -> None:
    """End this worker when its parent is gone, on systems without that signal too."""

    def leave_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()


def keep_freed_memory() -> None:
    """Let the C library use freed memory again, in place of giving it back to the kernel.

    Else the pages of larger tensors are asked for and cleared anew at every step: up to a quarter
    of a training's time, a third at ViT-B's size.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        # Blocks below it are kept; older releases take no more than the second.
        mallopt(M_MMAP_THRESHOLD, 2**30) or mallopt(M_MMAP_THRESHOLD, 2**25)


def peak_memory_mb(device: "torch.device") -> float:
    """Peak memory of this process so far: the GPU's on CUDA, else the resident set's."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
