"""Masks in place of boxes: what SAM makes of each box, as supervision of few-shot training."""

import json

import numpy as np
import torch
from segment_anything.modeling import Sam

from benchmarks.training.clips import Samples, fill_boxes
from gavs.sam import decode, input_size, postprocess


@torch.inference_mode()
def sam_masks(clips: Samples, sam: Sam) -> dict[str, np.ndarray]:
    """Union of SAM's masks of a clip's boxes by uid, (H, W) bool at the frame's own size.

    Takes SAM's own best guess of three masks a box, and no pixel outside of the box.
    """
    size = sam.image_encoder.img_size
    masks = {}
    for clip in clips.index.itertuples():
        boxes, native = json.loads(clip.boxes), (clip.height, clip.width)
        mask = np.zeros(native, bool)
        if boxes:
            height, width = input_size(native, size)
            corners = torch.tensor(boxes) * torch.tensor([width, height, width, height])  # (K, 4)
            image = clips.features.read("sam_rgb", np.array([clip.first_row]))  # (1, C, h, w)
            sparse, _ = sam.prompt_encoder(None, corners, None)
            logits, quality = decode(
                sam, image.expand(len(boxes), -1, -1, -1), sparse, multimask=True
            )
            best = logits[torch.arange(len(boxes)), quality.argmax(1)][:, None]  # (K, 1, G, G)
            for box, proposal in zip(
                boxes, postprocess(best, (height, width), native), strict=True
            ):
                mask |= (proposal[0] > 0).numpy() & fill_boxes([box], *native)
        masks[clip.uid] = mask
    return masks
