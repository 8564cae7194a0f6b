"""Reading published or committed weights into a module, with errors that say what to do."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a `.safetensors` or `.pth` file (tensors only), on the CPU."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weights file; check the path in params.yaml")
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def load_weights(module: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Copies `state` into `module`; key names and shapes must match exactly, precision may differ.

    Raises:
        ValueError: naming `source`, the first missing or unexpected key, or the first wrong shape.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    wrong = [key for key in own if key in state and state[key].shape != own[key].shape]
    problems = [f"{len(missing)} keys missing, first: {missing[0]}"] if missing else []
    if unexpected:
        problems.append(f"{len(unexpected)} unexpected keys, first: {unexpected[0]}")
    if wrong:
        got, expected = tuple(state[wrong[0]].shape), tuple(own[wrong[0]].shape)
        problems.append(f"{wrong[0]} has shape {got}, expected {expected}")
    if problems:
        raise ValueError(
            f"{source}: not weights of this {type(module).__name__}: {'; '.join(problems)}. "
            "Give the file made for this encoder and size."
        )
    module.load_state_dict(state)
