"""Page on what the paper profile costs, tier by tier, and how its schedules compare.

`python -m benchmarks --params profiles/paper.yaml estimate`; docs/paper-profile.md is its output.
It needs neither data nor a GPU.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.common.tables import Grid, markdown
from benchmarks.params import Params, ParamsError, build
from benchmarks.params.tiers import TIERS
from benchmarks.preflight.cost import cells_in, models_of
from benchmarks.preflight.nominal import (
    Figures,
    NominalCosts,
    dominating,
    lines_text,
    tuning_hours,
)
from benchmarks.preflight.schedules import updates_text

PAGE = """\
# What the paper profile costs, and how it compares with the published schedules

Written by `python -m benchmarks --params profiles/paper.yaml estimate --out docs/paper-profile.md`,
from the published numbers of clips, the parameters, and the steps measured on one GPU
({machine}; results/gpu.md). Assumed, not measured: a scored frame takes a
third of a training step's time and 3.4 ms to be counted, no step is shorter than 30 ms, a stored
row is read at the measured rate of a disk, none of it hidden behind the step. `python -m benchmarks
check` measures a machine of yours, with the data.

## Tiers
`tier` in params.yaml: each has the cells of the one before. *first* is one row whose published
figure has a public metric, on the smallest benchmark; *core* the paper's systems with public code,
Tables 1 to 4, one seed; *full* everything. Where the data grow, from *first* to *core*, stores and
models are made anew.

{tiers}

{stages}
## What dominates
Of the tier *full*, trainings of all tables:

{dominating}

What was done about it:
- **Tokens aren't stored** (`features.live`). A row of `tokens9_bgr` is 6 MiB, 539 GiB in all, and
  is read from a disk in {read:.1f} ms; the frame's file is decoded and goes through nine of twelve
  blocks in bf16 in {made:.1f} ms. `tokens0_rgb` saves one convolution. On a disk well above 1 GB/s,
  or with memory for them, take them out of `features.live`.
- **SAM's stores are bf16** (`features.precision`): of the miniature's masks, with trained weights,
  that flips .01 % of the pixels (results/gpu.md), far below the spread of seeds. It saves three
  quarters of the encoder's hours. The tokens of `gavs_released` are made so too; what it trains is
  float32.
- **Fractions train as many epochs, not as many steps** (`protocol.fraction_budget`): 0.9 of a
  training per draw in place of 3. Few-shot models all start from one 0-shot model per seed.

## Tuning is part of track C
Rows on frozen SAM embeddings have no published rate: those of TPAVI and AVSegFormer are for
fine-tuning a PVT. Before Table 1: `python -m benchmarks tune audio_sam sam_fusion tpavi_sam
avsegformer_sam gavs`, three rates each on the validation clips: ≈ {tuning:,.0f} GPU hours, of which
the chosen rates' trainings are Table 1's own.

## Optimiser steps
Of AVSBench and AVSegFormer on V2, where the originals train on all three labels, the published
schedule on V2's own clips. V1S has one labelled frame per clip: `avsegformer` and `sama` load that
frame alone, as the others contribute nothing to their loss. `sama` is SAM ViT-B here and ViT-H
there: `encoders.sam` (size vit_h and its weights) in a profile of its own. Rows without a line have
no published schedule (audio_sam, sam_fusion, AuTR, AUSS, AVSC, AV-SAM, MarginNCE) or are ours.

{updates}
"""


def estimate(values: Mapping[str, Any]) -> str:
    """The page, of a parameter file's values.

    Raises:
        ParamsError: they aren't valid, or of a profile of a procedural world.
        FileNotFoundError: nothing is measured on a GPU.
    """
    if values.get("world") is not None:
        raise ParamsError(
            f"profile '{values.get('profile')}' has a procedural world, and `estimate` is for "
            "profiles of the real data, whose numbers of clips are published: "
            "`python -m benchmarks --params profiles/paper.yaml estimate`; what this profile "
            "costs says `python -m benchmarks check`"
        )
    figures = Figures()
    tiers: dict[str, Params] = {name: build({**values, "tier": name}) for name in TIERS}
    costs = {name: NominalCosts(params, figures) for name, params in tiers.items()}
    lines = {name: [*c.features(), *c.lines()] for name, c in costs.items()}
    totals = [
        [
            name,
            *cells_and_trainings(tiers[name]),
            *(f"{sum(line[key] for line in part):,.1f}" for key in ("hours", "disk GiB")),
        ]
        for name, part in lines.items()
    ]
    full = costs["full"]
    ranked = [
        [row, benchmark, str(count), f"{hours:,.0f}"]
        for row, benchmark, count, hours in dominating(full)
    ]
    tokens = "tokens9_bgr"
    return PAGE.format(
        machine=figures.machine,
        tiers=markdown(Grid(["tier", "cells", "trainings", "GPU hours", "disk, GiB"], totals)),
        stages="".join(f"### {name}\n{lines_text(part)}\n\n" for name, part in lines.items()),
        dominating=markdown(Grid(["row", "benchmark", "trainings", "GPU hours"], ranked, "llrr")),
        read=1000 * full.row_bytes(tokens) / figures.disk,
        made=1000 * full.made_anew(tokens),
        tuning=tuning_hours(full),
        updates=updates_text(tiers["full"]),
    )


def cells_and_trainings(params: Params) -> tuple[str, str]:
    """Counts of a tier's cells and trainings."""
    models = models_of(params)
    cells = sum(len(cells_in(params, table)) for table in models)
    every = {model for same in models.values() for model in same}
    oracles = [m for m in every if params.row(m.row, m.benchmark).method_config.oracle]
    return str(cells), str(len(every) - len(oracles))
