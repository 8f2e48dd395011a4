"""Our APGD, FAB, Square and AutoAttack against torchattacks': the same digits fooled, one by one, or ours more.

On a network trained as usual, at a threat that leaves most or half of the digits right, what an attack finds is decided
by the network: at most one digit of 200 may differ. Beyond the threat that a network was trained for, it is decided by
where an attack begins: there two seeds of theirs differ by about ten digits of 200, and so may ours from theirs.

Theirs take ``steps=10`` where it is not set, in their AutoAttack too, whose own number is 100: here both get the same.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchattacks
from torch import Tensor

from advnotes import L2, Linf, data, zoo
from advnotes.attacks import APGD, Attack, AutoAttack, Square, TargetedAPGD, TargetedFAB
from advnotes.threats import Threat

NORMS = {Linf: "Linf", L2: "L2"}
Digits = tuple[Tensor, Tensor]
Network = Callable[[], zoo.Trained]


@pytest.fixture(scope="module")
def digits() -> Digits:
    return data.mnist("test", size=200)


def right_by_ours(attack: Attack, network: Network, digits: Digits, dtype: torch.dtype) -> Tensor:
    (x, y), model = digits, network().to(dtype)
    with torch.no_grad():
        found = attack(model, x.to(dtype), y, torch.arange(len(x)))
        return model(found).argmax(dim=1) == y


def right_by_theirs(
    name: str, threat: Threat, network: Network, digits: Digits, dtype: torch.dtype, **settings: Any
) -> Tensor:
    (x, y), model = digits, network().to(dtype)
    settings = {"norm": NORMS[type(threat)], "eps": threat.eps, "seed": 0, **settings}
    found = getattr(torchattacks, name)(model, **settings)(x.to(dtype), y)
    assert float(threat.norm(found.detach() - x).max()) <= threat.eps * (1 + 1e-5)
    with torch.no_grad():
        return model(found).argmax(dim=1) == y


def their_ensemble(
    threat: Threat, network: Network, digits: Digits, steps: int, queries: int, seed: int
) -> Tensor:
    """Their AutoAttack with our number of steps, which it does not let one choose."""
    (x, y), model = digits, network()
    ensemble = torchattacks.AutoAttack(model, norm=NORMS[type(threat)], eps=threat.eps, seed=seed)
    for member in ensemble._autoattack.attacks:
        if isinstance(member, torchattacks.Square):
            member.n_queries = queries
        else:
            member.steps = steps
    found = ensemble(x, y)
    with torch.no_grad():
        return model(found).argmax(dim=1) == y


@pytest.mark.parametrize("threat", [Linf(0.07), L2(1.1)], ids=lambda t: NORMS[type(t)])
@pytest.mark.parametrize(
    ("ours", "name", "settings", "dtype"),
    [
        (APGD, "APGD", dict(steps=30), torch.float64),
        (TargetedAPGD, "APGDT", dict(steps=20), torch.float32),
        (
            TargetedFAB,
            "FAB",
            dict(steps=10),
            torch.float32,
        ),  # theirs makes float32 of part of a float64 model
    ],
    ids=["APGD", "APGD-T", "FAB-T"],
)
def test_each_attack_fools_the_same_digits(
    ours: Any, name: str, settings: dict[str, int], dtype: torch.dtype, threat: Threat, digits: Digits
) -> None:
    multi = {"multi_targeted": True} if name == "FAB" else {}
    mine = right_by_ours(ours(threat, early_stop=True, **settings), zoo.mnist_natural, digits, dtype)
    theirs = right_by_theirs(name, threat, zoo.mnist_natural, digits, dtype, **settings, **multi)
    assert 80 < theirs.sum() < 160, "too strong or too weak a threat to compare attacks by"
    assert (mine & ~theirs).sum() <= 1
    # Our steps in L2 pass over the pixels that are black or white already, which lets APGD find some more.
    assert (theirs & ~mine).sum() <= (1 if isinstance(threat, Linf) else 6)


@pytest.mark.parametrize(
    ("attack", "name", "settings"),
    [
        (APGD(Linf(0.315), steps=50, early_stop=True), "APGD", dict(steps=50)),
        (Square(Linf(0.315), queries=300, early_stop=True), "Square", dict(n_queries=300)),
    ],
    ids=["APGD", "Square"],
)
def test_where_the_start_decides_ours_differ_no_more_than_two_seeds_of_theirs(
    attack: Attack, name: str, settings: dict[str, int], digits: Digits
) -> None:
    mine = right_by_ours(attack, zoo.mnist_robust, digits, torch.float32)
    one, other = (
        right_by_theirs(name, Linf(0.315), zoo.mnist_robust, digits, torch.float32, **settings, seed=seed)
        for seed in (0, 1)
    )
    assert 80 < one.sum() < 160, "too strong or too weak a threat to compare attacks by"
    noise = int((one != other).sum())
    assert 0 < noise < 20
    assert mine.sum() <= one.sum() + 1
    assert (mine & ~one & ~other).sum() <= noise / 2


def test_our_autoattack_fools_what_theirs_does(digits: Digits) -> None:
    x, y = digits[0][:60], digits[1][:60]
    for network, eps, most in ((zoo.mnist_natural, 0.07, 0), (zoo.mnist_robust, 0.3, 1)):
        attack = AutoAttack(Linf(eps), steps=20, queries=100)
        mine = right_by_ours(attack, network, (x, y), torch.float32)
        theirs = their_ensemble(Linf(eps), network, (x, y), steps=20, queries=100, seed=0)
        assert 30 < theirs.sum() < 60
        assert (mine & ~theirs).sum() <= most
        assert mine.sum() <= theirs.sum()
