"""Loop and checkpoints on a method small enough to follow by hand."""

import threading
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.params import load
from benchmarks.training import snapshot
from benchmarks.training.loop import Diverged, _schedule, batches, train
from gavs.method import Prediction

ROOT = Path(__file__).parents[3]


class Line(nn.Module):
    """y = w x + b with dropout; the batch is a tensor of x, the loss (y - 2 x)^2."""

    def __init__(self, explode_at=None):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        with torch.no_grad():
            self.layer.weight.fill_(0.0)
            self.layer.bias.fill_(0.0)
        self.drop = nn.Dropout(0.3)
        self.steps, self.explode_at = 0, explode_at

    def parameter_groups(self):
        return [
            {"params": [self.layer.weight], "lr_scale": 1.0},
            {"params": [self.layer.bias], "lr_scale": 0.1},
        ]

    def start_epoch(self, epoch):
        pass

    def after_step(self):
        self.steps += 1
        if self.steps == self.explode_at:
            raise KeyboardInterrupt  # the process is killed here

    def forward(self, batch):
        return Prediction(self.layer(self.drop(batch.x)), {})

    def loss(self, prediction, batch):
        return {"square": ((prediction.logits - 2 * batch.x) ** 2).mean()}


class Numbers:
    temporal = False

    def __init__(self, n=20):
        self.x = torch.linspace(-1, 1, n)[:, None]
        self.seen = []

    def __len__(self):
        return len(self.x)

    @property
    def method(self):
        return Line()

    def epoch(self, rng, size):
        order = rng.permutation(len(self))
        return [order[i : i + size] for i in range(0, len(self) - size + 1, size)]

    def batch(self, numbers):
        self.seen.append(list(numbers))
        batch = types.SimpleNamespace(x=self.x[numbers])
        batch.to = lambda device: batch
        return batch


@pytest.fixture
def params():
    common = load(ROOT / "params.yaml").training
    by_epochs = {"epochs": 4, "validations": None, "batch_frames": 6, "selection": "last"}
    return common.model_copy(update=by_epochs)


@pytest.fixture
def often(params):
    """Parameters with a checkpoint after each step."""
    return params.model_copy(update={"checkpoint_seconds": 1e-9})


def run(method, folder, params, numbers=None, validate=None, seed=0):
    cpu = torch.device("cpu")
    return train(method, numbers or Numbers(), params, seed, cpu, folder, validate, "line")


@pytest.mark.parametrize("first", [0, 4])
def test_batches_read_ahead_for_a_gpu_are_those_of_a_cpu_in_order(first):
    read, threads = {}, {}
    for device in ("cpu", "cuda"):
        numbers = Numbers()
        load_batch, threads[device] = numbers.batch, set()

        def batch(chosen, load_batch=load_batch, seen=threads[device]):
            seen.add(threading.get_ident())
            return load_batch(chosen)

        numbers.batch = batch
        steps = batches(numbers, 7, 6, range(first, 12), torch.device(device))
        read[device] = [(list(chosen), b.x.flatten().tolist()) for chosen, b in steps]
    assert read["cpu"] == read["cuda"] and len(read["cpu"]) == 12 - first
    orders = [Numbers().epoch(np.random.default_rng([7, epoch]), 6) for epoch in range(4)]
    expected = [batch.tolist() for order in orders for batch in order][first:]
    assert [chosen for chosen, _ in read["cpu"]] == expected
    assert threads["cpu"] == {threading.get_ident()} and not threads["cpu"] & threads["cuda"]


def test_an_error_of_a_batch_read_ahead_ends_the_training():
    numbers = Numbers()

    def batch(chosen):
        raise OSError("shard is gone")

    numbers.batch = batch
    with pytest.raises(OSError, match="shard is gone"):
        list(batches(numbers, 7, 6, range(12), torch.device("cuda")))


@pytest.mark.parametrize("kill_at", [1, 3, 5, 11])
def test_a_killed_training_ends_as_an_uninterrupted_one(tmp_path, often, kill_at):
    whole = Line()
    history = run(whole, tmp_path / "whole", often)
    killed = Line(explode_at=kill_at)
    with pytest.raises(KeyboardInterrupt):
        run(killed, tmp_path / "killed", often)
    resumed = Line()
    assert run(resumed, tmp_path / "killed", often) == history
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    assert resumed.steps == 12 - (kill_at - 1)  # 20 // 6 batches, 4 epochs; only the rest was run


def test_a_short_training_writes_only_the_weights_that_count(tmp_path, params, monkeypatch):
    save, written = snapshot.save, []
    monkeypatch.setattr(snapshot, "save", lambda *args: (written.append(args[0].name), save(*args)))
    run(Line(), tmp_path, params)
    assert written == ["best.pt"]


def test_batches_depend_on_seed_and_epoch_only(tmp_path, params):
    a, b, c = Numbers(), Numbers(), Numbers()
    run(Line(), tmp_path / "a", params, a)
    run(Line(), tmp_path / "b", params, b)
    run(Line(), tmp_path / "c", params, c, seed=1)
    assert a.seen == b.seen != c.seen
    first, second = np.ravel(a.seen[:3]), np.ravel(a.seen[3:6])
    assert len(set(first)) == 18 and list(first) != list(second)


def test_the_seed_decides_what_a_step_draws(tmp_path, params):
    """Dropout is another though the batches are the same."""

    class InOrder(Numbers):
        def epoch(self, rng, size):
            return super().epoch(np.random.default_rng(0), size)

    a, b, c = (
        run(Line(), tmp_path / name, params, InOrder(), seed=seed)[0]["loss"]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert a == b != c


def test_groups_have_their_share_of_the_rate(tmp_path, params):
    params = params.model_copy(
        update={
            "optimizer": "adam",
            "weight_decay": 0.0,
            "schedule": "constant",
            "epochs": 1,
            "batch_frames": 20,
        }
    )
    method = Line()
    method.drop.p = 0.0
    numbers = Numbers()
    numbers.x += 1.0
    run(method, tmp_path, params, numbers)
    # One Adam step moves every parameter by its rate, against its gradient's sign.
    assert method.layer.weight.item() == pytest.approx(params.lr, rel=1e-4)
    assert method.layer.bias.item() == pytest.approx(params.lr * 0.1, rel=1e-4)


def test_one_cycle_is_torchs(params):
    total = 50
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=total, cycle_momentum=False)
    for step in range(total):
        expected = optimizer.param_groups[0]["lr"]
        # torch's phases end at 0.3 * total - 1, ours at 0.3 of the way: less than a step apart.
        assert _schedule("one_cycle", step, total) == pytest.approx(expected, abs=0.08)
        optimizer.step()
        scheduler.step()
    assert _schedule("one_cycle", 0, total) == pytest.approx(1 / 25)
    assert _schedule("cosine", total - 1, total) == pytest.approx(0)


def test_selection_loads_the_best_validated_epoch(tmp_path, params):
    params = params.model_copy(update={"selection": "best_val", "validate_from": 1})
    scores = iter([0.5, 0.9, 0.7])
    weights = []
    method = Line()

    def validate():
        weights.append(method.layer.weight.item())
        return next(scores)

    history = run(method, tmp_path, params, validate=validate)
    assert [entry["validation"] for entry in history] == [None, 0.5, 0.9, 0.7]
    assert method.layer.weight.item() == weights[1]


def test_steps_in_place_of_epochs_end_in_mid_epoch(tmp_path, params):
    """Seven steps of three an epoch; validated every second epoch and at the end."""
    changes = {"steps": 7, "validate_from": 0, "validate_every": 2, "selection": "best_val"}
    numbers, scores = Numbers(), iter([0.5, 0.9])
    history = run(
        Line(), tmp_path, params.model_copy(update=changes), numbers, lambda: next(scores)
    )
    assert len(numbers.seen) == 7
    assert [(e["epoch"], e["validation"]) for e in history] == [(0, None), (1, 0.5), (2, 0.9)]


@pytest.mark.parametrize("kill_at", [1, 4, 7])
def test_validations_by_updates_end_stretches_also_of_a_resumed_training(tmp_path, often, kill_at):
    """Ten steps of three an epoch; after steps 5, 8 and 10: three parts of 2.5 but the first."""
    changes = {"steps": 10, "validations": 3, "selection": "best_val"}
    params = often.model_copy(update=changes)
    whole = Line()
    scores = {5: 0.5, 8: 0.9, 10: 0.7}
    weights = {}

    def validate(method):
        def score():
            weights[method.steps] = method.layer.weight.item()
            return scores[method.steps]

        return score

    history = run(whole, tmp_path / "whole", params, validate=validate(whole))
    validated = {entry["step"]: entry["validation"] for entry in history}
    assert validated == {3: None, 5: 0.5, 6: None, 8: 0.9, 9: None, 10: 0.7}
    assert [entry["epoch"] for entry in history] == [0, 1, 1, 2, 2, 3]
    assert whole.layer.weight.item() == weights[8]
    killed = Line(explode_at=kill_at)
    with pytest.raises(KeyboardInterrupt):
        run(killed, tmp_path / "killed", params, validate=validate(killed))
    resumed = Line()
    resumed.steps = kill_at - 1
    again = run(resumed, tmp_path / "killed", params, validate=validate(resumed))
    assert again == history and torch.equal(resumed.layer.weight, whole.layer.weight)


def test_a_stretchs_loss_is_the_mean_of_its_own_steps(tmp_path, params):
    losses = []

    class Noted(Line):
        def loss(self, prediction, batch):
            terms = super().loss(prediction, batch)
            losses.append(terms["square"].item())
            return terms

    params = params.model_copy(update={"steps": 7, "validations": 2})
    history = run(Noted(), tmp_path, params)
    bounds = [0, 3, 5, 6, 7]
    assert [entry["step"] for entry in history] == bounds[1:]
    for entry, a, b in zip(history, bounds[:-1], bounds[1:], strict=True):
        assert entry["loss"] == pytest.approx(np.mean(losses[a:b]))


@pytest.mark.parametrize(
    "epochs, steps, phases",
    [
        (4, None, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),  # an epoch is three steps
        (4, 7, [0, 0, 1, 1, 2, 2, 3]),  # 7 updates in 4 epochs: 1.75 each
    ],
)
def test_phases_are_the_same_share_of_a_training_however_long(
    tmp_path, params, epochs, steps, phases
):
    class Phases(Line):
        def start_epoch(self, epoch):
            self.phase = epoch

        def forward(self, batch):
            seen.append(self.phase)
            return super().forward(batch)

    seen = []
    run(Phases(), tmp_path, params.model_copy(update={"epochs": epochs, "steps": steps}))
    assert seen == phases


def test_divergence_is_an_error_that_names_the_run(tmp_path, params):
    numbers = Numbers()
    numbers.x[:] = float("inf")
    with pytest.raises(Diverged, match="line: loss is (nan|inf) at step 0"):
        run(Line(), tmp_path, params, numbers)


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path, often):
    run(Line(), tmp_path, often)
    other = Line()
    other.layer = nn.Linear(1, 2)
    with pytest.raises(snapshot.SnapshotError, match=r"last.pt: .*layer.bias is \(1,\), exp"):
        run(other, tmp_path, often)
    more = Line()
    more.extra = nn.Linear(1, 1)
    with pytest.raises(snapshot.SnapshotError, match="missing .'extra.bias', 'extra.weight'"):
        run(more, tmp_path, often)


def _cut(path):
    path.write_bytes(path.read_bytes()[:100])


def _other_weights(path):
    """Damage inside a storage, where torch compares nothing."""
    with zipfile.ZipFile(path) as file:
        storage = next(member for member in file.infolist() if "/data/" in member.filename)
    content = bytearray(path.read_bytes())
    start = storage.header_offset + 26
    name, extra = int.from_bytes(content[start : start + 2], "little"), content[start + 2 :]
    content[start + 4 + name + int.from_bytes(extra[:2], "little") + 1] ^= 64
    path.write_bytes(content)
    torch.load(path, weights_only=True)  # torch takes it


def _evil(path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (path.with_name("pwned"),))

    torch.save(Evil(), path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "can't be read as a checkpoint: "),
        (_other_weights, "differs from its checksum"),
        (_evil, "holds more than tensors and plain values"),
        (Path.unlink, "no such checkpoint"),
    ],
)
def test_damaged_and_malicious_checkpoints_are_refused(tmp_path, often, damage, message):
    run(Line(), tmp_path, often)
    damage(tmp_path / "last.pt")
    with pytest.raises(snapshot.SnapshotError, match=f"last.pt: .*{message}") as error:
        snapshot.load(tmp_path / "last.pt")
    assert "weights_only" not in str(error.value)  # torch's own advice
    if (tmp_path / "last.pt").exists():
        with pytest.raises(snapshot.SnapshotError):
            run(Line(), tmp_path, often)
    assert not (tmp_path / "pwned").exists()


def test_frozen_parameters_are_not_in_the_checkpoint():
    method = Line()
    method.layer.weight.requires_grad_(False)
    method.register_buffer("running", torch.ones(1))
    assert snapshot.trained_names(method) == {"layer.bias", "running"}
