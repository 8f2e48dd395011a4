"""Our attacks of the least norm against foolbox's: on the same digits, changes of the same size."""

from typing import Any

import foolbox
import pytest
import torch
from torch import Tensor

from advnotes import L2, Linf, data, zoo
from advnotes.attacks import FAB, Attack, CarliniWagner, DeepFool, HopSkipJump
from advnotes.threats import Threat

NORMS: list[Threat] = [L2(float("inf")), Linf(float("inf"))]
NETS = {"natural": zoo.mnist_natural, "robust": zoo.mnist_robust}
every_net = pytest.mark.parametrize("net", sorted(NETS))
both_norms = pytest.mark.parametrize("threat", NORMS, ids=lambda threat: type(threat).__name__)


def digits(model: zoo.Trained, size: int) -> tuple[Tensor, Tensor]:
    """Digits that are read correctly: the others are their own nearest adversarial points."""
    x, y = data.mnist("test", size=2 * size)
    with torch.no_grad():
        right = model(x).argmax(dim=1) == y
    return x[right][:size], y[right][:size]


def found(model: zoo.Trained, threat: Threat, x_adv: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The norm of each change, infinite where the digit is still read correctly."""
    with torch.no_grad():
        held = model(x_adv).argmax(dim=1) == y
    return threat.norm(x_adv - x).masked_fill(held, torch.inf)


def ours(attack: Attack, threat: Threat, model: zoo.Trained, x: Tensor, y: Tensor) -> Tensor:
    return found(model, threat, attack(model, x, y), x, y)


def theirs(attack: Any, threat: Threat, model: zoo.Trained, x: Tensor, y: Tensor) -> Tensor:
    x_adv: Tensor = attack(foolbox.PyTorchModel(model, bounds=(0, 1)), x, y, epsilons=None)[0]
    return found(model, threat, x_adv, x, y)


def deepfool_of(threat: Threat) -> Any:
    kind = (
        foolbox.attacks.LinfDeepFoolAttack if isinstance(threat, Linf) else foolbox.attacks.L2DeepFoolAttack
    )
    return kind(steps=50, candidates=10, overshoot=0.02)


@every_net
@both_norms
def test_deepfool_finds_points_as_near(net: str, threat: Threat) -> None:
    model = NETS[net]()
    x, y = digits(model, 40)
    here = ours(DeepFool(threat), threat, model, x, y)
    there = theirs(deepfool_of(threat), threat, model, x, y)
    assert torch.equal(here.isfinite(), there.isfinite())
    ratio = (here / there)[there.isfinite()]
    assert len(ratio) >= 20
    assert ((ratio - 1).abs() < 0.01).float().mean() > 0.9
    assert float(ratio.mean()) < 1.001


def test_carlini_wagner_finds_points_as_near_with_the_same_steps() -> None:
    model, threat = zoo.mnist_natural(), L2(float("inf"))
    x, y = digits(model, 20)
    here = ours(CarliniWagner(threat, steps=200, step_size=0.05), threat, model, x, y)
    peer = foolbox.attacks.L2CarliniWagnerAttack(steps=200, stepsize=0.05)
    there = theirs(peer, threat, model, x, y)
    assert here.isfinite().all()
    assert there.isfinite().all()
    assert ((here / there - 1).abs() < 0.05).float().mean() >= 0.9
    assert float(here.mean()) < 1.01 * float(there.mean())


@every_net
@both_norms
def test_fab_finds_nearer_points_than_their_deepfool(net: str, threat: Threat) -> None:
    model = NETS[net]()
    x, y = digits(model, 30)
    here = ours(FAB(threat, steps=30), threat, model, x, y)
    there = theirs(deepfool_of(threat), threat, model, x, y)
    assert here.isfinite().all()
    assert (here <= 1.02 * there).float().mean() >= 0.9
    both = there.isfinite()
    assert float(here[both].mean()) < 0.95 * float(there[both].mean())


@both_norms
def test_hopskipjump_finds_points_as_near_with_as_many_queries(threat: Threat) -> None:
    """Both from the same starts; their directions are drawn, so the mean over the digits is compared."""
    model = zoo.mnist_natural()
    x, y = digits(model, 8)
    pool, _ = data.mnist("train", size=200)
    with torch.no_grad():
        said = model(pool).argmax(dim=1)
    away = torch.stack([threat.norm(pool - one) for one in x]).masked_fill(said == y[:, None], torch.inf)
    here = ours(HopSkipJump(threat, steps=8, directions=60, starts=pool), threat, model, x, y)
    peer = foolbox.attacks.HopSkipJumpAttack(
        steps=8, initial_gradient_eval_steps=60, constraint="linf" if isinstance(threat, Linf) else "l2"
    )
    torch.manual_seed(0)
    network, starts, apart = foolbox.PyTorchModel(model, bounds=(0, 1)), pool[away.argmin(dim=1)], []
    for one in torch.arange(8).split(1):  # theirs divides a direction by the length over the whole batch
        x_adv: Tensor = peer(network, x[one], y[one], epsilons=None, starting_points=starts[one])[0]
        apart.append(found(model, threat, x_adv, x[one], y[one]))
    there = torch.cat(apart)
    assert here.isfinite().all()
    assert there.isfinite().all()
    assert (here < 0.8 * away.amin(dim=1)).float().mean() > 0.7, "too few steps to compare attacks by"
    assert 0.85 < float((here / there).log().mean().exp()) < 1.15  # 0.98 to 1.05 on three seeds
