"""Speed of GAVS's training step: with stored features, and with all frames at once.

The reference is a step as in the released GAVS code with segment_anything's modules: the encoder in
the loop, frames decoded one by one, the loss at the frame's resolution.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.features.store import FeatureStore
from benchmarks.speed.compare import Line, compare
from benchmarks.speed.encoder import pair
from benchmarks.speed.store import build
from gavs.method import Batch
from gavs.model import GAVS, GavsConfig
from gavs.sam import build_sam, valid_cells
from gavs.sizes import SAM_SIZES
from gavs.vggish import AUDIO_DIM

RELEASED = "a loop over frames with a full-resolution loss, as the released code"
EXACT = {"loss_resolution": "input", "alignment": {"loss": "none"}}  # the released code's loss
ASPECT = (9, 16)


def lines() -> Iterator[Line]:
    """Measure stored features, the same loss, and the default loss."""
    torch.manual_seed(0)
    batched = "GAVS training step of 8 frames, ViT-B's decoder, CPU"
    sam = build_sam("vit_b")
    sam.image_encoder, original = pair(SAM_SIZES["vit_b"])
    exact, rows = Step(sam, 2, EXACT), np.arange(2)
    with TemporaryDirectory() as folder:
        store = exact.stored(Path(folder) / "store")
        yield compare(
            "GAVS training step on stored features of 2 frames, ViT-B, CPU",
            "the same with segment_anything's encoder in the loop",
            lambda: exact.batched(store, rows)[:1],
            lambda: exact.released(original)[:1],
            wanted=50,
            bound=1e-4,
            repeats=2,
            remark="difference of the losses; features in fp16",
        )
    exact, default = Step(sam, 8, EXACT), Step(sam, 8, {})
    yield compare(
        f"{batched}: same loss",
        RELEASED,
        exact.batched,
        exact.released,
        wanted=1.5,
        bound=1e-4,
        relative=True,
        remark="difference of the loss and of every gradient",
    )
    yield compare(
        f"{batched}: default loss",
        RELEASED,
        lambda: default.batched()[:1],
        lambda: exact.released()[:1],
        wanted=1.5,
        bound=None,
        remark="difference of the losses: on SAM's mask grid, beside the alignment's own",
    )


class Step:
    """Training step of GAVS with random weights on random frames, each of another video.

    The learning rate is 0, so that every call is the same step at its full cost.
    """

    def __init__(
        self, sam: Any, frames: int, config: dict, device: torch.device | str = "cpu"
    ) -> None:
        encoders = SimpleNamespace(audio_dim=AUDIO_DIM, sam=lambda: sam)
        self.method = GAVS(GavsConfig(**config), encoders).train()
        self.trained = [p for p in self.method.parameters() if p.requires_grad]
        with torch.no_grad():  # away from the start, where ColA is silent
            for p in self.trained:
                p.add_(0.05 * torch.randn_like(p))
        self.method.to(device)
        self.optimizer = torch.optim.AdamW(self.trained, lr=0.0, fused=True)
        encoder, side = sam.image_encoder, self.method.target_size
        h, w = valid_cells(ASPECT, encoder.img_size).nonzero().amax(0).add(1).tolist()
        masks = F.interpolate(torch.randn(frames, 1, 8, 8), (h, w), mode="bilinear") > 0
        padded = F.pad(masks.float(), (0, encoder.img_size - w, 0, encoder.img_size - h))
        self.size, self.masks = (h, w), masks[:, 0].float().to(device)  # a frame fills the width
        self.images = torch.randn(frames, 3, encoder.img_size, encoder.img_size).to(device)
        grid = encoder.img_size // encoder.patch_embed.proj.kernel_size[0]
        channels = sam.mask_decoder.transformer_dim
        self.batch = Batch(
            audio=torch.randn(frames, 1, AUDIO_DIM),
            features={"sam": torch.randn(frames, 1, channels, grid, grid)},
            masks=F.adaptive_avg_pool2d(padded, side),
            valid=valid_cells(ASPECT, side).expand(frames, -1, -1),
            supervised=torch.ones(frames, 1, dtype=torch.bool),
            video=torch.arange(frames),
            classes=torch.eye(frames, dtype=torch.bool),
        ).to(device)

    def stored(self, folder: Path) -> FeatureStore:
        """Store the image embeddings, as `python -m benchmarks features` does."""
        with torch.inference_mode():
            embeddings = torch.cat([self.method.sam.image_encoder(x[None]) for x in self.images])
        return build(folder, embeddings.half().cpu().numpy(), len(embeddings))

    def batched(
        self, store: FeatureStore | None = None, rows: np.ndarray | None = None
    ) -> list[Tensor]:
        """Ours: loss, and the gradients of what is trained."""
        if store is not None and rows is not None:
            read = torch.from_numpy(store[rows]).float()[:, None]
            self.batch.features["sam"] = read.to(self.batch.audio.device)
        self.optimizer.zero_grad()
        terms = self.method.loss(self.method(self.batch), self.batch)
        total: Any = sum(terms.values())
        return self._descend(total, terms["bce"])

    def released(self, encoder: nn.Module | None = None) -> list[Tensor]:
        """Make the step frame by frame; through an `encoder`, if there is one."""
        sam, losses = self.method.sam, []
        self.optimizer.zero_grad()
        for i, mask in enumerate(self.masks):
            embedding = self.batch.features["sam"][i]  # (1, C, h, w)
            if encoder is not None:
                with torch.no_grad():
                    embedding = encoder(self.images[i : i + 1])
            logits = self._decode(embedding, self.batch.audio[i : i + 1], self.batch.valid[i])
            side = sam.image_encoder.img_size
            whole = F.interpolate(logits, (side, side), mode="bilinear", align_corners=False)
            frame = whole[0, 0, : self.size[0], : self.size[1]]
            losses.append(F.binary_cross_entropy_with_logits(frame, mask))
        loss = torch.stack(losses).mean()
        return self._descend(loss, loss)

    def _decode(self, embedding: Tensor, audio: Tensor, valid: Tensor) -> Tensor:
        """Decode one frame by segment_anything, ColA on its token MLPs -> (1, 1, G, G)."""
        sam = self.method.sam
        cola: Any = self.method.cola
        token, _ = self.method.prompt(audio, embedding[None], valid[None])  # (1, 1, 1, C)
        size = embedding.shape[-2:]
        dense = sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1).expand(1, -1, *size)
        with ExitStack() as hooks:
            blocks = sam.mask_decoder.transformer.layers
            for block, adapter in zip(blocks, cola.layers, strict=True):
                hook = block.mlp.register_forward_hook(lambda _, x, y, adapter=adapter: adapter(y))
                hooks.enter_context(hook)
            logits, _ = sam.mask_decoder(
                image_embeddings=embedding,
                image_pe=sam.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=token[0],
                dense_prompt_embeddings=dense,
                multimask_output=False,
            )
        return logits

    def _descend(self, loss: Tensor, reported: Tensor) -> list[Tensor]:
        """Descend; returns the reported loss and the gradients."""
        loss.backward()
        self.optimizer.step()
        return [reported.detach(), *(p.grad.clone() for p in self.trained)]  # type: ignore[union-attr]
