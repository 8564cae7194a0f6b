"""Tiers: how much of the paper profile is asked for, each a superset of the one before.

What a tier sets goes over the file's keys: rows, benchmarks, seeds, the data and the stores that
they read. The cells of a smaller tier are cells of a larger one. Where the data grow from one tier
to the next (`first` reads V1M only), the stores and models are made anew.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.common.checks import merge

_CORE: dict[str, Any] = {  # the paper's systems with public code, Tables 1 to 4, one seed
    "seeds": [0],
    "features": {
        "stores": {
            "avs": ["vggish", "sam_rgb", "tokens9_bgr", "pixels224"],
            "vgg": ["vggish", "spectrogram", "pixels224"],
        }
    },
    "tables": {
        "rows": ["avsbench", "avsegformer", "gavs"],
        "table1": {
            "published": ["avsbench", "avsegformer"],
            "controlled": [],
            "gavs": ["gavs", "gavs_released"],
            "operators": [],
            "pairs": [],
        },
        "ablated": [],
        "paired": [],
        "table2": {"floor": []},
        "table3": {"in_set": ["hardway", "ez_vsl", "slavc", "avin"]},
        "figure3": {"rows": []},
        "robustness": {"rows": []},
        "ablations": {"groups": []},
    },
}
TIERS: dict[str, dict[str, Any]] = {
    "first": merge(  # one row whose published figure has a public metric, on the smallest benchmark
        _CORE,
        {
            "data": {"labels": ["v1m"], "vggss": None, "vggsound": None},
            "features": {"stores": {"avs": ["vggish", "sam_rgb", "pixels224"]}},
            "tables": {
                "table1": {
                    "benchmarks": ["v1m"],
                    "published": ["avsbench"],
                    "gavs": [],
                },
                "table2": {"rows": []},
                "table3": {"rows": [], "in_set": []},
                "table4": {"rows": []},
            },
        },
    ),
    "core": _CORE,
    "full": {},
}


def tiered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a parameter file with those of its tier over them; an unknown tier stays as it is,
    for the validation to name."""
    return merge(values, TIERS.get(str(values.get("tier", "full")), {}))
