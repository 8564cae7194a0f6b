"""Check before hours of work: parameters, data, weights, machine; all problems in one list."""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import pandas as pd
import torch

from benchmarks.common import memory
from benchmarks.common.memory import GIB
from benchmarks.common.ranks import DeviceError, Rank, devices
from benchmarks.common.remedy import spelled
from benchmarks.common.workers import worker_pool
from benchmarks.data.clip_files import ClipFileError
from benchmarks.data.index import DataError, load_index, write_index
from benchmarks.data.read import read_index
from benchmarks.features.store import Header, listed_shards, shard_path, shard_problem
from benchmarks.grid.needs import cells_in
from benchmarks.grid.protocol import VALIDATION, evaluations_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params
from benchmarks.preflight.cost import Line, Tables, encoding, kinds_of, models_of
from benchmarks.preflight.nominal import CLIPS
from benchmarks.preflight.trial import Kind, Trial, try_row
from benchmarks.preflight.weights import WeightFile, find_weights
from benchmarks.training.audio import audio_from
from gavs.losses import MIN_VIDEOS
from splits.files import SplitError

PUBLISHED = [f"{b}/{s}" for b in ("v1s", "v1m", "v2") for s in ("train", "val", "test")]
PUBLISHED += ["v3/unseen", "vggss/all"]  # sets whose clips are counted by the data sets


@dataclass(frozen=True)
class Finding:
    """Problems of one kind and what to do about them; a warning stops nothing."""

    kind: Literal["error", "warning"]
    problems: Sequence[str]
    remedy: str

    def __str__(self) -> str:
        lines = [f"{self.kind}: {problem}" for problem in self.problems]
        return spelled("\n".join([*lines, f"    -> {self.remedy}"]))


def _findings(
    problems: Sequence[str], remedy: str, kind: Literal["error", "warning"] = "error"
) -> list[Finding]:
    return [Finding(kind, problems, remedy)] if problems else []


def check(params: Params) -> bool:
    """Print what each stage costs and all that is wrong; returns True if nothing is an error.

    Opens every clip, reads every finished feature, tries every encoder and method; writes nothing.
    """
    bench = Workbench(params)
    lines: list[Line] = []
    findings, places = _places(params)
    weights = [f for f in find_weights(params) if not f.usable]
    findings += [*_weights(weights), *_writable(params)]
    index, broken = _clips(params)
    findings += broken
    if places[0].type == "cpu":  # nothing is tried on a GPU that isn't there
        params = params.model_copy(update={"device": "cpu"})
    free = free_memory(places[0])
    trials = {k: try_row(params, row, k[-3], k[-1], free) for k, row in kinds_of(params).items()}
    if index is not None:
        bench.index = index.assign(first_row=index.frames.cumsum() - index.frames)
        missing = _sets(bench)
        findings += [*_changed(params, index), *missing, *_counts(bench)]
        if not weights:
            headers = bench.fingerprints.stores()
            findings += _stores(params, headers)
            if not missing:
                lines += encoding(bench, headers, places)
        if not missing:
            # `run` takes one GPU, which its workers share.
            processes = 1 if places[0].type == "cuda" else params.workers
            lines += Tables(bench, trials, processes).lines()
    findings += _resources(params, places, trials, lines, free)
    print(_methods_text(trials))
    print(_stages_text(lines))
    for finding in findings:
        print(finding, file=sys.stderr)
    errors = sum(len(f.problems) for f in findings if f.kind == "error")
    print(f"{errors} errors" if errors else "nothing stands in the way")
    return not errors


def free_memory(device: torch.device) -> float:
    """Bytes that are free: of the GPU, or of this machine within this process's limits.

    Another process asks CUDA.
    """
    if device.type == "cuda":
        with worker_pool(1) as pool:
            return pool.submit(torch.cuda.mem_get_info, device).result()[0]
    return memory.free_memory().free


def _places(params: Params) -> tuple[list[Finding], list[torch.device]]:
    """Find the devices that encode frames; warn of more workers than cores."""
    findings, cores = [], os.cpu_count() or 1
    if params.workers > cores:
        many = f"workers: {params.workers} processes, but this machine has {cores} cores"
        findings.append(Finding("warning", [many], f"set workers in params.yaml to {cores}"))
    try:
        return findings, devices(params.device, Rank())
    except DeviceError as error:
        findings.append(Finding("error", [str(error)], "set device in params.yaml"))
        return findings, [torch.device("cpu")]


def _weights(wrong: Sequence[WeightFile]) -> list[Finding]:
    """Report weight files that can't be used."""
    lines = [f"{f.path}: {f.encoder} ({f.size}): {f.state}: {f.detail}" for f in wrong]
    remedy = "`python -m benchmarks weights` says where to get them and where they go"
    return _findings(lines, remedy)


def _clips(params: Params) -> tuple[pd.DataFrame | None, list[Finding]]:
    """Read all clips anew; returns their index, or what is wrong with them."""
    try:
        index = read_index(params.data, params.workers)
    except DataError as error:
        remedy = error.advice or "repair or replace what is named"
        if params.world is not None:
            remedy = "`python -m benchmarks data` builds the miniature world"
        return None, [Finding("error", error.problems, remedy)]
    with TemporaryDirectory() as folder:  # written and read, as later stages read it
        path = Path(folder, "index.csv")
        path.write_bytes(write_index(index))
        return load_index(path), []


def _changed(params: Params, index: pd.DataFrame) -> list[Finding]:
    """Report files that have changed since they were indexed."""
    path = params.shared / "index.csv"
    try:
        if not path.is_file() or write_index(load_index(path)) == write_index(index):
            return []
    except ClipFileError as error:
        return [Finding("error", [str(error)], "`python -m benchmarks data`, then `features`")]
    changed = (
        f"{path}: the files under {params.data.root} or {params.data.vggss} have changed since"
    )
    remedy = "index them anew: `python -m benchmarks data`, then `features`"
    return [Finding("error", [changed], remedy)]


def _sets(bench: Workbench) -> list[Finding]:
    """Report sets of clips that the tables ask for and that can't be drawn from these clips."""
    params, problems = bench.params, []
    contrast: dict[str, str] = {}
    names: list[str] = []
    for model in dict.fromkeys(m for models in models_of(params).values() for m in models):
        names += [name for name in (model.train, model.val, model.full) if name]
        config = params.row(model.row, model.benchmark).config
        if config.get("alignment", {}).get("loss", "none") != "none":
            contrast.setdefault(model.train, model.row)
    tests = {
        (test.clips, test.audio)
        for cell in cells_in(params)
        for test in evaluations_of(params, cell)
        if test.name != VALIDATION  # no interval is drawn of it
    }
    tested = {clips for clips, _ in tests}
    for name in dict.fromkeys([*names, *sorted(tested)]):
        try:
            videos = bench.clip_sets[name].video.nunique()
            if name in tested and videos < 2:
                problems.append(f"{name}: clips of {videos} video; an interval needs 2 or more")
            if name in contrast and videos < MIN_VIDEOS:
                few = f"{name}: clips of {videos} videos, but {contrast[name]}'s alignment"
                problems.append(f"{few} contrasts {MIN_VIDEOS}")
            for audio in sorted(audio for clips, audio in tests if clips == name):
                audio_from(audio, bench.clip_sets[name])
        except (DataError, SplitError) as error:
            problems += error.problems
        except (OSError, KeyError, ValueError) as error:
            problems.append(f"{name}: {error}")
    remedy = "get more of the clips, change protocol in params.yaml, or take the table's rows out"
    return _findings(list(dict.fromkeys(problems)), remedy)


def _counts(bench: Workbench) -> list[Finding]:
    """Compare numbers of clips with the published ones; of the real data only."""
    if bench.params.profile != "paper":
        return []
    problems = []
    for name in PUBLISHED:
        published = CLIPS[name]
        try:
            clips = len(bench.clip_sets[name])
        except (DataError, SplitError):
            clips = 0
        if clips != published:
            problems.append(f"{name}: {clips} clips, published {published}")
    remedy = "other clips are another experiment: say so beside the tables, or complete the data"
    return _findings(problems, remedy, "warning")


def _stores(params: Params, headers: Mapping[str, Header]) -> list[Finding]:
    """Report damaged shards among the finished ones."""
    folder = params.shared / "features"
    listed = [
        (shard_path(folder / key, shard), entry)
        for key, h in headers.items()
        for shard, entry in listed_shards(folder / key, h).items()
    ]
    with worker_pool(params.workers) as pool:
        results = pool.map(partial(shard_problem, content=True), *zip(*listed, strict=True))
        problems = [problem for problem in results if problem] if listed else []
    remedy = "`python -m benchmarks features` encodes these again"
    return _findings(problems, remedy)


def _writable(params: Params) -> list[Finding]:
    """Report folders that the stages write to and can't."""
    folders = dict.fromkeys([params.work, params.shared, params.results])
    there = {next(p for p in (f, *f.absolute().parents) if p.exists()): f for f in folders}
    problems = [
        f"{folder}: can't be written"
        for place, folder in there.items()
        if not os.access(place, os.W_OK)
    ]
    return _findings(problems, "make it writable, or work in a copy elsewhere")


def _resources(
    params: Params,
    places: Sequence[torch.device],
    trials: Mapping[Kind, Trial],
    lines: Sequence[Line],
    free: float,
) -> list[Finding]:
    """Report work that takes more memory or disk than there is, and trials that failed."""
    where = "on the GPU" if places[0].type == "cuda" else "here"
    memory: list[str] = []
    failed: list[str] = []
    for trial in trials.values():
        if trial.problem:
            too_large = re.search("memory|killed", trial.problem)
            (memory if too_large else failed).append(f"{trial.row}: {trial.problem}")
        for what, gib in (("a training step", trial.step_gib), ("scoring", trial.score_gib)):
            if gib * GIB > free:
                memory.append(
                    f"{trial.row}: {what} takes {gib:.1f} GiB, {free / GIB:.1f} are free {where}"
                )
    encoded = [line for line in lines if line["stage"].startswith("features")]
    memory += [
        f"{line['stage']}: {line['GiB per process']:.1f} GiB, {free / GIB:.1f} are free {where}"
        for line in encoded
        if line["GiB per process"] * GIB > free
    ]
    memory += [f"{line['stage']}: {line['work']}" for line in encoded if np.isnan(line["hours"])]
    smaller = "set a smaller batch in training, scoring or features"
    findings = _findings(failed, "look at the row's block in params.yaml")
    findings += _findings(memory, f"{smaller}, or take another machine")
    sizes = [trial.gib for trial in trials.values() if not trial.problem]
    if places[0].type == "cpu":  # on GPUs a process encodes alone
        sizes += [line["GiB per process"] for line in encoded]
    most = np.nanmax([0.0, *sizes]) * params.workers * GIB
    if not memory and most > free:
        many = f"workers: {params.workers} processes may take {most / GIB:.1f} GiB together"
        remedy = f"{free / GIB:.1f} are free {where}: set fewer workers in params.yaml"
        findings.append(Finding("warning", [many], remedy))
    place = next(p for p in (params.work, *params.work.absolute().parents) if p.is_dir())
    needed, disk = sum(line["disk GiB"] for line in lines), shutil.disk_usage(place).free / GIB
    if needed > disk:
        full = f"{params.work}: {needed:.1f} GiB to be written, {disk:.1f} are free"
        remedy = "move `work` to a larger disk and leave a link, or ask for fewer rows and stores"
        findings.append(Finding("error", [full], remedy))
    return findings


def _methods_text(trials: Mapping[Kind, Trial]) -> str:
    """Table of the trials, one line per kind of row."""
    table = [
        {
            "as row": trial.row,
            "reads": ", ".join(stores),
            "batch": f"{trial.batch} x {seconds} s",
            "tried": trial.samples,
            "s per step": trial.step_seconds,
            "GiB": trial.step_gib,
            "s per scored frame": trial.score_seconds,
            "GiB to score": trial.score_gib,
        }
        for (_, _, stores, *_, seconds), trial in trials.items()
    ]
    return pd.DataFrame(table).to_string(index=False, float_format="%.2f", na_rep="-")


def _stages_text(lines: Sequence[Line]) -> str:
    """Table of the stages' costs, with their sum."""
    if not lines:
        return "no costs of the stages: the clips or the weights aren't there"
    total = {"stage": "all", "work": ""}
    total |= {name: sum(line[name] for line in lines) for name in ("hours", "disk GiB")}
    return pd.DataFrame([*lines, total]).to_string(index=False, float_format="%.2f", na_rep="-")
