"""One budget: as many updates of as many labelled frames for every row that is compared."""

import re

import pytest

from benchmarks.params import ParamsError, load


def test_every_row_of_the_miniature_has_one_budget(folder):
    """Clips have 1 mask in V1S, 5 in V1M and 10 in V2: 10, 4 and 4 of them make 10, 20 and 40."""
    params = load()
    clips = {"v1s": (10, 10), "v1m": (4, 20), "v2": (4, 40), "v3": (4, 40)}
    table = params.tables.table1
    for benchmark, (whole, frames) in clips.items():
        steps = params.benchmarks[benchmark].training["steps"]
        for name in [*table.published, *table.controlled, *table.gavs, *table.pairs]:
            row = params.row(name, benchmark)
            assert row.training.steps == steps
            assert row.samples(benchmark) == (whole if row.by_clip else frames), name


@pytest.mark.parametrize(
    "row, own, message",
    [
        (
            "tpavi_sam",
            {"steps": 501},
            "tpavi_sam on v1s: 501 updates of 10 labelled frames each, but gavs has 500 updates of "
            "10 labelled frames each; expected one budget for all of tables.table1.controlled",
        ),
        ("avsegformer_sam", {"steps": None}, "avsegformer_sam on v1s: 30 epochs of 10 labelled"),
        ("tpavi_sam", {"batch_clips": 4}, "tpavi_sam on v1s: 500 updates of 4 labelled frames"),
        ("avsbench", {"batch_clips": 4}, "tables.table1.published: set benchmarks.v1s.training"),
        ("av_sam", {"batch_frames": 16}, "av_sam on v1s: 500 updates of 16 labelled frames each"),
        (
            "avin",
            {"epochs": 6},
            "avin on vggsound: 6 epochs of 32 labelled frames each, but hardway",
        ),
    ],
)
def test_a_row_with_another_budget_is_an_error(changed, row, own, message):
    with pytest.raises(ParamsError, match=re.escape(message)):
        changed({"methods": {row: {"training": own}}})


def test_operators_and_ablations_have_one_budget_too(changed):
    longer = {"training.steps": 2000}
    with pytest.raises(ParamsError, match="sam_fusion_add on v1s: 2000 updates of 10 labelled"):
        changed({"variants": {"sam_fusion_add": {"set": {"operator": "add", **longer}}}})
    group = {"longer": {"gavs_longer": {"base": "gavs", "set": longer, "note": "longer"}}}
    listed = {"tables": {"ablations": {"groups": ["longer"]}}}
    with pytest.raises(ParamsError, match="gavs_longer on v2: 2000 updates of 40 labelled"):
        changed({"ablations": group, **listed})


def test_budgets_are_compared_in_the_named_lists_up_to_a_clip(changed):
    """3 clips of V1M hold 15 frames, the base's 18: less than a clip. 5 of V2 hold 50, not 40."""
    named = {"one_budget": ["controlled"]}
    own = {"protocol": named, "methods": {"avsbench": {"training": {"steps": 7}}}}
    assert changed(own).row("avsbench", "v1s").training.steps == 7
    base = {"protocol": named, "training": {"batch_frames": 18}}
    clips = {"v1s": {"training": {"batch_clips": 10}}, "v1m": {"training": {"batch_clips": 3}}}
    clips |= {"v3": {"training": {"batch_clips": 4}}, "v2": {"training": {"batch_clips": 4}}}
    assert changed({**base, "methods": {"tpavi_sam": {"benchmarks": clips}}})
    clips["v2"] = {"training": {"batch_clips": 5}}
    with pytest.raises(ParamsError, match="tpavi_sam on v2: 640 updates of 50 labelled"):
        changed({**base, "methods": {"tpavi_sam": {"benchmarks": clips}}})


def test_few_shots_are_trained_by_their_own_budget(folder, changed):
    """`tpavi_sam` names optimiser steps for V2; a few clips must not get as many. As many steps
    whatever the number of shots, or epochs where no steps are named."""
    params = load()
    training = params.row("tpavi_sam", "v2").training
    v3, sub = (params.few_shot_training(training, name) for name in ("v3", "vggss_sub"))
    assert training.steps and (v3.steps, sub.steps) == (75, 30)
    assert (v3.lr, v3.selection) == (training.lr, "last")
    by_epochs = changed({"few_shot": {"training": {"steps": None}}})
    v3 = by_epochs.few_shot_training(training, "v3")
    assert (v3.steps, v3.epochs) == (None, 10)


def test_a_matched_pair_has_one_budget_as_track_c(changed):
    own = {"gavs_dice": {"set": {"mask_loss": "bce_dice", "training.steps": 9}}}
    with pytest.raises(ParamsError, match="gavs_dice on v1s: 9 updates of 10 labelled frames each"):
        changed({"protocol": {"one_budget": ["controlled"]}, "variants": own})
