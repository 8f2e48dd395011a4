"""The gradient penalty: its norms, its first order beside FGSM training, its second derivatives, and its graphs."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.attacks import FGSM, PGD
from advnotes.data import batches
from advnotes.losses import margin_loss
from advnotes.robust import AdversarialTraining, GradientPenalty
from advnotes.threats import L1, L2, Linf, Threat
from tests.advnotes.robust.small import safe_and_frail

THREATS = (Linf, L2, L1)


def net(activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), activation(), nn.Linear(12, 3)).double()


def batch(n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    # Away from the ends of the range, which the attack keeps to and the penalty does not know.
    x = 0.25 + 0.5 * torch.rand(n, 1, 4, 4, generator=generator, dtype=torch.float64)
    return x, torch.arange(n) % 3


def fgsm(threat: Threat) -> FGSM:
    """One step to the edge; in L1 all of it goes to the one strongest coordinate, the exact steepest direction."""
    return FGSM(L1(threat.eps, share=1e-6) if isinstance(threat, L1) else threat)


def gradients(loss: torch.Tensor, model: nn.Module) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def test_norms_are_of_each_sample_by_itself():
    model, (x, y) = net(), batch()
    game = GradientPenalty(model, L2(0.3))
    alone = [game.model_loss(x[i : i + 1], y[i : i + 1]).item() for i in range(len(x))]
    assert game.model_loss(x, y).item() == pytest.approx(sum(alone) / len(alone), rel=1e-12)


@pytest.mark.parametrize("kind", THREATS)
def test_a_linear_models_margin_pays_its_dual_norm_exactly(kind):
    # The margin of a linear model is its own tangent: the penalised loss is the worst case, at any eps.
    torch.manual_seed(0)
    linear, (x, y) = nn.Sequential(nn.Flatten(), nn.Linear(16, 2).double()), batch()
    y = y % 2
    game = GradientPenalty(linear, kind(0.2), loss=margin_loss)
    worst = fgsm(kind(0.2))(linear, x, y)
    torch.testing.assert_close(game.model_loss(x, y), margin_loss(linear(worst), y).mean())


@pytest.mark.parametrize("kind", THREATS)
def test_at_small_eps_it_is_fgsm_training_to_first_order(kind):
    model, (x, y) = net(), batch()
    clean = F.cross_entropy(model(x), y)
    clean_gradient = gradients(F.cross_entropy(model(x), y), model)
    gaps, turns = [], []
    for eps in (1e-1, 1e-2, 1e-3):
        penalty = GradientPenalty(model, kind(eps)).model_loss(x, y)
        trained = AdversarialTraining(model, fgsm(kind(eps))).model_loss(x, y)
        gaps.append(abs(((trained - clean) / (penalty - clean)).item() - 1))
        ours = gradients(penalty, model) - clean_gradient
        theirs = gradients(trained, model) - clean_gradient
        turns.append(float((ours - theirs).norm() / theirs.norm()))
    # The ratio tends to 1, and the weights' gradients to each other, by one order of eps.
    assert gaps[2] < 1e-3
    assert turns[2] < 1e-2
    for far, near in ((0, 1), (1, 2)):
        assert gaps[near] < 0.2 * gaps[far]
        assert turns[near] < 0.2 * turns[far]


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
@pytest.mark.parametrize("kind", THREATS)
def test_its_gradient_in_the_weights_agrees_with_finite_differences(kind, activation):
    model, (x, y) = net(activation), batch()
    game = GradientPenalty(model, kind(0.5))
    exact = gradients(game.model_loss(x, y), model)
    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        way = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in model.parameters()]
        ends, step = [], 1e-6
        for sign in (1, -1):
            with torch.no_grad():
                for p, v in zip(model.parameters(), way, strict=True):
                    p += sign * step * v
            ends.append(game.model_loss(x, y).item())
            with torch.no_grad():
                for p, v in zip(model.parameters(), way, strict=True):
                    p -= sign * step * v
        slope = float(exact @ torch.cat([v.flatten() for v in way]))
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


def test_without_the_second_derivative_the_penalty_would_teach_nothing():
    model, (x, y) = net(), batch()
    plain = gradients(F.cross_entropy(model(x), y), model)
    assert (gradients(GradientPenalty(model, Linf(0.1)).model_loss(x, y), model) - plain).norm() > 0.01
    torch.testing.assert_close(gradients(GradientPenalty(model, Linf(0.0)).model_loss(x, y), model), plain)


def test_in_eval_mode_it_is_the_same_value_without_any_graph():
    game, (x, y) = GradientPenalty(net(), Linf(0.1)), batch()
    trained = game.model_loss(x, y)
    assert trained.requires_grad
    game.eval()
    assert not game.model_loss(x, y).requires_grad
    for quiet in (torch.no_grad(), torch.enable_grad()):
        with quiet:
            assert torch.equal(game.model_loss(x, y), trained.detach())


@pytest.mark.parametrize(("training", "asked"), [(True, True), (False, False)])
def test_a_second_graph_is_kept_in_training_only(training, asked, monkeypatch):
    kept: list[bool] = []
    original = torch.autograd.grad

    def spy(*args, **options):
        kept.append(options.get("create_graph", False))
        return original(*args, **options)

    monkeypatch.setattr(torch.autograd, "grad", spy)
    GradientPenalty(net(), Linf(0.1)).train(training).model_loss(*batch())
    assert kept == [asked]


@pytest.mark.parametrize("kind", THREATS)
def test_a_zero_gradient_costs_nothing_and_gives_no_nan(kind):
    (x, y), model = batch(), net()
    with torch.no_grad():
        model[3].weight.zero_()  # the logits do not depend on the input any more
    loss = GradientPenalty(model, kind(0.3)).model_loss(x, y)
    assert loss.item() == pytest.approx(F.cross_entropy(model(x), y).item())
    assert gradients(loss, model).isfinite().all()


def test_it_leaves_inputs_and_gradients_as_they_were():
    model, (x, y) = net(), batch()
    before = x.clone()
    GradientPenalty(model, Linf(0.1)).model_loss(x, y)
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_training_with_it_makes_a_model_robust():
    x, y = safe_and_frail()

    def robust(eps: float) -> float:
        torch.manual_seed(0)
        model = nn.Linear(2, 2)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        play(
            GradientPenalty(model, Linf(eps)),
            batches(x, y, batch_size=64),
            optimizer,
            epochs=30,
            progress=False,
        )
        attacked = PGD(Linf(0.2), steps=5)(model, x, y)
        return float((model(attacked).argmax(dim=1) == y).float().mean())

    assert robust(0.0) < 0.6
    assert robust(0.2) > 0.85


@pytest.mark.parametrize("eps", [math.inf, torch.tensor([0.1, 0.2])])
def test_it_wants_one_finite_radius(eps):
    with pytest.raises(ValueError, match="one finite radius"):
        GradientPenalty(net(), Linf(eps))


def test_it_wants_a_loss_that_depends_on_the_input():
    class Rounds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(16, 3).double()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(x.flatten(1).detach().round())

    with pytest.raises(ValueError, match="differentiable"):
        GradientPenalty(Rounds(), Linf(0.1)).model_loss(*batch())
