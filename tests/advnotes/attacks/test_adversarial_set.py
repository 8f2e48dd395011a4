"""An attack over all the data: what came of it, from tensors and loaders alike, and what a file keeps."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from advnotes.attacks import EOT, PGD, AdversarialSet, Pose, Square, Transfer, attack_all
from advnotes.losses import margin_loss
from advnotes.threats import L1, L2, Linf


@pytest.fixture
def points():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)).double().eval()
    x = torch.rand(25, 1, 4, 4).double()
    with torch.no_grad():
        return model, x, model(x).argmax(dim=1)


@pytest.mark.parametrize("threat", [Linf(0.2), L2(0.6), L1(2.0)], ids=str)
def test_the_results_are_those_of_the_attack_on_each_batch(points, threat):
    model, x, y = points
    seeds, attack = torch.arange(25), PGD(threat, steps=6, loss=margin_loss)
    found = attack_all(attack, model, (x, y), seeds, batch_size=10)
    expected = attack(model, x, y, seeds)
    torch.testing.assert_close(found.inputs, expected)
    torch.testing.assert_close(found.distance, threat.norm(expected - x))
    assert torch.equal(found.labels, y)
    assert torch.equal(found.predictions, model(found.inputs).argmax(dim=1))
    assert torch.equal(found.success, found.predictions != y)
    assert found.success.any()
    assert (found.norm, len(found)) == (type(threat).__name__, 25)
    assert found.attack == repr(attack)
    assert (found.passes == 7).all()
    loader = DataLoader(TensorDataset(x, y), batch_size=7)
    torch.testing.assert_close(attack_all(attack, model, loader, seeds).inputs, expected)


def test_a_setting_for_each_sample_holds_for_the_data_in_their_order(points):
    model, x, y = points
    eps = torch.linspace(0.01, 0.3, 25).double()
    found = attack_all(PGD(Linf(eps), steps=5), model, (x, y), torch.arange(25), batch_size=4)
    assert (found.distance <= eps * (1 + 1e-6)).all()
    assert (found.distance > 0.5 * eps).all()


def test_passes_of_samples_that_leave_are_not_counted_and_a_batch_of_one_counts_for_itself(points):
    model, x, y = points
    seeds = torch.arange(25)
    attack = Square(Linf(0.15), queries=40, early_stop=True)
    alone = attack_all(attack, model, (x, y), seeds, batch_size=1)
    whole = attack_all(attack, model, (x, y), seeds, batch_size=25)
    assert torch.equal(alone.success, whole.success)
    assert (alone.passes[~alone.success] == 40).all()
    assert (alone.passes[alone.success] < 40).any()
    torch.testing.assert_close(alone.passes.mean(), whole.passes.mean())
    # EOT asks as often as it says, and Transfer not at all.
    attack = PGD(Linf(0.1), steps=3)
    assert (attack_all(EOT(attack, samples=2), model, (x, y)).passes == 8).all()
    assert (attack_all(Transfer(attack, model), model, (x, y)).passes == 0).all()


def test_the_low_precisions_second_try_is_counted_too_and_nothing_of_one_batch_is_left_to_the_next(points):
    model, x, y = points
    model = model.float()
    attack = PGD(Linf(0.05), steps=3, precision=torch.bfloat16)
    found = attack_all(attack, model, (x.float(), y), torch.arange(25), batch_size=5)
    assert ((found.passes >= 4) & (found.passes <= 8)).all()


def test_a_class_to_reach_and_an_attack_without_a_norm(points):
    model, x, y = points
    target = (y + 1) % 3
    found = attack_all(PGD(Linf(0.5), targeted=True), model, (x, target), torch.arange(25))
    assert torch.equal(found.success, found.predictions == target)
    assert found.success.sum() > 15
    turned = attack_all(Pose(steps=2, restarts=1), model, (x, y), torch.arange(25))
    assert turned.norm == "L2"
    torch.testing.assert_close(turned.distance, (turned.inputs - x).flatten(1).norm(dim=1))


def test_what_is_saved_is_what_is_loaded(points, tmp_path):
    model, x, y = points
    found = attack_all(PGD(Linf(0.1), steps=2), model, (x, y), torch.arange(25), batch_size=10)
    found.save(tmp_path / "set.safetensors")
    again = AdversarialSet.load(tmp_path / "set.safetensors")
    assert vars(again).keys() == vars(found).keys()
    for name, value in vars(found).items():
        same = torch.equal(getattr(again, name), value) if isinstance(value, torch.Tensor) else None
        assert same if same is not None else getattr(again, name) == value
        if same is not None:
            assert getattr(again, name).dtype == value.dtype
    save_file({"inputs": x}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other.safetensors is no file of AdversarialSet.save"):
        AdversarialSet.load(tmp_path / "other.safetensors")


def test_the_model_is_in_eval_mode_meanwhile_and_as_before_after(points):
    _, x, y = points
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3)).double().train()
    seen = []
    model[2].register_forward_hook(lambda module, inputs, output: seen.append(module.training))
    before = model[2].running_mean.clone()
    attack_all(PGD(Linf(0.1), steps=2, fast=False), model, (x, y))
    assert not any(seen)
    assert model[2].training
    assert torch.equal(model[2].running_mean, before)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((torch.zeros(0, 16), torch.zeros(0, dtype=torch.int64)), "no samples to attack"),
        ([], "no samples to attack"),
        ((torch.zeros(3, 16), torch.zeros(2, dtype=torch.int64)), "3 samples and 2 labels"),
        ([torch.zeros(3, 16)], "batches of two tensors.*got Tensor as batch 0"),
        ([(torch.zeros(3, 16), torch.zeros(3).long(), torch.zeros(3))], "got tuple as batch 0"),
    ],
)
def test_data_of_another_kind_is_refused(points, data, message):
    with pytest.raises(ValueError, match=message):
        attack_all(PGD(Linf(0.1)), points[0].float(), data)
