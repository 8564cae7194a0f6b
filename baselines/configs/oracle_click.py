"""Parameter block of the oracle click."""

from gavs.configs import MethodConfig, method_config


@method_config("oracle_click", "baselines.oracle_click")
class OracleClickConfig(MethodConfig):
    oracle = True
