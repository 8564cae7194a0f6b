"""Encoder adapters at ViT-B and 1024 pixels, on tensors without content: who runs, what is kept."""

import pytest
import torch

from benchmarks.features import sam as frames_through_sam
from benchmarks.features.encode import encode
from benchmarks.grid.fingerprint import header
from benchmarks.grid.workbench import Workbench
from benchmarks.params import load
from gavs.method import Batch
from gavs.model import GAVS, GavsConfig
from gavs.sam import build_sam

GIB = 2**30


class _Encoders:
    audio_dim = 128

    def sam(self):
        return build_sam("vit_b")


def _step(part: str, from_block: int, frames: int = 2) -> tuple[list[int], int]:
    """How often each block runs forwards in a training step, and the bytes kept for backwards."""
    config = GavsConfig(
        **{part: {"from_block": from_block}}, prompt={"hidden": 512}, alignment={"loss": "none"}
    )
    calls, kept = [0] * 12, {}

    def keep(tensor):
        kept[tensor.untyped_storage()._cdata] = tensor  # held, so that no other gets its place
        return tensor

    with torch.device("meta"):
        gavs = GAVS(config, _Encoders()).train()
        for number, block in enumerate(gavs.sam.image_encoder.blocks):
            block.norm1.register_forward_hook(
                lambda *_, number=number: calls.__setitem__(number, calls[number] + 1)
            )
        side = gavs.target_size
        batch = Batch(
            audio=torch.randn(frames, 1, 128),
            features={"tokens": torch.randn(frames, 1, 64, 64, 768)},
            masks=torch.rand(frames, 1, side, side),
            valid=torch.ones(frames, side, side),
            supervised=torch.ones(frames, 1, dtype=torch.bool),
            video=torch.arange(frames),
            classes=torch.ones(frames, 1, dtype=torch.bool),
        )
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = gavs.loss(gavs(batch), batch)["bce"]
        forwards = list(calls)
        loss.backward()
    own = {p.untyped_storage()._cdata for p in gavs.parameters()}
    size = sum(t.untyped_storage().nbytes() for k, t in kept.items() if k not in own)
    return forwards, size // frames


@pytest.mark.parametrize(
    "part, from_block",  # the author's, the released code's, the second release's
    [("encoder_adapters", 6), ("encoder_adapters", 9), ("encoder_lora", 8)],
)
def test_training_runs_the_adapted_blocks_and_no_other(part, from_block):
    calls, kept = _step(part, from_block)
    assert calls == [0] * from_block + [1] * (12 - from_block)
    # A global block's attention alone is 12 heads x 4096 x 4096 x 4 bytes = 0.75 GiB a frame.
    assert kept < 0.2 * GIB


def test_extraction_runs_a_block_once_for_all_stores_and_none_behind_the_last(project, monkeypatch):
    bench = Workbench(load())
    sam = bench.encoders.sam()
    monkeypatch.setattr(frames_through_sam, "_sam", lambda *_: sam)
    calls = [0] * 4
    for number, block in enumerate(sam.image_encoder.blocks):
        block.register_forward_hook(
            lambda *_, number=number: calls.__setitem__(number, calls[number] + 1)
        )
    clips = bench.index[:2]

    def run(*names):
        calls[:] = [0] * 4
        stores = [header(name, clips, bench.encoders, 16) for name in names]
        cpu = torch.device("cpu")
        found = list(encode(stores, clips, range(8), bench.encoders, 4, cpu, "fp32", 1))
        assert [set(batch) for batch in found] == [set(names)] * 2
        return list(calls)

    assert run("sam_rgb", "tokens2_rgb", "tokens0_rgb") == [2, 2, 2, 2]
    assert run("tokens2_rgb", "tokens3_rgb") == [2, 2, 2, 0]
    assert run("tokens0_rgb") == [0, 0, 0, 0]
