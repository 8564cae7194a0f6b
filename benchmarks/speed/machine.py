"""What a machine is, for a page of times: no name of a machine, no path."""

import os
import platform
import re
from pathlib import Path
from typing import Any

import torch

SETS = {  # flag of /proc/cpuinfo -> instruction set
    **{"avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "AVX512-VNNI"},
    **{"avx512_bf16": "AVX512-BF16", "amx_bf16": "AMX-BF16"},
}
_INFO = Path("/proc/cpuinfo")


def cpu() -> str:
    """Name of the CPU, its cores and its instruction sets."""
    name = _field("model name") or platform.processor()  # ARM has no such line
    cores = len(os.sched_getaffinity(0))
    return ", ".join([name.strip(), f"{cores} cores", *instruction_sets()])


def instruction_sets() -> list[str]:
    """Those of SETS that the CPU has; none where the system doesn't say."""
    flags = _field("flags").split()
    return [name for flag, name in SETS.items() if flag in flags]


def _field(name: str) -> str:
    text = _INFO.read_text() if _INFO.is_file() else ""
    match = re.search(rf"^{name}\s*: (.*)", text, re.MULTILINE)
    return match[1] if match else ""


def problem_of(error: BaseException) -> str:
    """Text of an error for a table, on one line."""
    if isinstance(error, torch.OutOfMemoryError):
        return "failed: out of memory"
    lines: list[Any] = str(error).strip().splitlines() or [""]
    return f"failed: {type(error).__name__}: {lines[0]}"[:200]
