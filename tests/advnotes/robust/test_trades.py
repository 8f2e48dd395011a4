"""TRADES: ordinary training at beta 0, the paper's loss elsewhere, one clean pass, and what the adversary climbs."""

import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.attacks import BIM, FGSM, MIFGSM, PGD
from advnotes.data import batches
from advnotes.losses import kl, margin_loss
from advnotes.robust import TRADES
from advnotes.threats import L2, Linf
from tests.advnotes.robust.small import batch, net


def pgd(**options) -> PGD:
    return PGD(Linf(0.2), best=False, **options)


def gradients(loss: torch.Tensor, model: nn.Module) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def reference(
    model: nn.Module, x, y, eps: float, beta: float, steps: int, step_size: float, training: bool = False
) -> torch.Tensor:
    """The paper's Algorithm 1, with a clean pass wherever one is written; the adversary sees one mode only."""

    def kl(point: torch.Tensor) -> torch.Tensor:
        p, q = model(x).softmax(dim=1), model(point).softmax(dim=1)
        return (p * (p / q).log()).sum(dim=1)

    logits = model.train()(x)
    model.train(training)
    point = (x + 0.001 * torch.randn_like(x)).clamp(0, 1)
    for _ in range(steps):
        point = point.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(kl(point).sum(), point)
        point = (x + (point.detach() + step_size * gradient.sign() - x).clamp(-eps, eps)).clamp(0, 1)
    p, q = logits.softmax(dim=1), model.train()(point).softmax(dim=1)
    return F.cross_entropy(logits, y) + beta * (p * (p / q).log()).sum(dim=1).mean()


@pytest.mark.parametrize("beta", [1.0, 6.0])
@pytest.mark.parametrize(("norm", "training"), [(False, False), (True, False), (True, True)])
def test_loss_and_gradient_are_the_papers(beta, norm, training):
    model, (x, y) = net(norm), batch()
    model, theirs, x = model.double(), copy.deepcopy(model).double(), x.double()
    torch.manual_seed(3)
    attack = pgd(steps=4, step_size=0.08, training=training)
    ours = TRADES(model, attack, beta=beta).model_loss(x, y)
    torch.manual_seed(3)
    expected = reference(theirs, x, y, 0.2, beta, 4, 0.08, training)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(gradients(ours, model), gradients(expected, theirs))


def test_the_adversary_of_a_normalised_network_compares_predictions_of_one_mode():
    model, (x, _) = net(norm=True), batch(64)
    for _ in range(20):
        model(3 * torch.rand(32, 1, 4, 4))  # statistics that are not this batch's
    attack = pgd(steps=5, fast=False)
    with torch.no_grad():
        in_train_mode, in_eval_mode = copy.deepcopy(model)(x), copy.deepcopy(model).eval()(x)
    torch.manual_seed(0)
    x_adv = TRADES(model, attack).perturbed(x, in_train_mode)
    points = []
    for clean in (in_eval_mode, in_train_mode):
        torch.manual_seed(0)
        start = x + 0.001 * torch.randn_like(x)
        points.append(attack.climb(Against(copy.deepcopy(model).eval(), clean), x, start=start))
    assert torch.equal(x_adv, points[0])
    assert not torch.equal(x_adv, points[1])


class Against:
    """The divergence from a prediction that is given."""

    def __init__(self, model, clean):
        self.model, self.clean = model, clean

    def __call__(self, point):
        return kl(self.clean, self.model(point)), None

    def rows(self, rows):
        return Against(self.model, self.clean[rows])


def test_under_autocast_the_adversary_is_that_of_full_precision():
    model, (x, _) = net().eval(), batch(64)
    game = TRADES(model, pgd(steps=3, fast=False))
    torch.manual_seed(0)
    expected = game.perturbed(x, model(x).detach())
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(game.perturbed(x, model(x).detach()), expected)


def test_momentum_and_pace_are_the_attacks():
    model, (x, _) = net(), batch(64)
    clean, points = model(x).detach(), []
    attack = MIFGSM(Linf(0.2), steps=4, best=False)
    for settings in (
        attack,
        dataclasses.replace(attack, step_size=0.05),
        BIM(Linf(0.2), steps=4, best=False),
    ):
        torch.manual_seed(0)
        points.append(TRADES(model, settings).perturbed(x, clean))
    assert torch.equal(points[0], points[1])  # eps / steps
    assert not torch.equal(points[0], points[2])  # 2.5 eps / steps, without momentum


def test_beta_0_is_ordinary_training_bit_for_bit():
    def trained(loss_of) -> torch.Tensor:
        model = net(norm=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        torch.manual_seed(2)
        loss_of(model, optimizer)
        return torch.cat([value.flatten().double() for value in model.state_dict().values()])

    def by_game(model, optimizer):
        play(
            TRADES(model, pgd(), beta=0.0),
            batches(*batch(32), batch_size=8),
            optimizer,
            epochs=2,
            progress=False,
        )

    def by_hand(model, optimizer):
        for _ in range(2):
            for x, y in batches(*batch(32), batch_size=8):
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()

    assert torch.equal(trained(by_game), trained(by_hand))


def test_the_clean_branch_is_computed_once():
    model, (x, y), seen = net(), batch(), []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(torch.equal(inputs[0], x)))
    TRADES(model, pgd(steps=5)).model_loss(x, y)
    assert seen == [True] + [False] * 6  # clean, five steps of the adversary, the pass at its result


@pytest.mark.parametrize("threat", [Linf(0.2), L2(0.5)])
def test_the_adversary_climbs_the_divergence_inside_the_threat(threat):
    model, (x, _) = net(), batch(64)
    with torch.no_grad():
        clean = model(x)
    x_adv = TRADES(model, PGD(threat, steps=10, best=False)).perturbed(x, clean)
    assert (threat.norm(x_adv - x) <= threat.eps + 1e-5).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert not x_adv.requires_grad
    with torch.no_grad():
        found = kl(clean, model(x_adv))
        random = torch.stack([kl(clean, model((x + threat.sample(x)).clamp(0, 1))) for _ in range(20)])
    assert (found > random.amax(dim=0)).float().mean() > 0.95


@pytest.mark.parametrize("training", [False, True])
def test_modes_and_batch_statistics(training):
    modes: list[bool] = []

    class Spy(nn.Sequential):
        def forward(self, x):
            modes.append(self.training)
            return super().forward(x)

    (x, y), model = batch(), Spy(*net(norm=True))
    TRADES(model, pgd(steps=3, training=training)).model_loss(x, y)
    # In eval mode the adversary asks for the prediction at x anew.
    assert modes == [True, *[training] * (3 if training else 4), True]
    assert all(module.training for module in model.modules())
    assert (
        model[2].num_batches_tracked == 2
    )  # the clean pass and the perturbed one; the adversary leaves no trace

    before = copy.deepcopy(model.eval().state_dict())
    TRADES(model, pgd(steps=3, training=training)).model_loss(x, y)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_beta_trades_accuracy_for_robustness():
    # Two features: the first is safe but wrong for a tenth, the second perfect but within the adversary's reach.
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(256) % 2
    safe = torch.where(torch.rand(256, generator=generator) < 0.9, y, 1 - y) * 0.6 + 0.2
    x = torch.stack([safe, 0.5 + 0.15 * (2 * y - 1)], dim=1)

    def trained(beta: float) -> nn.Module:
        torch.manual_seed(0)
        model = nn.Linear(2, 2)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        game = TRADES(model, pgd(steps=3), beta=beta)
        play(game, batches(x, y, batch_size=64), optimizer, epochs=40, progress=False)
        return model

    def accuracy(model: nn.Module, eps: float) -> float:
        # The worst case of a linear model, in closed form.
        away = (model.weight[1] - model.weight[0]).sign() * (1 - 2 * y[:, None])
        return float((model((x + eps * away)).argmax(dim=1) == y).float().mean())

    plain, traded = trained(0.0), trained(6.0)
    assert accuracy(plain, 0.0) > accuracy(traded, 0.0) + 0.03
    assert accuracy(traded, 0.2) > accuracy(plain, 0.2) + 0.3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beta": -1.0}, "beta must be"),
        ({"beta": float("nan")}, "beta must be"),
        ({"attack": Linf(0.2)}, "TRADES wants a PGD, such as"),
        ({"attack": FGSM(Linf(0.2))}, "TRADES wants a PGD, such as"),
        ({"attack": PGD(Linf(0.2), restarts=2)}, "from one start"),
        ({"attack": PGD(Linf(0.2), early_stop=True)}, "no notion of success"),
        ({"attack": PGD(Linf(0.2), targeted=True)}, "no notion of success"),
        ({"attack": PGD(Linf(0.2), loss=margin_loss)}, "loss at their defaults"),
    ],
)
def test_bad_arguments_are_refused(options, words):
    init = getattr(TRADES.__init__, "__wrapped__", TRADES.__init__)  # types are checked first
    with pytest.raises(ValueError, match=words):
        init(TRADES.__new__(TRADES), **{"model": net(), "attack": pgd(), **options})


def test_inputs_out_of_range_are_refused():
    with pytest.raises(ValueError, match="within"):
        TRADES(net(), pgd()).model_loss(2 + batch()[0], batch()[1])
