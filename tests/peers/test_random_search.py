"""Our Square and APGD-DLR against torchattacks': the same digits stand, and on a linear model the very ones that can.

Square's squares are drawn, so that two seeds of one attack differ too, and ours may differ from theirs as much: that
is asked of the mean over three problems and two seeds of each attack, not of one draw. The other comparisons with
torchattacks, which take longer, are in ``test_torchattacks.py``.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchattacks
from torch import Tensor, nn

from advnotes import L2, Linf, data, zoo
from advnotes.attacks import APGD, Attack, Square
from advnotes.losses import dlr
from advnotes.threats import Threat

NORMS = {Linf: "Linf", L2: "L2"}
Images = tuple[Tensor, Tensor]
PROBLEMS: list[tuple[Callable[[], zoo.Trained], Threat]] = [
    (zoo.mnist_natural, Linf(0.12)),
    (zoo.mnist_natural, L2(2.0)),
    (zoo.mnist_robust, L2(3.0)),
]


@pytest.fixture(scope="module")
def digits() -> Images:
    return data.mnist("test", size=100)


def ours(attack: Attack, model: nn.Module, images: Images, first: int = 0) -> Tensor:
    x, y = images
    x_adv = attack(model, x, y, first + torch.arange(len(x)))
    assert float(attack.threat.norm(x_adv - x).max()) <= attack.threat.eps * (1 + 1e-5)
    with torch.no_grad():
        return model(x_adv).argmax(dim=1) == y


def theirs(name: str, threat: Threat, model: nn.Module, images: Images, seed: int, **settings: Any) -> Tensor:
    x, y = images
    peer = getattr(torchattacks, name)(model, norm=NORMS[type(threat)], eps=threat.eps, seed=seed, **settings)
    with torch.no_grad():
        return model(peer(x, y).detach()).argmax(dim=1) == y


def disagreements(some: list[Tensor], others: list[Tensor]) -> float:
    """On how many digits two runs differ, in the mean over their pairs."""
    counts = [float((a != b).sum()) for a in some for b in others if a is not b]
    return sum(counts) / len(counts)


def test_square_leaves_as_many_digits_as_theirs_and_the_same_ones(digits: Images) -> None:
    more, apart = [], []
    for network, threat in PROBLEMS:
        model = network()
        peers = [theirs("Square", threat, model, digits, seed, n_queries=300) for seed in (0, 1)]
        mine = [
            ours(Square(threat, queries=300, early_stop=True), model, digits, 1000 * seed) for seed in (0, 1)
        ]
        left, same = (sum(int(run.sum()) for run in runs) / 2 for runs in (mine, peers))
        assert 20 < same < 95, "too strong or too weak a threat to compare attacks by"
        within = (disagreements(mine, mine) + disagreements(peers, peers)) / 2
        assert 0 < within < 30
        more.append(left - same)
        # 0 in the mean over the draws where every digit stands as often under both attacks, and more elsewhere.
        apart.append(disagreements(mine, peers) - within)
    # Measured over four seeds: -2 and 1, with a scatter of 1.5 each. With squares that begin too small, 20 and 12.
    # (Theirs never reaches the last row and column and draws one square for the whole batch: it leaves a little more.)
    assert abs(sum(more) / 3) < 8, more
    assert sum(apart) / 3 < 6, apart


@pytest.mark.parametrize("threat", [Linf(0.07), L2(1.1)], ids=lambda t: NORMS[type(t)])
def test_apgd_with_the_ratio_of_logits_fools_the_same_digits(threat: Threat, digits: Images) -> None:
    model = zoo.mnist_natural()
    mine = ours(APGD(threat, steps=30, loss=dlr, early_stop=True), model, digits)
    peer = theirs("APGD", threat, model, digits, 0, steps=30, loss="dlr")
    assert 30 < peer.sum() < 85
    assert (mine & ~peer).sum() <= 1
    assert (peer & ~mine).sum() <= (1 if isinstance(threat, Linf) else 4)


@pytest.mark.parametrize("kind", [Linf, L2], ids=["Linf", "L2"])
@pytest.mark.parametrize("name", ["APGD", "Square"])
def test_on_a_linear_model_both_find_the_worst_case(name: str, kind: type[Threat]) -> None:
    """Whose margin falls by eps times the dual norm of the weights: the verdicts are known."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(36, generator=generator)
    weight += 0.3 * weight.sign()  # no pixel that hardly matters
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 2, bias=False)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([-weight, weight]))
    x = 0.3 + 0.4 * torch.rand(80, 1, 6, 6, generator=generator)  # where the range stops nothing
    with torch.no_grad():
        z = model(x)
    y = z.argmax(dim=1)
    room = z.amax(dim=1) - z.amin(dim=1)
    per_eps = 2 * (weight.abs().sum() if kind is Linf else weight.norm())
    threat = kind(float(room.median() / per_eps))
    assert threat.eps < 0.3
    fall = threat.eps * per_eps
    stands = room > 1.01 * fall
    assert stands.sum() > 30
    attack: Attack = APGD(threat, steps=50)
    settings = dict(steps=50, loss="ce")
    if name == "Square":
        attack, settings = Square(threat, queries=600), dict(n_queries=600)
    mine, peer = ours(attack, model, (x, y)), theirs(name, threat, model, (x, y), 0, **settings)
    assert mine[stands].all()
    assert peer[stands].all()
    # A random search in L2 comes near the worst case and never quite there; the others do.
    reached = room < (0.7 if name == "Square" and kind is L2 else 0.99) * fall
    assert reached.sum() > 10
    assert not mine[reached].any()
    if name == "APGD":
        assert not peer[reached].any()
    else:  # theirs never draws a square at the last row or column, so that it falls short of the worst case
        assert (~peer).sum() > 10
        assert not (mine & ~peer).any()
