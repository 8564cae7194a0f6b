"""Parameter block of AVSegFormer's head on SAM's embeddings."""

from baselines.configs._segformer import SegFormerConfig
from gavs.configs import MethodConfig, method_config


@method_config("avsegformer_sam", "baselines.avsegformer_sam")
class AVSegFormerSAMConfig(SegFormerConfig, MethodConfig):
    pass
