"""MarginNCE: robust sound localisation with a negative margin (Park et al., ICASSP 2023).

A re-creation: no code is public. Published (abstract): a slightly modified contrastive loss with a
negative margin, so that the decision boundary is less strict. Second-hand (how others evaluate it):
EZ-VSL's network and guidance. Our choice: EZ-VSL's loss with the margin taken off the cosine of the
true pair, the margin (-0.2; no public page that we found states it) and EZ-VSL's temperature.
Unresolved: a map of stride 32, as here, or 16.
"""

from torch import Tensor

from baselines.configs.margin_nce import MarginNceConfig
from baselines.ez_vsl import EzVsl
from gavs.method import METHODS, Batch, Prediction


@METHODS.register_module(name="margin_nce")
class MarginNce(EzVsl):
    Config = MarginNceConfig

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return {"contrast": self.contrast(prediction, self.config.margin)}
