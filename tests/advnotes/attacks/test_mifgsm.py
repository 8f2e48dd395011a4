"""MI-FGSM: the steps of the paper, and its limits."""

import pytest
import torch
from torch import nn

from advnotes.attacks import BIM, FGSM, MIFGSM
from advnotes.losses import cross_entropy
from advnotes.threats import L2, Linf


@pytest.fixture
def bumpy():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 3))
    with torch.no_grad():
        for layer in model[::2]:
            layer.weight.mul_(3)
    return model.double(), torch.rand(40, 6).double(), torch.randint(0, 3, (40,))


def test_steps_are_the_papers(bumpy):
    model, x, y = bumpy
    point, gathered = x, torch.zeros_like(x)
    for _ in range(5):
        leaf = point.clone().requires_grad_()
        (g,) = torch.autograd.grad(cross_entropy(model(leaf), y).sum(), leaf)
        gathered = 1.0 * gathered + g / g.abs().sum(dim=1, keepdim=True)
        point = (point + 0.2 / 5 * gathered.sign()).clamp(0, 1)
    torch.testing.assert_close(MIFGSM(Linf(0.2), steps=5, best=False)(model, x, y), point)
    assert (point - BIM(Linf(0.2), steps=5, step_size=0.04, best=False)(model, x, y)).abs().max() > 0.01


def test_one_step_is_fgsm_and_no_momentum_is_bim(bumpy):
    model, x, y = bumpy
    for threat in (Linf(0.1), L2(0.3)):
        torch.testing.assert_close(MIFGSM(threat, steps=1)(model, x, y), FGSM(threat)(model, x, y))
        plain = BIM(threat, steps=8, step_size=threat.eps / 8)
        torch.testing.assert_close(MIFGSM(threat, steps=8, momentum=0.0)(model, x, y), plain(model, x, y))


def test_radii_and_steps_of_each_sample(bumpy):
    model, x, y = bumpy
    eps = torch.linspace(0.01, 0.3, 40, dtype=torch.float64)
    together = MIFGSM(Linf(eps))(model, x, y)
    alone = MIFGSM(Linf(float(eps[7])))(model, x[7:8], y[7:8])
    torch.testing.assert_close(together[7:8], alone)
    given = MIFGSM(Linf(0.1), step_size=0.05)
    assert given.scaled(0.5).step_size == 0.025
    assert not torch.equal(given(model, x, y), MIFGSM(Linf(0.1))(model, x, y))
