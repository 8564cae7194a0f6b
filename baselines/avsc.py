"""AVSC: candidates by class, chosen by what is heard (Liu et al., ACM MM 2023, arXiv 2307.16620).

A re-creation: no code is public. Published (abstract): first, all potentially sounding objects are
segmented with a silent-object-aware objective; then predicted audio category scores attend to the
instances' masks, and since nobody knows the audio's categories, they are learned from nothing but
the likeness of the attended masks with the truth. Second-hand (third-party notes): the segmenter is
MaskFormer-like with N object queries, a class (or none) and a mask each, silent instances are not
punished as background; BEATs features pass an MLP into K audio class scores; candidates without
object are dropped, the best of each class kept; cross-entropy with the truth.
Our choice: VGGish in place of BEATs (as the GAVS paper's table says), a Mask2Former segmenter at
its published sizes, the objective's form (`silence_weight`), a sigmoid for each class's score (two
may sound), what stage two trains (everything, stage one's losses go on), its start, the union of
the weighted masks as their maximum, and the labels' use (`baselines._queries`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines._backbone_method import BackboneMethod
from baselines._mask2former import MaskedDecoder, PixelDecoder
from baselines._queries import frame_targets, set_loss, union_logits
from baselines.configs.avsc import AvscConfig
from gavs.method import METHODS, Batch, Encoders, Prediction
from gavs.prompt import mlp


def silence_weight(mask_logits: Tensor, masks: Tensor, no_object: float) -> Tensor:
    """Weight that pushes a query without a target to "no object": the silent-object-aware part.

    Mask logits (L, M, Q, h, w), masks (M, h, w) -> (L, M, Q): `no_object` times the share of the
    query's mask that lies on what sounds. There a candidate is a duplicate; elsewhere it may be a
    silent object, which has no label, and isn't punished.
    """
    p = mask_logits.detach().float().sigmoid()
    inside = (p * masks[:, None]).sum((-2, -1))
    return no_object * inside / p.sum((-2, -1)).clamp(min=1e-6)


def select(class_logits: Tensor) -> tuple[Tensor, Tensor]:
    """The best candidate of each class: (N, Q, K + 1) -> its query (N, K), and whether it exists.

    Candidates of a class are the queries that find it likelier than any other and than no object.
    """
    p = class_logits.float().softmax(-1)
    classes = p.shape[-1] - 1
    winner = F.one_hot(p.argmax(-1), classes + 1).bool()[..., :-1]  # (N, Q, K)
    score, query = p[..., :-1].masked_fill(~winner, 0).max(1)
    return query, score > 0


@METHODS.register_module(name="avsc")
class AVSC(BackboneMethod):
    Config = AvscConfig
    layered = frozenset({"classes", "masks"})

    def __init__(self, config: AvscConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.start = nn.Parameter(torch.randn(config.queries, config.dim))
        self.pixels = PixelDecoder(self.backbone.channels, config)
        self.decoder = MaskedDecoder(config)
        self.hear = mlp(encoders.audio_dim, config.audio_hidden, config.classes)
        self.stage_two = True

    def forward(self, batch: Batch) -> Prediction:
        features, maps = self.pixels(self.maps(batch))
        predictions = self.decoder(self.start.expand(len(features), -1, -1), features, maps)
        heard = self.hear(F.relu(batch.audio.flatten(0, 1)))  # (N, K) logits
        query, exists = select(predictions.classes[-1])  # (N, K)
        h, w = predictions.masks.shape[-2:]
        masks = predictions.masks[-1].gather(1, query[..., None, None].expand(-1, -1, h, w))
        chosen = union_logits(heard.float().sigmoid() * exists, masks)  # (N, h, w)
        aux = {"classes": predictions.classes, "masks": predictions.masks, "chosen": chosen}
        return Prediction(self.resize(chosen, batch), aux)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        config, aux = self.config, prediction.aux
        masks = aux["masks"]
        target, present, chosen = frame_targets(batch, masks.shape[-1], config.classes)
        masks = masks[:, chosen]
        silent = silence_weight(masks, target, config.losses.no_object)
        terms = set_loss(aux["classes"][:, chosen], masks, target, present, config.losses, silent)

        if self.stage_two:
            bce = F.binary_cross_entropy_with_logits(aux["chosen"][chosen], target)
            terms["select"] = config.select_weight * bce
        return terms

    def start_epoch(self, epoch: int) -> None:
        self.stage_two = epoch >= self.config.stage_one_epochs
