"""Released code, where an environment variable says in which folder it lies."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor


@contextmanager
def original(variable: str, *packages: str, **stubs: Any) -> Iterator[Path]:
    """Imports of `packages` come from the folder of a release, those of `stubs` from no file.

    Skips the test where the variable gives no path.
    """
    if variable not in os.environ:
        pytest.skip(f"{variable} gives no path")
    folder = Path(os.environ[variable])
    names = {*packages, *stubs}
    hidden = {n: m for n, m in sys.modules.items() if n.split(".")[0] in names}
    for name in hidden:
        del sys.modules[name]
    for name, values in stubs.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(values)
    sys.path.insert(0, str(folder))
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        for name in [n for n in sys.modules if n.split(".")[0] in names]:
            del sys.modules[name]
        sys.modules.update(hidden)


def renamed(
    theirs: Mapping[str, Tensor], rules: Mapping[str, str | Callable[..., str]]
) -> dict[str, Tensor]:
    """Tensors by the names that the first rule that fits gives; those that none fits are left."""
    named = {}
    for name, tensor in theirs.items():
        for pattern, ours in rules.items():
            new, count = re.subn(f"^{pattern}", ours, name)
            if count:
                named[new] = tensor
                break
    return named


def gradients(module: torch.nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Gradient of every parameter, by name; zeros where there is none."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    pairs = zip(parameters, found, strict=True)
    return dict(
        zip(names, [torch.zeros_like(p) if g is None else g for p, g in pairs], strict=True)
    )


def compare(
    ours: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    named: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
    atol: float = 1e-5,
) -> None:
    """Each of our tensors against theirs, which `named` gives by our names."""
    renamed = named(theirs)
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, renamed[name], atol=atol, rtol=1e-3, msg=name)


def compare_starts(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], least: int = 200
) -> None:
    """Means and standard deviations of initial values, of tensors with enough of them."""
    for name, tensor in ours.items():
        if tensor.numel() < least:
            continue
        mine, other = tensor.float(), theirs[name].float()
        margin = 4 / tensor.numel() ** 0.5  # of the other's standard deviation
        scale = float(other.std()) + 1e-9
        assert abs(float(mine.std()) - scale) < margin * scale + 1e-9, name
        assert abs(float(mine.mean() - other.mean())) < 2 * margin * scale + 1e-9, name
