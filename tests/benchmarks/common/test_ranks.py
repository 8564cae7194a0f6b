import pytest
import torch

from benchmarks.common.ranks import DeviceError, Rank, devices, this_rank

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
SRUN = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "3", "SLURM_LOCALID": "0"}
BATCH_SCRIPT = {"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_LOCALID": "0"}  # one process


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Rank(0, 1, 0)),
        (TORCHRUN, Rank(5, 8, 1)),
        (SRUN, Rank(2, 3, 0)),
        (TORCHRUN | SRUN, Rank(5, 8, 1)),  # torchrun inside of a job
        (BATCH_SCRIPT, Rank(0, 1, 0)),
    ],
)
def test_who_this_process_is(monkeypatch, environment, expected):
    for name in TORCHRUN | SRUN | BATCH_SCRIPT:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert this_rank() == expected


@pytest.mark.parametrize(
    ("wanted", "gpus", "rank", "expected"),
    [
        ("cpu", 4, Rank(), ["cpu"]),
        ("auto", 0, Rank(), ["cpu"]),
        ("auto", 2, Rank(), ["cuda:0", "cuda:1"]),
        ("cuda", 4, Rank(6, 8, 2), ["cuda:2"]),
        ("cuda", 1, Rank(3, 4, 3), ["cuda:0"]),  # srun shows each process its own
        ("cuda:1", 2, Rank(), ["cuda:1"]),
    ],
)
def test_where_it_encodes(monkeypatch, wanted, gpus, rank, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert [str(device) for device in devices(wanted, rank)] == expected


@pytest.mark.parametrize(("wanted", "gpus"), [("cuda", 0), ("cuda:2", 2)])
def test_a_gpu_that_is_not_there(monkeypatch, wanted, gpus):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(DeviceError, match=f"device: {wanted}, but this machine has {gpus} GPUs"):
        devices(wanted, Rank())
