"""Worker processes side by side: one thread each, and gone when their parent is."""

import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of forked workers, which share what the parent has imported and opened.

    The parent must not have used several torch threads or CUDA before: a fork survives neither.
    """
    return ProcessPoolExecutor(workers, get_context("fork"), _begin, (os.getpid(),))


def _begin(parent: int) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)

    def leave_with_parent() -> None:  # a parent that was killed can't end its workers
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()
