"""EOT: what the mean is of, and that it finds what single draws hide."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import APGD, BIM, EOT, FGSM, PGD, Square, TargetedAPGD, Transfer
from advnotes.attacks.parts.draws import Draws
from advnotes.losses import cross_entropy, dlr, margin_loss
from advnotes.threats import L2, Linf


class Switch(nn.Module):
    """Answers with one of two linear models, in turn."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.models = nn.ModuleList([nn.Linear(6, 3), nn.Linear(6, 3)]).double()
        self.scale, self.calls = scale, 0

    def forward(self, x):
        self.calls += 1
        first = self.calls % 2
        return self.models[first](x) * (self.scale if first else 1.0)


@pytest.fixture
def points():
    torch.manual_seed(1)
    return torch.rand(8, 6).double(), torch.arange(8) % 3


@pytest.mark.parametrize("loss", [cross_entropy, margin_loss, dlr])
@pytest.mark.parametrize("make", [PGD, FGSM, BIM])
def test_a_model_that_does_not_draw_is_attacked_as_ever(points, loss, make):
    x, seeds = points[0], torch.arange(8)
    model = Switch().models[0]
    # Some are right, and some wrong in each way there is. Where the true class is the last of three, the ratio of
    # logits has no slope: not even one of rounding, which would have other signs in another order of summation.
    y = model(x).argsort(dim=1, descending=True)[seeds, seeds % 3]
    attack = make(Linf(0.1), loss=loss)
    for samples in (1, 3):
        torch.testing.assert_close(
            EOT(attack, samples=samples)(model, x, y, seeds), attack(model, x, y, seeds)
        )


@pytest.mark.parametrize("loss", [cross_entropy, margin_loss])
def test_a_step_climbs_the_mean_of_the_losses(points, loss):
    x, y = points
    model = Switch(scale=3.0)
    leaf = x.clone().requires_grad_()
    mean = (loss(model.models[0](leaf), y) + loss(3 * model.models[1](leaf), y)) / 2
    gradient = torch.autograd.grad(mean.sum(), leaf)[0]
    expected = (x + 0.05 * gradient / gradient.norm(dim=1, keepdim=True)).clamp(0, 1)
    ours = EOT(FGSM(L2(0.05), loss=loss), samples=2)(model, x, y)
    torch.testing.assert_close(ours, expected)
    # The gradient of the mean logits is another one.
    leaf = x.clone().requires_grad_()
    logits = (model.models[0](leaf) + 3 * model.models[1](leaf)) / 2
    other = torch.autograd.grad(loss(logits, y).sum(), leaf)[0]
    assert (torch.cosine_similarity(gradient, other) < 0.99).any()


def test_the_vote_is_the_logarithm_of_the_mean_probability(points):
    x, _ = points
    model = Switch(scale=5.0)
    expected = ((model.models[0](x)).softmax(1) + (5 * model.models[1](x)).softmax(1)) / 2
    torch.testing.assert_close(Draws(model, 4)(x).exp(), expected)
    model.calls = 0  # beside a loss too, whose gradient it brings
    vote, _ = Draws(model, 4).mean_loss(x, lambda logits: logits[:, 0])
    torch.testing.assert_close(vote.exp(), expected)


def test_draws_anew_in_each_pass_and_as_often_as_it_says(points):
    x, y = points
    model = Switch()
    EOT(PGD(Linf(0.1), steps=5), samples=6)(model, x, y)
    assert model.calls == 6 * (5 + 1)


def test_finds_more_against_noise_than_the_plain_attack_judged_by_new_draws():
    net, (x, y) = zoo.mnist_natural(), data.mnist("test", size=60)

    def noisy(x):
        return net(x + 0.5 * torch.randn_like(x))

    def right(x_adv):
        with torch.no_grad():
            return torch.stack([noisy(x_adv).argmax(1) == y for _ in range(20)]).float().mean()

    torch.manual_seed(0)
    attack = PGD(Linf(0.1), steps=15, loss=margin_loss)
    assert right(x) > 0.75
    assert right(EOT(attack, samples=8)(noisy, x, y)) < right(attack(noisy, x, y)) - 0.06


def test_luck_is_not_collected():
    """A coin decides the class: single draws say that it was fooled at once, the vote does not."""

    def coin(x):
        return torch.randn(len(x), 2, dtype=x.dtype) + 0 * x.sum(dim=1, keepdim=True) + torch.tensor([0.5, 0])

    torch.manual_seed(0)
    x, y = torch.rand(200, 3), torch.zeros(200, dtype=torch.int64)
    with torch.no_grad():
        fooled = [(Draws(coin, samples)(x).argmax(1) != y).float().mean() for samples in (1, 64)]
    assert fooled[0] > 0.25
    assert fooled[1] < 0.02


def test_attacks_without_gradients_see_the_mean_too(points):
    x, y = points
    model = Switch()
    x_adv = EOT(Square(Linf(0.3), queries=100), samples=2)(model, x, y, torch.arange(8))
    assert model.calls == 200
    means = [
        (margin_loss(model.models[0](at), y) + margin_loss(model.models[1](at), y)).mean()
        for at in (x, x_adv)
    ]
    assert means[1] > means[0] + 0.1


def test_an_attack_that_chooses_its_loss_itself_sees_the_vote(points):
    x, y = points
    attack, seeds = TargetedAPGD(Linf(0.1), steps=5), torch.arange(8)
    model = nn.Linear(6, 3).double()  # does not draw, so that the vote is its own log-probabilities
    expected = attack(lambda x: model(x).log_softmax(dim=1), x, y, seeds)
    torch.testing.assert_close(EOT(attack, samples=3)(model, x, y, seeds), expected)


def test_asks_for_what_the_wrapped_attack_does(points):
    x, y = points
    eot = EOT(PGD(Linf(0.5), targeted=True, bounds=(-1.0, 1.0), training=True, early_stop=True))
    assert (eot.targeted, eot.bounds, eot.training) == (True, (-1.0, 1.0), True)
    model = nn.Linear(6, 3).double()
    seen = []
    model.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    reached = EOT(PGD(Linf(0.5), targeted=True, training=True), samples=2)(model.eval(), x, y)
    assert all(seen)
    assert not model.training
    with torch.no_grad():
        assert (cross_entropy(model(reached), y) < cross_entropy(model(x), y)).all()


class Live(torch.autograd.Function):
    """The identity, which counts the graphs that are alive: made forward, freed with what it has saved."""

    @staticmethod
    def forward(ctx, x, counter):
        class Token:
            def __init__(self):
                counter["now"] += 1
                counter["most"] = max(counter["most"], counter["now"])

            def __del__(self):
                counter["now"] -= 1

        ctx.token = Token()
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


@pytest.mark.parametrize(
    "attack",
    [
        PGD(Linf(0.1), steps=3, loss=margin_loss),
        FGSM(Linf(0.1)),
        APGD(Linf(0.1), steps=3),
        TargetedAPGD(Linf(0.1), steps=3),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_one_graph_is_alive_at_a_time(points, attack):
    x, y = points
    model, counter = nn.Linear(6, 5).double(), {"now": 0, "most": 0}

    def watched(x):
        return model(Live.apply(x, counter) if torch.is_grad_enabled() else x)

    EOT(attack, samples=7)(watched, x, y, torch.arange(8))
    assert counter == {"now": 0, "most": 1}


@pytest.mark.parametrize(
    "loss", [cross_entropy, margin_loss, dlr, lambda z, y: z.gather(1, y[:, None])[:, 0]]
)
def test_the_gradient_that_is_added_up_is_that_of_the_whole_graph(points, loss):
    x, y = points
    model = Switch(scale=3.0)
    leaf = x.clone().requires_grad_()
    _, mean = Draws(model, 6).mean_loss(leaf, lambda logits: loss(logits, y))
    # Whatever follows weighs the samples alike: a sign, a factor, a mean.
    (gradient,) = torch.autograd.grad(-2 * mean.mean(), leaf)
    other = x.clone().requires_grad_()
    whole = torch.stack([loss(model(other), y) for _ in range(6)]).mean(dim=0)
    (expected,) = torch.autograd.grad(-2 * whole.mean(), other)
    torch.testing.assert_close(mean, whole)
    torch.testing.assert_close(gradient, expected)
    assert gradient.abs().max() > 0
    # Without a gradient to be taken there is none, and a model without one is told from one that has it.
    assert not Draws(model, 2).mean_loss(x, lambda logits: loss(logits, y))[1].requires_grad
    cut = Draws(lambda x: model(x.detach()), 2).mean_loss(leaf, lambda logits: loss(logits, y))[1]
    assert not cut.requires_grad


def test_a_lucky_vote_does_not_end_it(points):
    x, y = points
    attack = PGD(Linf(0.1), steps=9, loss=margin_loss)
    stopping = EOT(dataclasses.replace(attack, early_stop=True), samples=2)
    assert stopping == EOT(attack, samples=2)
    assert not stopping.early_stop
    inner = EOT(Transfer(dataclasses.replace(attack, early_stop=True), nn.Linear(6, 3)), samples=2).attack
    assert not inner.early_stop
    assert not inner.attack.early_stop
    model = Switch()  # a batch that leaves would be smaller
    sizes = []
    model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    stopping(model, x, y, torch.arange(8))
    assert set(sizes) == {8}
    assert len(sizes) == 2 * (9 + 1)


def test_a_model_that_hides_its_gradient_is_told(points):
    x, y = points
    model = nn.Linear(6, 3).double()
    with pytest.raises(ValueError, match="differentiable way"):
        EOT(PGD(Linf(0.1)), samples=2)(lambda x: model(x.detach()), x, y)


def test_rows_and_passes_are_the_wrapped_attacks():
    eot = EOT(PGD(Linf(torch.tensor([0.1, 0.2, 0.3])), steps=5, restarts=2), samples=3)
    assert eot.estimated_passes == 3 * 10
    rows = eot.rows(torch.tensor([2, 0]))
    assert rows.samples == 3
    torch.testing.assert_close(rows.attack.threat.eps, torch.tensor([0.3, 0.1]))


def test_refuses_what_it_cannot_average(points):
    x, y = points
    with pytest.raises(ValueError, match="samples must be a whole number of at least 1, got 0"):
        EOT(PGD(Linf(0.1)), samples=0)
    with pytest.raises(ValueError, match="one logit for each class is wanted"):
        EOT(PGD(Linf(0.1)))(lambda x: x.sum(dim=1), x, y)
    with pytest.raises(ValueError, match="tensor of logits, got tuple"):
        EOT(PGD(Linf(0.1)))(lambda x: (x, x), x, y)
    assert math.isfinite(EOT(PGD(Linf(0.1)))(nn.Linear(6, 3).double(), x, y).sum())
