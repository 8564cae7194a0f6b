"""Figure of the scenes: V1S as it is against V1S where nothing hints at the source."""

from collections.abc import Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.report.style import STYLE, label_ends

SCENES = {"default": "natural: most clips show one object", "balanced": "balanced: 2 to 4 objects"}


@mpl.rc_context(STYLE)
def scenes_figure(scores: pd.DataFrame, look: Mapping[str, Mapping], profile: str) -> Figure:
    """Draw one line per row between the two, named at both ends.

    Args:
        scores: benchmark, alternative, row, miou, low and high (0..1), as in dispersion.csv.
        look: of the rows, as in all figures (`looks_of`).
    """
    here = scores[(scores.benchmark == "v1s") & scores.alternative.isin(list(SCENES))]
    wide = 100 * here.pivot(index="row", columns="alternative", values="miou")[list(SCENES)]
    wide = wide.dropna().sort_values("balanced", ascending=False)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.margins(y=0.1)
    for row, (natural, balanced) in zip(wide.index, wide.to_numpy(), strict=True):
        ink = {"color": look["palette"][row], "marker": look["markers"][row], "ms": 4}
        axes.plot([0, 1], [natural, balanced], **ink)
    for x, name in enumerate(SCENES):
        places = {row: (x, y) for row, y in wide[name].items()}
        label_ends(axes, places, look["palette"], numbers=True, left=x == 0)
    axes.set_xticks([0, 1], list(SCENES.values()))
    axes.set(xlim=(-0.3, 1.3), yticks=[], title=f"V1S mIoU (%), {profile}")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    return figure
