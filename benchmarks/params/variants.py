"""Variants, methods with some of their keys set: Table 1's, and the ablations of GAVS.

Widths are full ones; params.yaml overrides a variant by its name, or adds one.
"""

from typing import Any

from gavs.configs import Config


class Variant(Config):
    """Method or another variant with dotted keys set, as in `{prompt.cue: false}`."""

    base: str
    set: dict[str, Any] = {}
    note: str = ""


def _gavs(note: str, **changes: Any) -> dict[str, Any]:
    """Define a variant of GAVS; `a__b` is the key a.b."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return {"base": "gavs", "set": keys, "note": note}


VARIANTS: dict[str, dict[str, Any]] = {
    "gavs": {"base": "gavs", "note": "the paper's text"},
    "gavs_adapters": _gavs(  # the author: the last six of ViT-B's twelve blocks
        "adapters in the last half of the encoder, as the later version",
        encoder_adapters__from_block=6,
    ),
    "gavs_released": _gavs(
        "the released code: noise replaces the audio in training",
        prompt__cue=False,
        prompt__noise_mode="replace",
        alignment__loss="none",
        cola__activation="gelu",
        cola__zero_init=False,
        encoder_adapters__from_block=9,  # the last quarter
        encoder_adapters__zero_init=False,
        encoder_adapters__train_norms=True,
        colour="bgr",  # fed as RGB
        loss_resolution="input",
        training__lr=1.0e-3,
    ),
    "gavs_released_fixed": {
        "base": "gavs_released",
        "set": {"prompt.noise_mode": "add"},
        "note": "the released code, the noise added to the audio instead",
    },
    "gavs_lora": _gavs(
        "the second release: LoRA, 8-bit VGGish, the noise added",
        prompt__cue=False,
        prompt__noise_mode="add",
        prompt__audio="pca_8bit",
        alignment__loss="none",
        cola__enabled=False,
        encoder_lora__from_block=8,  # the last third
        decoder_lora__enabled=True,
        colour="bgr",
        loss_resolution="input",
        training__lr=1.0e-3,
    ),
    "gavs_lora_pre_relu": {
        "base": "gavs_lora",
        "set": {"prompt.audio": "pre_relu"},
        "note": "the second release, hearing VGGish before its ReLU in place of 8-bit numbers",
    },
    "avsbench_resnet": {
        "base": "avsbench",
        "set": {"backbone": "resnet", "training.lr": 1.0e-4},  # AVSBench
        "note": "AVSBench with ResNet-50",
    },
    **{
        f"sam_fusion_{operator}": {"base": "sam_fusion", "set": {"operator": operator}}
        for operator in ("add", "film", "tpavi")
    },
    # Prompt and fusion, alike in what trains of the decoder and in the loss: the matched pairs with
    # `gavs`, `sam_fusion` and the ablation `gavs_full_decoder`.
    "sam_fusion_full_decoder": {
        "base": "sam_fusion",
        "set": {"decoder": "full", "cola.enabled": False},
        "note": "the whole mask decoder trained, in place of ColA",
    },
    **{
        f"{row}_dice": {"base": row, "set": {"mask_loss": "bce_dice"}, "note": "BCE + Dice"}
        for row in ("gavs", "sam_fusion", "gavs_full_decoder", "sam_fusion_full_decoder")
    },
}
ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "prompt": {
        "gavs_no_cue": _gavs(
            "no visual cue, and so nothing to align", prompt__cue=False, alignment__loss="none"
        ),
        "gavs_cue_pool_all": _gavs(
            "cue pooled over the padding too (square frames have none)", prompt__cue_pool="all"
        ),
        "gavs_six_slots": _gavs("all six token slots rewritten", prompt__slots="six"),
        "gavs_post_relu": _gavs("VGGish after its last ReLU", prompt__audio="post_relu"),
        "gavs_pca_8bit": _gavs(
            "VGGish after PCA, in 8 bits, as the second release", prompt__audio="pca_8bit"
        ),
    },
    "noise": {
        "gavs_no_noise": _gavs("no noise", prompt__noise_mode="none"),
        "gavs_noise_add": _gavs(
            "Gaussian noise added to the audio in training", prompt__noise_mode="add"
        ),
        "gavs_noise_scale": _gavs(
            "the same, with a learned scale per channel", prompt__noise_mode="learned_scale"
        ),
        "gavs_noise_replace": _gavs(
            "noise in place of the audio in training", prompt__noise_mode="replace"
        ),
    },
    "alignment": {
        "gavs_no_alignment": _gavs("cue without alignment", alignment__loss="none"),
        "gavs_infonce": _gavs("InfoNCE in place of the triplet", alignment__loss="infonce"),
    },
    "decoder": {
        "gavs_no_cola": _gavs("no ColA", cola__enabled=False),
        "gavs_decoder_lora": _gavs(
            "LoRA on the decoder's attention in place of ColA, as the second release",
            cola__enabled=False,
            decoder_lora__enabled=True,
        ),
        "gavs_cola_wide": _gavs("four times the width", cola__width=512),
        "gavs_cola_attention": _gavs("after the token-to-image attention", cola__place="attention"),
        "gavs_cola_default_init": _gavs(
            "torch's initialisation, as the released code", cola__zero_init=False
        ),
        "gavs_full_decoder": _gavs(
            "the whole mask decoder trained, in place of ColA", decoder="full", cola__enabled=False
        ),
    },
    "input": {
        "gavs_bgr": _gavs("channels swapped, as the released code", colour="bgr"),
        "gavs_loss_input": _gavs(
            "loss at SAM's input resolution, as the released code", loss_resolution="input"
        ),
    },
    "further": {  # not in the default table: add the group's name to tables.ablations.groups
        "gavs_other_class": _gavs(
            "negatives of other classes only", alignment__negatives="other_class"
        ),
        "gavs_cola_narrow": _gavs("a quarter of the width", cola__width=32),
        "gavs_cola_context": _gavs(
            "on the tokens that the image attends to", cola__place="context"
        ),
        "gavs_cola_gelu": _gavs("the released code's activation", cola__activation="gelu"),
    },
}
