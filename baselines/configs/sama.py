"""Parameter block of SAMA."""

from collections.abc import Mapping

from pydantic import Field

from gavs.configs import MethodConfig, method_config


@method_config("sama", "baselines.sama")
class SamaConfig(MethodConfig):
    hidden: int = Field(512, gt=0)  # of the adapters
    from_block: int = Field(0, ge=0)  # first adapted block; published: every block
    recompute: bool = True  # activations, for the gradient: a third more time, a fraction of memory

    def inputs(self) -> Mapping[str, str]:
        return {"tokens": f"tokens{self.from_block}_rgb"}
