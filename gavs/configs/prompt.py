"""Switches of the semantic-aware audio prompt, `gavs.prompt`."""

from typing import Literal

from pydantic import Field

from gavs.configs import Config


class PromptConfig(Config):
    """Switches of the prompt: its parts, their widths and the noise."""

    # VGGish's output before its last ReLU, after it, or after AudioSet's PCA and quantisation (the
    # second release): whole numbers from 0 to 255, which nothing normalises.
    audio: Literal["pre_relu", "post_relu", "pca_8bit"] = "pre_relu"
    cue: bool = True
    cue_pool: Literal["valid", "all"] = "valid"  # "all" averages SAM's padding in as well
    hidden: int = Field(512, gt=0)  # of both MLPs
    # learned: the paper's constant vector, concatenated. The others draw Gaussian noise of the
    # audio's own standard deviation while training: add it, add it times a learned scale for each
    # channel, or replace the audio by it (the released code).
    noise_mode: Literal["learned", "add", "replace", "learned_scale", "none"] = "learned"
    noise_dim: int = Field(128, gt=0)
    slots: Literal["one", "six"] = "one"  # one token beside SAM's five, or all six rewritten
