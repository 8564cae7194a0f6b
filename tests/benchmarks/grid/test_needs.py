"""The stores hold the frames that the tables' rows read, and no others."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import cli
from benchmarks.features.store import StoreError, listed_shards, shard_path
from benchmarks.grid.needs import needed_rows
from benchmarks.grid.protocol import cells_of, evaluations_of, model_of, training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import load
from benchmarks.params.tables import TABLES

CHANGES = [
    {},
    {"scoring.frames_per_clip": 1},
    {"scoring.frames_per_clip": None},
    {"methods.gavs.training.first_mask": "copied"},
    {"methods.gavs.training.whole_clips": True},
]


def _asked(bench):
    """Numbers of the rows that samples ask for, by store: what evaluation and training go through,
    and the middle frames that figures show."""
    asked = {}

    def ask(config, clips, middle=False):
        rows = {int(clips.index.first_row[clip]) + f for clip, fs in clips.samples for f in fs}
        if middle:
            rows |= set(clips.index.first_row + clips.index.frames // 2)
        for store in config.inputs().values():
            asked.setdefault(f"{config.cover()}/{store}", set()).update(rows)

    cells = [
        cell
        for table in TABLES
        for stage in bench.params.table_rows(table)
        for cell in cells_of(bench.params, table, stage)
    ]
    for cell in cells:
        model = model_of(cell)
        config = training_of(bench.params, model)[0].method_config
        method = SimpleNamespace(config=config)
        for test in evaluations_of(bench.params, cell):
            ask(config, bench.clips(method, test.clips), middle=True)
        while model:
            _, training = training_of(bench.params, model)
            ask(config, bench.clips(method, model.train, "own", "labelled", training))
            if model.val:
                ask(config, bench.clips(method, model.val))
            model = model.parent
    return asked


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_needed_are_the_rows_that_samples_ask_for(project, edit, change):
    for key, value in change.items():
        edit(key, value)
    bench = Workbench(load())
    needed, index = needed_rows(bench.params, bench.clip_sets), bench.index
    first = {"avs": 0, "vgg": int(index.first_row[(index.benchmark == "vggss").argmax()])}
    saved = 0
    for key, rows in _asked(bench).items():
        cover, name = key.split("/")
        stored = set((np.flatnonzero(needed[key]) + first[cover]).tolist())
        assert rows <= stored, key
        if cover == "avs":
            middles = set(index.first_row + index.frames // 2)  # of validation, over what is asked
            assert stored - rows <= middles, key
            saved += len(needed[key]) - len(stored)
    assert saved


def test_more_scored_frames_are_told_added_and_never_given_up(project, edit):
    edit("scoring.frames_per_clip", 1)
    bench = Workbench(load())
    sizes = {p: p.stat().st_mtime_ns for p in bench.params.work.glob("features/*/*/*.npy")}
    bench.store("tokens2_rgb")  # the smoke profile's two frames hold more than the one asked for
    edit("scoring.frames_per_clip", None)
    bench = Workbench(load())
    with pytest.raises(StoreError, match=r"lacks \d+ rows, frame \d of clip \S+ first"):
        bench.store("tokens2_rgb")
    assert cli.main(["features"]) == 0
    store, lacking = bench.store("tokens2_rgb"), bench.needed["avs/tokens2_rgb"]
    assert store[np.flatnonzero(lacking)].any()
    assert {p for p in sizes if p.stat().st_mtime_ns == sizes[p]} >= {
        p for p in sizes if p.parent.name in ("vggish", "logmel", "spectrogram")
    }
    assert len(listed_shards(store.folder, store.header)) == store.header.shards
    assert shard_path(store.folder, 0).is_file()
