"""Classification by synthesis: linear generators, whose search has a closed form, and what goes wrong in words."""

import copy
import math

import pytest
import torch
from torch import nn

from advnotes.attacks import APGD, PGD, Square
from advnotes.defences import PerClass, SynthesisClassifier
from advnotes.gan import Conditioned
from advnotes.losses import margin_loss
from advnotes.metrics import accuracy, robust_accuracy
from advnotes.nets import mlp
from advnotes.threats import Linf

CLASSES, LATENT, FEATURES = 3, 2, 6


class Planes(nn.Module):
    """Class c makes the plane ``centre_c + z @ basis_c``, so that the nearest sample is a projection."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        basis = torch.linalg.qr(torch.randn(CLASSES, FEATURES, LATENT, generator=draw).double())[0].mT
        self.basis = nn.Parameter(basis * torch.tensor([[1.0], [1.5]]))  # orthogonal, of two lengths
        self.centre = nn.Parameter(torch.rand(CLASSES, FEATURES, generator=draw).double())

    def forward(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.centre[y] + (z[:, None] @ self.basis[y])[:, 0]

    def nearest(self, x: torch.Tensor) -> torch.Tensor:
        unit = (self.basis / self.basis.norm(dim=2, keepdim=True)).detach()
        away = x[:, None] - self.centre.detach()
        return self.centre.detach() + torch.einsum("ncf,clf,clg->ncg", away, unit, unit)


def inputs(n: int = 5) -> torch.Tensor:
    return torch.rand(n, FEATURES, generator=torch.Generator().manual_seed(1)).double()


def planes(**options: object) -> tuple[Planes, SynthesisClassifier]:
    generator = Planes()
    settings = dict(classes=CLASSES, steps=200, restarts=2, source=torch.Generator().manual_seed(0))
    return generator, SynthesisClassifier(generator, LATENT, **(settings | options)).double()


def small(**options: object) -> SynthesisClassifier:
    torch.manual_seed(0)
    generator = Conditioned(mlp(LATENT + CLASSES, 8, FEATURES), CLASSES)
    settings = dict(classes=CLASSES, steps=5, restarts=3, source=torch.Generator().manual_seed(0))
    return SynthesisClassifier(generator, LATENT, **(settings | options))


def test_the_nearest_samples_of_linear_generators_are_projections():
    generator, model = planes()
    x = inputs()
    expected = generator.nearest(x)
    found = model.search(x)
    torch.testing.assert_close(model.nearest(x), expected, atol=1e-4, rtol=0)
    distance = (x[:, None] - expected).square().sum(dim=2)
    torch.testing.assert_close(found.distance, distance, atol=1e-6, rtol=0)
    torch.testing.assert_close(model(x), -distance, atol=1e-6, rtol=0)
    labels = torch.arange(CLASSES).repeat(5)
    made = generator(found.latent.flatten(0, 1), labels).unflatten(0, (5, CLASSES))
    torch.testing.assert_close((made - x[:, None]).square().sum(dim=2), found.distance)


def test_the_gradient_is_that_of_the_least_distance():
    """The envelope theorem: 2 (x - G(z*)) is the derivative of the minimum, as finite differences see it."""
    generator, model = planes()
    x = inputs().requires_grad_()
    (slope,) = torch.autograd.grad(model(x)[:, 1].sum(), x)
    torch.testing.assert_close(slope, -2 * (x - generator.nearest(x)[:, 1]).detach(), atol=1e-3, rtol=0)
    for feature in range(FEATURES):
        step = torch.zeros(FEATURES).double()
        step[feature] = 1e-2
        with torch.no_grad():
            change = (model(x + step) - model(x - step))[:, 1] / 2e-2
        torch.testing.assert_close(slope[:, feature], change, atol=1e-3, rtol=0)


def test_the_gradient_of_a_curved_generator_too():
    """A circle: the distance of x to it is (|x| - 1)^2 in closed form, with the slope 2 (|x| - 1) x / |x|."""

    def circle(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.cat([z.cos(), z.sin()], dim=1) + 5 * y[:, None]

    model = SynthesisClassifier(
        circle, 1, classes=2, steps=300, restarts=4, source=torch.Generator().manual_seed(0)
    )
    x = torch.tensor([[0.3, 0.4], [1.2, -0.5]], dtype=torch.float64, requires_grad=True)
    radius = x.detach().norm(dim=1)
    logits = model.double()(x)
    torch.testing.assert_close(logits[:, 0].detach(), -((radius - 1) ** 2), atol=1e-6, rtol=0)
    (slope,) = torch.autograd.grad(logits[:, 0].sum(), x)
    torch.testing.assert_close(
        slope, -2 * (radius - 1)[:, None] * x.detach() / radius[:, None], atol=1e-3, rtol=0
    )


def test_the_best_of_all_starts_and_steps_is_kept():
    def valleys(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (z**2 - 1) ** 2 + 0.3 * z + 0.1 * y[:, None]  # a good and a bad valley

    x = torch.full((1, 1), -0.5)
    alone = []
    for start in (-1.0, 1.0):
        model = SynthesisClassifier(valleys, 1, classes=2, steps=20, restarts=1)
        model.starts.fill_(start)
        alone.append(model.search(x).distance)
    both = SynthesisClassifier(valleys, 1, classes=2, steps=20, restarts=2)
    both.starts.copy_(torch.tensor([[-1.0], [1.0]]))
    assert (alone[0] < alone[1] - 0.1).all()
    torch.testing.assert_close(both.search(x).distance, torch.minimum(*alone))
    leap = SynthesisClassifier(
        valleys, 1, classes=2, steps=1, restarts=1, step_size=100.0
    )  # a step that only does harm
    leap.starts.fill_(-1.0)
    made = valleys(torch.tensor([[-1.0], [-1.0]]), torch.arange(2)) - x
    torch.testing.assert_close(leap.search(x).distance, made.square().T)


def test_more_restarts_and_steps_do_not_make_it_worse():
    x = inputs(8).float()
    one = small(restarts=1, source=torch.Generator().manual_seed(3)).search(x).distance
    more = small(restarts=4, source=torch.Generator().manual_seed(3))
    torch.testing.assert_close(
        more.starts[:1], small(restarts=1, source=torch.Generator().manual_seed(3)).starts
    )
    assert (more.search(x).distance <= one + 1e-5).all()


def test_an_answer_depends_on_nothing_but_the_input():
    model, x = small(), inputs(6).float()
    together = model.search(x).distance
    torch.testing.assert_close(together, torch.cat([model.search(one[None]).distance for one in x]))
    torch.testing.assert_close(together.flip(0), model.search(x.flip(0)).distance)
    assert torch.equal(together, model.search(x).distance)
    state = torch.get_rng_state()
    small().search(x)
    assert not torch.equal(small(source=torch.Generator().manual_seed(5)).starts, model.starts)
    torch.set_rng_state(state)
    again = SynthesisClassifier(model.generator, LATENT, classes=CLASSES, steps=5, restarts=3)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.search(x).distance, together)


def test_the_world_is_left_as_it_was():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(LATENT + CLASSES, 8), nn.BatchNorm1d(8), nn.Linear(8, FEATURES))
    model = SynthesisClassifier(Conditioned(network, CLASSES), LATENT, classes=CLASSES, steps=3, restarts=2)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = inputs().float()
    copy, state = x.clone(), torch.get_rng_state()
    model(x.requires_grad_()).sum().backward()
    assert network.training
    assert all(p.grad is None and p.requires_grad for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(x.detach(), copy)
    assert x.grad is not None
    assert torch.equal(torch.get_rng_state(), state)
    with torch.inference_mode():
        torch.testing.assert_close(model(x.detach().clone()), model(copy).detach())


def test_attacks_go_through_the_search():
    generator, model = planes(steps=60)
    draw = torch.Generator().manual_seed(2)
    y = torch.arange(30) % CLASSES
    with torch.no_grad():
        z = 0.3 * torch.randn(30, LATENT, generator=draw).double()
        x = (generator(z, y) + 0.02 * torch.randn(30, FEATURES, generator=draw).double()).clamp(0, 1)
    keep = model(x).argmax(dim=1) == y
    x, y = x[keep], y[keep]
    assert len(x) > 15

    class Exact(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return -(x[:, None] - generator.nearest(x)).square().sum(dim=2)

    threat = Linf(0.3)
    attack = APGD(threat, steps=20, loss=margin_loss)
    ours, exact = (
        float(robust_accuracy(m, attack, x, y, generator=torch.Generator().manual_seed(0)))
        for m in (model, Exact())
    )
    assert abs(ours - exact) <= 0.1
    assert exact < float(accuracy(model, x, y)) - 0.3
    for other in (PGD(threat, steps=5), Square(threat, queries=10)):
        assert other(model, x[:4], y[:4], torch.Generator().manual_seed(0)).shape == x[:4].shape


def test_per_class_asks_each_class_its_own_generator():
    parts = [nn.Linear(2, 3, bias=False) for _ in range(4)]
    z, y = torch.randn(7, 2), torch.tensor([3, 0, 2, 3, 0, 0, 2])
    made = PerClass(parts)(z, y)
    torch.testing.assert_close(
        made, torch.stack([parts[label](row) for row, label in zip(z, y.tolist(), strict=True)])
    )
    with pytest.raises(ValueError, match="at least 2"):
        PerClass(parts[:1])
    with pytest.raises(ValueError, match="from 0 to 3, got 4"):
        PerClass(parts)(z, y + 1)


def test_the_threshold_is_the_rank_of_split_conformal_prediction():
    model, x = small(), inputs(40).float()
    least = model.search(x).distance.amin(dim=1).sort().values
    assert model.calibrate(x, keep=0.9, batch_size=7) == pytest.approx(
        float(least[36])
    )  # ceil(41 * 0.9) = 37th
    assert model.calibrate(x, keep=1e-12) == pytest.approx(float(least[0]))
    model.calibrate(x, keep=0.9)
    label = model.predict(x)
    refused = label == -1
    assert int(refused.sum()) == 3
    assert torch.equal(label[~refused], model(x).argmax(dim=1)[~refused])
    assert (model.predict(x + 100) == -1).all()
    again = small()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.predict(x), label)


def test_what_is_like_the_held_out_inputs_is_answered_as_often_as_promised():
    """On the average over draws the share of answers is rank / (n + 1); distances are chi-squared here."""

    def point(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return 0 * z + 3 * y[:, None]

    model = SynthesisClassifier(point, 4, classes=2, steps=1, restarts=1)
    shares = []
    for seed in range(60):
        x = torch.randn(219, 4, generator=torch.Generator().manual_seed(seed))
        model.calibrate(x[:19], keep=0.9)  # the 18th of 19: 18 / 20
        shares.append(float((model.predict(x[19:]) >= 0).float().mean()))
    assert sum(shares) / 60 == pytest.approx(0.9, abs=0.04)  # its standard deviation is 0.009


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(restarts=0), "restarts must be a whole number of at least 1, got 0"),
        (dict(steps=0), "steps must be"),
        (dict(classes=1), "classes must be a whole number of at least 2"),
        (dict(step_size=0.0), "step_size must be a finite number above 0"),
        (dict(step_size=math.nan), "step_size must be a finite number above 0"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_inputs_that_do_not_fit():
    model, x = small(), inputs().float()
    with pytest.raises(ValueError, match=r"makes samples of the shape \(6,\).*inputs have \(7,\)"):
        model(torch.rand(4, 7))
    with pytest.raises(ValueError, match=r"inputs have \(1, 28, 28\)"):
        model.calibrate(torch.rand(40, 1, 28, 28))
    with pytest.raises(ValueError, match=r"must be finite.*sample 1"):
        model(x.index_fill(0, torch.tensor([1]), torch.nan))
    with pytest.raises(ValueError, match="at least one"):
        model(x[:0])
    with pytest.raises(ValueError, match="no threshold yet"):
        model.predict(x)
    with pytest.raises(ValueError, match=r"5 inputs are too few to keep 0\.95 of them: give at least 19"):
        model.calibrate(x)
    with pytest.raises(ValueError, match="keep must lie between 0 and 1"):
        model.calibrate(x, keep=1.0)


@pytest.mark.parametrize("seed", range(8))
def test_a_threshold_that_was_rounded_refuses_no_more(seed):
    """Distances in double precision, a threshold in single: rounded down, it would refuse the input that set it."""
    centre = torch.rand(2, FEATURES, generator=torch.Generator().manual_seed(9)).double()
    model = SynthesisClassifier(lambda z, y: centre[y] + 0 * z, FEATURES, classes=2, steps=1, restarts=1)
    x = torch.rand(19, FEATURES, generator=torch.Generator().manual_seed(seed)).double()
    model.calibrate(x, keep=0.95)  # the greatest of 19
    assert model.threshold.dtype == torch.float32
    assert (model.predict(x) >= 0).all()


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_tensor_or_no_generator():
    for ask in (small(), small().search, small().nearest, small().calibrate):
        with pytest.raises(ValueError, match=r"inputs must be a tensor, got list"):
            ask([[1.0] * FEATURES])
    with pytest.raises(ValueError, match=r"got list, which cannot be called.*PerClass"):
        SynthesisClassifier([nn.Linear(2, 6)] * 3, LATENT, classes=CLASSES)


@pytest.mark.usefixtures("unchecked")
def test_bytes_are_told_how_to_become_numbers():
    with pytest.raises(ValueError, match=r"x.float\(\) / 255"):
        small()(torch.zeros(2, FEATURES, dtype=torch.uint8))


def test_generators_that_do_not_fit():
    x = inputs().float()
    with pytest.raises(ValueError, match="is latent_size right"):
        SynthesisClassifier(small().generator, LATENT + 1, classes=CLASSES)(x)
    with pytest.raises(ValueError, match="not depend on the input in a differentiable way"):
        SynthesisClassifier(lambda z, y: torch.zeros(len(z), FEATURES), LATENT, classes=CLASSES)(x)
    with pytest.raises(ValueError, match="not finite"):
        SynthesisClassifier(lambda z, y: z.repeat(1, 3) * math.nan, LATENT, classes=CLASSES)(x)
    with pytest.raises(ValueError, match=r"goes into PerClass .*positional arguments"):
        SynthesisClassifier(nn.Linear(LATENT, FEATURES), LATENT, classes=CLASSES)(x)
    for classes in (2, 4):  # a class that is not searched would go unnoticed
        with pytest.raises(ValueError, match=f"has 3 classes, got classes={classes}"):
            SynthesisClassifier(PerClass([nn.Linear(2, 6) for _ in range(3)]), LATENT, classes=classes)
        with pytest.raises(ValueError, match=f"has 3 classes, got classes={classes}"):
            SynthesisClassifier(small().generator, LATENT, classes=classes)
    short = small().half()
    with pytest.raises(ValueError, match=r"float16.*half precision too short"):
        short(torch.full((1, 6), 6e4, dtype=torch.float16))


def test_in_half_precision_answers_are_nearly_the_same():
    model, x = small(), inputs(40).float()
    expected = model(x)
    for dtype in (torch.float16, torch.bfloat16):
        short = copy.deepcopy(model).to(dtype)
        torch.testing.assert_close(short(x.to(dtype)).float(), expected, atol=0.2, rtol=0.02)
        short.calibrate(x.to(dtype))
        assert int((short.predict(x.to(dtype)) == -1).sum()) <= 1  # the 39th of 40
