"""Mixed batches: weights, radii of their own, and which label the attack is told."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from advnotes.attacks import FGSM, PGD
from advnotes.robust import AdversarialTraining, MixedBatchTraining
from advnotes.threats import L2, Linf
from tests.advnotes.robust.small import batch, net

FULL = {"spread": None, "use_predicted_labels": False}


@settings(max_examples=20, deadline=None)
@given(k=st.integers(1, 8), weight=st.floats(0.1, 3.0))
def test_the_loss_is_the_papers_weighted_mean(k, weight):
    model, (x, y), attack = net(), batch(), FGSM(Linf(0.1))
    x_adv = attack(model, x[:k], y[:k])
    clean = F.cross_entropy(model(x[k:]), y[k:], reduction="sum")
    adversarial = F.cross_entropy(model(x_adv), y[:k], reduction="sum")
    expected = (clean + weight * adversarial) / ((8 - k) + weight * k)
    ours = MixedBatchTraining(model, attack, adversarial=k, weight=weight, **FULL).model_loss(x, y)
    torch.testing.assert_close(ours, expected)


def test_all_adversarial_is_adversarial_training():
    model, (x, y), attack = net(), batch(), FGSM(Linf(0.1))
    ours = MixedBatchTraining(model, attack, adversarial=8, **FULL).model_loss(x, y)
    torch.testing.assert_close(ours, AdversarialTraining(model, attack).model_loss(x, y))


def test_half_of_the_batch_is_attacked_where_nothing_is_said():
    seen: list[torch.Tensor] = []
    model, (x, y) = net(), batch()
    game = MixedBatchTraining(model, FGSM(Linf(0.1)))
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    game.model_loss(x, y)
    mixed = seen[-1]
    assert torch.equal(mixed[4:], x[4:])
    assert bool((mixed[:4] != x[:4]).flatten(1).any(dim=1).all())


def test_the_predicted_label_is_what_the_attack_is_told():
    model, (x, y) = net(), batch(64)
    said = model(x).argmax(dim=1)
    assert 0.1 < float((said == y).float().mean()) < 0.9
    game = MixedBatchTraining(model, FGSM(Linf(0.1)), spread=None)
    assert torch.equal(game.perturbed(x, y), FGSM(Linf(0.1))(model, x, said))
    assert torch.equal(game.perturbed(x, y), game.perturbed(x, (y + 1) % 3))  # the label leaves no trace
    told = MixedBatchTraining(model, FGSM(Linf(0.1)), **FULL)
    assert torch.equal(told.perturbed(x, y), FGSM(Linf(0.1))(model, x, y))


def test_a_targeted_attack_is_given_the_least_likely_class():
    model, (x, y), attack = net(), batch(), FGSM(Linf(0.1), targeted=True)
    game = MixedBatchTraining(model, attack, spread=None)
    assert torch.equal(game.perturbed(x, y), attack(model, x, model(x).argmin(dim=1)))


@pytest.mark.parametrize("spread", [0.2, 0.5, 2.0])
def test_radii_are_the_truncated_normals(spread):
    torch.manual_seed(0)
    x = torch.zeros(20_000, 1)
    radii = MixedBatchTraining(net(), FGSM(Linf(0.3)), spread=spread).drawn(x).threat.eps
    assert radii.shape == (20_000,)
    assert radii.min() >= 0
    assert radii.max() <= 0.3
    normal = torch.distributions.Normal(0.0, spread * 0.3)
    for share in (0.1, 0.4, 0.7, 0.95):
        at = torch.tensor(share * 0.3)
        inside = (normal.cdf(at) - 0.5) / (normal.cdf(torch.tensor(0.3)) - 0.5)
        assert float((radii <= at).float().mean()) == pytest.approx(
            float(inside), abs=4 * math.sqrt(0.25 / 20_000)
        )


def test_a_batch_may_share_one_radius_and_the_next_has_another():
    model, (x, y) = net(), batch(64)
    game = MixedBatchTraining(model, FGSM(Linf(0.3)), per_batch=True)
    torch.manual_seed(0)
    batches = [game.drawn(x).threat.eps for _ in range(400)]
    assert all(radii.shape == (64,) and len(radii.unique()) == 1 for radii in batches)
    # The law is that of a sample's own radius, with one draw for a batch.
    torch.manual_seed(0)
    own = MixedBatchTraining(model, FGSM(Linf(0.3))).drawn(torch.zeros(4000, 1)).threat.eps
    assert float(torch.stack(batches)[:, 0].median()) == pytest.approx(float(own.median()), abs=0.02)
    torch.manual_seed(1)
    moved = game.attack.threat.norm(game.perturbed(x, y) - x)
    torch.testing.assert_close(moved, moved[:1].expand(64))


@pytest.mark.parametrize("attack", [FGSM(L2(0.5)), PGD(Linf(0.2), steps=3, step_size=0.1, best=False)])
def test_samples_stay_within_radii_of_their_own(attack):
    model, (x, y) = net(), batch(64)
    game = MixedBatchTraining(model, attack)
    torch.manual_seed(4)
    drawn = game.drawn(x)
    torch.manual_seed(4)
    moved = attack.threat.norm(game.perturbed(x, y) - x)
    assert (moved <= drawn.threat.eps + 1e-5).all()
    assert moved.std() > 0.1 * attack.threat.eps
    if isinstance(attack, PGD):
        torch.testing.assert_close(drawn.step_size, 0.5 * drawn.threat.eps)


def test_both_kinds_share_one_pass_and_its_batch_statistics():
    model, (x, y) = net(norm=True), batch()
    MixedBatchTraining(model, FGSM(Linf(0.1))).model_loss(x, y)
    assert model[2].num_batches_tracked == 1
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"adversarial": 0}, "at least 1"),
        ({"weight": 0.0}, "must be positive"),
        ({"spread": 0.0}, "must be positive"),
        ({"attack": FGSM(Linf(torch.full((8,), 0.1)))}, "one number"),
        ({"attack": FGSM(Linf(0.1), targeted=True), "use_predicted_labels": False}, "least likely"),
    ],
)
def test_bad_arguments_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        MixedBatchTraining(**{"model": net(), "attack": FGSM(Linf(0.1)), **options})


@pytest.mark.parametrize(("n", "adversarial", "attacked"), [(1, None, 1), (3, None, 1), (3, 5, 3), (1, 8, 1)])
def test_a_smaller_last_batch_is_attacked_as_far_as_it_goes(n, adversarial, attacked):
    model, (x, y) = net(), batch(n)
    seen: list[torch.Tensor] = []
    game = MixedBatchTraining(model, FGSM(Linf(0.1)), adversarial=adversarial, spread=None)
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    assert game.model_loss(x, y).isfinite()
    moved = (seen[-1] != x).flatten(1).any(dim=1)
    assert moved.tolist() == [True] * attacked + [False] * (n - attacked)
