"""HopSkipJump: the exact distance of a linear classifier, from its classes alone; queries and memory are counted."""

import math

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import PGD, HopSkipJump, NoStartWarning, black_box
from advnotes.attacks.hopskipjump import TOGETHER
from advnotes.attacks.parts.hyperplane import shortest_way
from advnotes.losses import margin
from advnotes.threats import L1, L2, Linf, Threat

NO_LIMIT = [L2(math.inf), Linf(math.inf)]
both_norms = pytest.mark.parametrize("threat", NO_LIMIT, ids=["L2", "Linf"])


def affine(n: int = 8) -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Linear(12, 2).double()
    x = 0.3 + 0.4 * torch.rand(n, 12).double()
    x[: n // 2, :3], x[: n // 2, 3:6] = 0, 1  # at the ends of the range
    return model, x, model(x).argmax(dim=1)


def exact_distance(model: nn.Linear, x: torch.Tensor, y: torch.Tensor, threat: Threat) -> torch.Tensor:
    """To the boundary between the two classes, inside the box."""
    normal = (model.weight[1 - y] - model.weight[y]).detach()
    return threat.norm(shortest_way(threat, x, normal, margin(model(x), y).detach(), (0.0, 1.0)))


class Counted(nn.Module):
    """Says the class and nothing else, and remembers how many points it was asked about in each call."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.calls = model, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(x))
        logits = self.model(x)
        return nn.functional.one_hot(logits.argmax(dim=1), logits.shape[1]).to(x)


@both_norms
def test_a_linear_classifiers_distance_is_found_from_classes_alone(threat):
    model, x, y = affine()
    x_adv = HopSkipJump(threat, steps=12, fast=False)(Counted(model), x, y, torch.arange(8))
    assert (model(x_adv).argmax(dim=1) != y).all()
    ratio = threat.norm(x_adv - x) / exact_distance(model, x, y, threat)
    assert (ratio >= 1 - 1e-9).all()
    assert (ratio <= 1.1).all()
    assert ratio.mean() < 1.03


@both_norms
def test_more_steps_come_nearer_to_it(threat):
    model, x, y = affine()
    few, more = (
        (
            threat.norm(HopSkipJump(threat, steps=steps)(model, x, y, torch.arange(8)) - x)
            / exact_distance(model, x, y, threat)
        )
        for steps in (1, 10)
    )
    assert more.mean() - 1 < 0.4 * (few.mean() - 1)


@both_norms
def test_logits_do_not_matter_where_the_class_is_the_same(threat):
    model, x, y = affine()
    attack = HopSkipJump(threat, steps=3, directions=20, fast=False)
    seen, told = attack(model, x, y, torch.arange(8)), attack(Counted(model), x, y, torch.arange(8))
    assert torch.equal(seen, told)


def test_the_baseline_makes_the_estimate_better_where_most_points_are_of_one_class():
    """At a point beyond the boundary nearly every direction is adversarial: their mean says nothing by itself."""
    normal = torch.zeros(40).double()
    normal[0] = 1.0
    edge = torch.full((200, 40), 0.5).double()
    rows, size = torch.arange(200), torch.full((200,), 0.1).double()
    seeds = torch.arange(200)
    decide = lambda points, _: (points - 0.5) @ normal > -0.02  # noqa: E731
    way = HopSkipJump(L2(math.inf)).direction(decide, edge, rows, size, seeds, step=1)
    plain = torch.zeros_like(edge)
    asked = []

    def remember(points, rows):
        asked.append(points.view(200, -1, 40) - edge[:, None])
        return decide(points, rows)

    HopSkipJump(L2(math.inf)).direction(remember, edge, rows, size, seeds, step=1)
    for part in asked:
        value = 2 * decide((part + edge[:, None]).view(-1, 40), rows).double() - 1
        plain += (value.view(200, -1)[..., None] * part).sum(dim=1)
    plain = plain / plain.norm(dim=1, keepdim=True)
    with_baseline, without = ((v @ normal).mean() for v in (way, plain))
    assert with_baseline > without + 0.1


@both_norms
def test_queries_are_counted_and_the_memory_is_bounded(threat):
    model, x, y = affine()
    counted, attack = Counted(model), HopSkipJump(threat, steps=4, directions=50, fast=False)
    attack(counted, x, y, torch.arange(8))
    assert max(counted.calls) <= TOGETHER * len(x)
    bisection = math.ceil((1.5 if isinstance(threat, L2) else 2) * math.log2(12))
    assert [attack.queries_of(t) for t in (1, 2, 3, 4)] == [50, 70, 86, 100]
    fixed = len(x) * (1 + 5 * (bisection + 1) + 50 + 70 + 86 + 100)  # x itself; boundaries; directions
    tried = (
        sum(counted.calls) - fixed
    )  # starts, at least one each, and step lengths, at least one each in every step
    assert 5 * len(x) <= tried <= 20 * len(x)


def test_early_stop_spares_queries_and_fools_the_same_digits():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=12)
    starts, _ = data.mnist("train", size=200)
    full, early = (
        HopSkipJump(L2(3.0), steps=6, directions=40, starts=starts, early_stop=stop, fast=False)
        for stop in (False, True)
    )
    whole, spared = Counted(model), Counted(model)
    fooled = model(full(whole, x, y, torch.arange(12))).argmax(dim=1) != y
    x_adv = early(spared, x, y, torch.arange(12))
    assert torch.equal(model(x_adv).argmax(dim=1) != y, fooled)
    assert 2 < int(fooled.sum()) < 12
    assert sum(spared.calls) < 0.9 * sum(whole.calls)
    assert (L2(3.0).norm(x_adv - x) <= 3.0 * (1 + 1e-5)).all()


def test_early_stop_ends_where_every_sample_is_fooled_before_the_last_step():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=4)
    starts, _ = data.mnist("train", size=50)
    attack = HopSkipJump(L2(28.0), steps=3, directions=20, starts=starts, early_stop=True)
    whole = Counted(model)
    assert (model(attack(whole, x, y, torch.arange(4))).argmax(dim=1) != y).all()
    assert sum(whole.calls) < 50 + 4 * 25  # starts and bisections; directions would be 4 * 20 more


def test_it_breaks_a_model_that_pgd_cannot_attack():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=12)
    starts, _ = data.mnist("train", size=200)
    stranger = black_box(lambda images: model(torch.as_tensor(images)).detach().numpy().round())
    with pytest.raises(ValueError, match="differentiable way"):
        PGD(L2(3.5))(stranger, x, y)
    x_adv = HopSkipJump(L2(3.5), steps=6, directions=40, starts=starts)(stranger, x, y, torch.arange(12))
    assert (stranger(x_adv).argmax(dim=1) != y).sum() >= 5


def test_a_chosen_class_is_reached_from_images_of_it():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=10)
    starts, _ = data.mnist("train", size=200)
    target = (y + 1) % 10
    attack = HopSkipJump(L2(math.inf), steps=4, directions=40, starts=starts, targeted=True)
    x_adv = attack(model, x, target, torch.arange(10))
    assert (model(x_adv).argmax(dim=1) == target).all()
    to_start = torch.stack(
        [
            (starts[model(starts).argmax(dim=1) == t] - z).flatten(1).norm(dim=1).min()
            for z, t in zip(x, target, strict=True)
        ]
    )
    assert (L2(1.0).norm(x_adv - x) < 0.8 * to_start).all()


def test_a_sample_without_a_start_comes_back_as_it_is_and_that_is_said():
    constant = lambda z: torch.stack([torch.ones(len(z)), torch.zeros(len(z))], dim=1)  # noqa: E731
    x = torch.rand(3, 5)
    with pytest.warns(NoStartWarning, match="no start was found for 2 of 3 samples"):
        x_adv = HopSkipJump(L2(1.0), steps=2)(constant, x, torch.tensor([0, 0, 1]))
    assert torch.equal(x_adv, x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HopSkipJump(L1(1.0)), "is for L2 and Linf: for L1 without gradients use Square"),
        (lambda: HopSkipJump(L2(1.0), steps=0), "steps must be a whole number of at least 1"),
        (lambda: HopSkipJump(L2(1.0), directions=1), "directions must be at least 2, got 1"),
        (lambda: HopSkipJump(L2(1.0), targeted=True), "expected starts=, images of the classes to reach"),
        (
            lambda: HopSkipJump(L2(1.0), starts=torch.rand(3, 4))(
                nn.Linear(12, 2), torch.rand(2, 12), torch.tensor([0, 1])
            ),
            r"expected starts of shape \[images, 12\], like x, got \(3, 4\)",
        ),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
