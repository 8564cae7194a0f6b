"""Several processes against one: the same training, the same scores, in every method."""

import copy
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything.modeling.prompt_encoder import PositionEmbeddingRandom
from timm.layers import DropPath
from torch import nn

from benchmarks.params import load
from benchmarks.training import distributed
from benchmarks.training.loop import train
from gavs.method import Batch, Method, network
from tests.test_methods import CASES

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
fork = multiprocessing.get_context("fork")


def on_ranks(count: int, work, folder: Path) -> list:
    """What `work()` returns on each of so many processes that torchrun might have started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(rank: int) -> None:
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
        os.environ |= {k: str(v) for k, v in names.items()} | {"MASTER_ADDR": "127.0.0.1"}
        with distributed.ranks("cpu"):
            torch.save(work(), folder / f"rank{rank}.pt")
            distributed.wait()  # the first one leaves only when the last one has come

    processes = [fork.Process(target=run, args=(rank,)) for rank in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)  # one that waits for another that has died does so for days
        process.kill()
    assert [process.exitcode for process in processes] == [0] * count
    return [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in range(count)]


@pytest.mark.parametrize("count", [2, 3])
def test_shares_and_spread_items_lose_and_double_nothing(tmp_path, count):
    sizes = range(11)

    def work():
        shares = {n: list(distributed.share(np.arange(n))) for n in sizes if n >= count}
        spread = {n: distributed.spread(list(range(n)), lambda k: (k, os.getpid())) for n in sizes}
        return shares, spread

    found = on_ranks(count, work, tmp_path)
    for n in sizes:
        if n >= count:
            assert [k for shares, _ in found for k in shares[n]] == list(range(n))
        for _, spread in found:
            assert [k for k, _ in spread[n]] == list(range(n))
            assert len({process for _, process in spread[n]}) == min(n, count)


def test_a_batch_that_cant_be_shared_says_what_to_change(tmp_path):
    def work():
        with pytest.raises(
            ValueError, match="a batch of 1 can't be shared by 2 processes: .*batch_"
        ):
            distributed.share(np.arange(1))

    on_ranks(2, work, tmp_path)


def test_srun_over_machines_is_refused_before_ranks_wait_for_each_other(monkeypatch):
    step = {"PROCID": 1, "STEP_NUM_TASKS": 2, "LOCALID": 0, "STEP_NUM_NODES": 2, "JOB_ID": 7}
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    with pytest.raises(ValueError, match="srun over several machines"), distributed.ranks("cpu"):
        pass


class Clips:
    """Eight clips, in batches of six: shares of three."""

    def __init__(self, method: Method, batch: Batch) -> None:
        self.method, self.whole = method, batch
        self.temporal = method.config.temporal()

    def epoch(self, rng: np.random.Generator, size: int) -> list[np.ndarray]:
        return [rng.permutation(8)[:6] for _ in range(2)]

    def batch(self, numbers: np.ndarray) -> Batch:
        chosen = {k: v[numbers] for k, v in vars(self.whole).items() if k != "features"}
        features = {k: v[numbers] for k, v in self.whole.features.items()}
        return Batch(features=features, **chosen)


@pytest.fixture
def double(monkeypatch):
    """Double precision, also where SAM or a method asks for single."""
    encode = PositionEmbeddingRandom._pe_encoding
    monkeypatch.setattr(
        PositionEmbeddingRandom, "_pe_encoding", lambda self, x: encode(self, x.double())
    )
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=CASES)
def method(request, encoders, double) -> Method:
    """Every registered method in double precision, without what it draws at random."""
    name, overrides = CASES[request.param]
    cls = network(name)
    if cls.Config.oracle or overrides.get("prompt", {}).get("noise_mode") in (
        "replace",
        "add",
        "learned_scale",
    ):
        pytest.skip("nothing to train, or random noise in training")
    torch.manual_seed(0)
    method = cls(cls.Config(**overrides), encoders).double()
    for module in method.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
        elif isinstance(module, DropPath):
            module.drop_prob = 0.0
    return method


def _double(batch: Batch) -> Batch:
    def wide(x):
        return x.double() if x.is_floating_point() else x

    values = {k: wide(v) for k, v in vars(batch).items() if k != "features"}
    return Batch(features={k: wide(v) for k, v in batch.features.items()}, **values)


@pytest.fixture(scope="module")
def training():
    block = load(ROOT / "params.yaml").training
    changes = {"epochs": 3, "lr": 1e-3, "selection": "last", "schedule": "constant"}
    return type(block)(**block.model_dump() | changes)


def test_ranks_train_as_one_process(method, training, make_batch, tmp_path, monkeypatch):
    """Six steps of AdamW, every parameter and buffer within 1e-6 on both of two ranks.

    In double precision: a bias in front of a batch norm has no gradient but rounding, which Adam
    scales up to the learning rate whatever its size.
    """
    monkeypatch.setattr("baselines._localiser.augment", lambda image: image)
    batch = make_batch(method, clips=8, frames=2 if method.config.temporal() else 1)
    batch = _double(replace(batch, decoded=batch.supervised))
    start = copy.deepcopy(method.state_dict())

    def work():
        method.load_state_dict(start)
        place = tmp_path / f"work{distributed.size()}"
        history = train(method, Clips(method, batch), training, 0, CPU, place, None)
        return method.state_dict(), history

    one, history = work()
    for state, theirs in on_ranks(2, work, tmp_path):
        worst = max((state[k] - one[k]).abs().max() for k in one)
        assert worst < 1e-6, worst
        assert theirs[-1]["loss"] == pytest.approx(history[-1]["loss"], rel=1e-6)
    moved = max((one[k] - start[k]).abs().max() for k in one)
    assert moved > 1e-3


@pytest.mark.slow
def test_torchrun_makes_the_record_of_one_process(project):
    """Training, validation and scoring, on sets that three processes don't divide."""
    command = [sys.executable, "-m", "benchmarks", "run", "table1", "gavs", "v1m", "--seed", "1"]
    ranks = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    records, scores = [], []
    for program in (command, [command[0], *ranks, *command[1:]]):
        subprocess.run(program, env=environment, check=True)
        (folder,) = (project / "work/smoke/runs").iterdir()
        records.append(json.loads((folder / "record.json").read_text()))
        with np.load(folder / "scores.npz") as arrays:
            scores.append(dict(arrays))
        shutil.rmtree(project / "work/smoke/runs")
        shutil.rmtree(project / "work/smoke/models")
    assert [record.pop("run")["processes"] for record in records] == [1, 3]
    (one, three), (few, many) = records, scores
    assert three["fingerprint"] == one["fingerprint"] and three["counts"] == one["counts"]
    losses = [[epoch["loss"] for epoch in record["history"]] for record in records]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    for name in few:
        if few[name].dtype.kind in "US":
            assert (many[name] == few[name]).all()  # every frame once, in the same order
        else:
            difference = np.abs(many[name].astype(float) - few[name].astype(float))
            # Pixels of rounded maps, whose number is the processor's: of 32 counts 6 differ by one
            # on an Intel Xeon, none on an AMD EPYC.
            assert difference.max() <= 8 and difference.mean() < 0.5
