"""AUSS: hear to segment by unmixing the audio into queries (Ling et al., arXiv 2305.07223, 2023).

A re-creation: no code is public. Published (abstracts of AUSS and of TransAVS, ICASSP 2024, its
second version under the same number): the audio is unmixed into a set of audio queries; they meet
the visual features by masked attention and decode into a class and a mask each; two self-supervised
losses, at the level of queries (the first version says classes) and of masks, keep the queries from
becoming alike; VGGish with PVT-v2 or ResNet-50. Second-hand: that the masked attention is
Mask2Former's.
Our choice, since nothing is published: how the audio is unmixed (`Unmix`), both self-supervised
losses' form and weight, all sizes (Mask2Former's), each frame by itself, the labels' use
(`baselines._queries`), and the binary mask as the union of the queries' masks, each weighted by the
probability that it is an object.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines._backbone_method import BackboneMethod
from baselines._mask2former import MaskedDecoder, PixelDecoder
from baselines._queries import frame_targets, set_loss, union_logits
from baselines.configs.auss import AussConfig
from gavs.method import METHODS, Batch, Encoders, Prediction


class Unmix(nn.Module):
    """A frame's audio into one query for each source it may hold.

    As masks unmix a spectrogram: each channel of the projected audio is shared out among the Q
    queries by a softmax over them, so that the parts' mean is the whole again.
    """

    def __init__(self, audio_dim: int, queries: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(audio_dim, dim)
        self.share = nn.Linear(audio_dim, queries * dim)
        self.start = nn.Parameter(torch.randn(queries, dim))
        self.norm = nn.LayerNorm(dim)

    def parts(self, audio: Tensor) -> Tensor:
        """(N, A) -> (N, Q, D)."""
        queries, dim = self.start.shape
        shares = self.share(audio).unflatten(-1, (queries, dim)).softmax(1)
        return queries * shares * self.project(audio)[:, None]

    def forward(self, audio: Tensor) -> Tensor:
        """(N, A) -> queries (N, Q, D)."""
        return self.norm(self.parts(audio) + self.start)


def likeness(x: Tensor) -> Tensor:
    """Mean of the positive cosine similarities between different queries: (N, Q, S) -> scalar."""
    x = F.normalize(x.float(), dim=-1)
    similar = torch.einsum("nqs,nps->nqp", x, x).clamp(min=0)
    queries = x.shape[1]
    diagonal = torch.eye(queries, dtype=torch.bool, device=x.device)
    return similar.masked_fill(diagonal, 0).sum((1, 2)).mean() / (queries * (queries - 1))


@METHODS.register_module(name="auss")
class AUSS(BackboneMethod):
    Config = AussConfig
    layered = frozenset({"classes", "masks"})

    def __init__(self, config: AussConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.unmix = Unmix(encoders.audio_dim, config.queries, config.dim)
        self.pixels = PixelDecoder(self.backbone.channels, config)
        self.decoder = MaskedDecoder(config)

    def forward(self, batch: Batch) -> Prediction:
        queries = self.unmix(F.relu(batch.audio.flatten(0, 1)))  # the published VGGish ends in ReLU
        predictions = self.decoder(queries, *self.pixels(self.maps(batch)))
        objects = 1 - predictions.classes[-1].float().softmax(-1)[..., -1]  # (N, Q)
        logits = self.resize(union_logits(objects, predictions.masks[-1]), batch)
        return Prediction(logits, vars(predictions))

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        classes, masks, queries = (prediction.aux[k] for k in ("classes", "masks", "queries"))
        target, present, chosen = frame_targets(batch, masks.shape[-1], self.config.classes)
        terms = set_loss(classes[:, chosen], masks[:, chosen], target, present, self.config.losses)
        terms["queries"] = self.config.query_weight * likeness(queries)
        overlap = likeness(masks[-1].float().sigmoid().flatten(2))
        terms["overlap"] = self.config.overlap_weight * overlap
        return terms
