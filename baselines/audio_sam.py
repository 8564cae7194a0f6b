"""Audio-SAM: frozen SAM with the audio as its sparse prompt (GAVS, Table 1).

Re-created from one sentence of section 3.1: everything is frozen but an MLP on the audio.
"""

from torch import Tensor

from baselines.configs.audio_sam import AudioSamConfig
from gavs.losses import frame_bce, supervised_mean
from gavs.method import METHODS, Batch, Encoders, Method, Prediction
from gavs.prompt import mlp
from gavs.sam import decode


@METHODS.register_module(name="audio_sam")
class AudioSam(Method):
    Config = AudioSamConfig

    def __init__(self, config: AudioSamConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.sam = encoders.sam()
        self.project = mlp(encoders.audio_dim, config.hidden, self.sam.prompt_encoder.embed_dim)
        self.target_size = self.sam.prompt_encoder.mask_input_size[0]

    def forward(self, batch: Batch) -> Prediction:
        token = self.project(batch.audio).flatten(0, 1)[:, None]  # (B * T, 1, C)
        logits, _ = decode(self.sam, batch.features["sam"].flatten(0, 1), token)
        return Prediction(logits.view(*batch.audio.shape[:2], *logits.shape[-2:]))

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return {"bce": supervised_mean(frame_bce(prediction.logits, batch), batch)}
