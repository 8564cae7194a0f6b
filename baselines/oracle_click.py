"""Oracle click: SAM clicked on every sounding object, the ceiling of a prompt for this SAM.

Not in the paper. Ground truth says where to click; one click a source, the union of their masks,
an empty mask where nothing sounds.
"""

import numpy as np
import torch
from scipy import ndimage

from baselines.configs.oracle_click import OracleClickConfig
from gavs.method import METHODS, Batch, Encoders, Method, Prediction
from gavs.sam import decode, input_size

EMPTY_LOGIT = -20.0  # sigmoid 2e-9: below every threshold but 0


@METHODS.register_module(name="oracle_click")
class OracleClick(Method):
    """Nothing to train. `batch.features["sources"]` (B, T, P, 3) holds up to P clicks per frame:
    x, y in the pixels of SAM's square, and 1 for a click or 0 for padding."""

    Config = OracleClickConfig

    def __init__(self, config: OracleClickConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.sam = encoders.sam()
        self.target_size = self.sam.prompt_encoder.mask_input_size[0]

    @staticmethod
    def sources(labels: np.ndarray, img_size: int) -> list[tuple[float, float]]:
        return source_points(labels, img_size)

    def forward(self, batch: Batch) -> Prediction:
        embeddings = batch.features["sam"].flatten(0, 1)  # (B * T, C, h, w)
        sources = batch.features["sources"]
        frame, slot = sources[..., 2].flatten(0, 1).nonzero(as_tuple=True)  # (M,), M clicks in all
        clicks = sources[..., :2].flatten(0, 1)[frame, slot][:, None]  # (M, 1, 2)
        side = self.target_size
        logits = embeddings.new_full((len(embeddings), side * side), EMPTY_LOGIT)
        if len(frame):
            sparse, _ = self.sam.prompt_encoder(
                (clicks, torch.ones_like(clicks[..., 0])), None, None
            )
            masks, _ = decode(self.sam, embeddings[frame], sparse)  # (M, 1, G, G)
            index = frame[:, None].expand(-1, side * side)
            logits = logits.scatter_reduce(0, index, masks.flatten(1).to(logits), "amax")
        return Prediction(logits.view(*sources.shape[:2], side, side))


def source_points(
    labels: np.ndarray, img_size: int, min_share: float = 0.1
) -> list[tuple[float, float]]:
    """One click for each sounding object of a frame, (x, y) in the pixels of SAM's square.

    `labels` (H, W) holds the class of the sounding object at each pixel of the native frame, 0 for
    none. An object is a connected component with at least `min_share` of its class's area; its
    click is its pixel farthest from its boundary, the frame's border included.
    """
    height, width = labels.shape
    scaled_height, scaled_width = input_size((height, width), img_size)
    points = []
    for label in np.unique(labels[labels > 0]):
        components, count = ndimage.label(labels == label)
        areas = np.bincount(components.ravel())[1:]
        for k in range(1, count + 1):
            if areas[k - 1] < min_share * areas.sum():
                continue
            depth = ndimage.distance_transform_edt(np.pad(components == k, 1))[1:-1, 1:-1]
            y, x = np.unravel_index(depth.argmax(), depth.shape)
            points.append((float(x * scaled_width / width), float(y * scaled_height / height)))
    return points
