"""The universal perturbation: a linear model's closed form, what it may depend on, and images without a gradient."""

import pytest
import torch
from torch import nn

from advnotes.attacks import Universal
from advnotes.gradients import MaskedGradientWarning
from advnotes.metrics import fooling_rate
from advnotes.threats import L1, L2, Linf


class Linear(nn.Module):
    """Two classes told apart by the sign of ``w @ x + b``."""

    def __init__(self, w: torch.Tensor, b: float = 0.0) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(w), b

    def forward(self, x):
        score = x.flatten(1) @ self.w + self.b
        return torch.stack([torch.zeros_like(score), score], dim=1)


def linear() -> tuple[Linear, torch.Tensor, torch.Tensor]:
    """Weights of both signs and images of one class, away from the ends of the range."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(12, generator=generator, dtype=torch.float64)
    x = 0.4 + 0.2 * torch.rand(40, 3, 4, generator=generator, dtype=torch.float64)
    return Linear(w), x, torch.zeros(40, dtype=torch.int64)


def net() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Three classes in [0, 1]^16, and a network that knows them."""
    torch.manual_seed(0)
    x = torch.rand(240, 1, 4, 4)
    y = x.view(240, 4, 4)[:, :3].mean(dim=2).argmax(dim=1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 24), nn.Tanh(), nn.Linear(24, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model.eval(), x, y


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("threat", [Linf(0.2), L2(0.3), L1(0.3, share=1e-6)])
def test_against_a_linear_model_it_is_the_closed_form(threat, targeted):
    model, x, y = linear()
    w = model.w.detach()
    # Every image of class 0 is moved towards class 1, or class 1 is what it shall become.
    delta = Universal(threat, targeted=targeted, steps=60)(model, x, 1 - y if targeted else y) - x
    eps = threat.eps
    single = torch.where(w.abs() == w.abs().max(), eps * w.sign(), 0)
    best = {Linf: eps * w.sign(), L2: eps * w / w.norm(), L1: single}[type(threat)].view(3, 4)
    torch.testing.assert_close(delta, best.expand_as(x), atol=1e-2 * eps, rtol=0)


@pytest.mark.parametrize(("cap", "fooled"), [(9.0, 20), (float("inf"), 1)])
def test_the_cap_keeps_an_image_that_is_lost_from_drowning_the_others(cap, fooled):
    x, y = torch.full((20, 2), 0.5), torch.zeros(20, dtype=torch.int64)
    x[:, 1] = torch.arange(20) == 0

    def model(x):  # the first image is misread in any case, and more so the lower its first pixel is
        lost = x[:, 1].round()
        score = lost * (100 - 1000 * x[:, 0].sub(0.8)) + (1 - lost) * 10 * (x[:, 0] - 0.6)
        return torch.stack([torch.zeros_like(score), score], dim=1)

    x_adv = Universal(Linf(0.2), cap=cap, steps=40)(model, x, y)
    assert int((model(x_adv).argmax(dim=1) != y).sum()) == fooled


def test_the_cap_does_not_keep_far_images_from_being_brought_to_a_class():
    model, x, y = linear()
    far = Linear(model.w.detach() * 100, b=-200.0)  # a loss of hundreds of nats for class 1
    assert nn.functional.cross_entropy(far(x), 1 - y) > 100
    delta = Universal(Linf(0.2), targeted=True).fit(far, x, 1 - y)
    torch.testing.assert_close(delta, 0.2 * model.w.detach().sign().view(3, 4))


def test_fit_is_the_perturbation_of_the_call_and_has_the_shape_of_one_input():
    model, x, y = net()
    attack, seeds = Universal(Linf(0.15), steps=20), torch.arange(240)
    delta = attack.fit(model, x, y, seeds)
    assert delta.shape == (1, 4, 4)
    assert not delta.requires_grad
    assert delta.abs().max() <= 0.15 + 1e-6
    assert torch.equal(attack(model, x, y, seeds), (x + delta).clamp(0, 1))


def test_it_fools_images_that_it_has_not_seen_where_random_signs_do_not():
    model, x, y = net()
    attack = Universal(Linf(0.15), steps=60, batch_size=40)
    delta = attack.fit(model, x[:160], y[:160], torch.Generator().manual_seed(0))
    signs = [0.15 * torch.randn(1, 4, 4).sign() for _ in range(10)]
    ours, random = (fooling_rate(model, x[160:], (x[160:] + d).clamp(0, 1)) for d in (delta, signs[0]))
    best = max(float(fooling_rate(model, x[160:], (x[160:] + d).clamp(0, 1))) for d in signs)
    assert float(ours) > 0.4
    assert float(ours) > best + 0.1 >= float(random) + 0.1


def test_the_order_of_the_images_changes_nothing_given_their_seeds():
    model, x, y = net()
    model, x = model.double(), x.double()
    attack, seeds = Universal(L2(0.5), steps=15, batch_size=50), torch.arange(240) * 7
    order = torch.randperm(240, generator=torch.Generator().manual_seed(3))
    delta = attack.fit(model, x, y, seeds)
    torch.testing.assert_close(attack.fit(model, x[order], y[order], seeds[order]), delta)
    assert (attack.fit(model, x, y, seeds + 1) - delta).norm() > 1e-3


def test_every_pass_takes_every_image_once():
    model, x, y = net()
    seen = []

    def spy(inputs):
        seen.append(len(inputs))
        return model(inputs)

    Universal(Linf(0.1), steps=9, starts=2, batch_size=80).fit(spy, x, y)
    assert seen == [160] * 12  # two starts at once: nine minibatches, and all images again at the end

    from advnotes.attacks.universal import _Images

    images = _Images(Universal(Linf(0.1), batch_size=80), model, x, y, torch.arange(240), x.device)
    first, second = (torch.cat([images.minibatch(step) for step in range(s, s + 3)]) for s in (0, 3))
    assert torch.equal(first.sort().values, torch.arange(240))
    assert torch.equal(second.sort().values, torch.arange(240))
    assert not torch.equal(first, second)


def test_the_best_start_is_the_one_that_fools_most():
    model, x, y = net()
    seeds = torch.arange(240)
    deltas = []
    for start in range(4):  # the seeds of the starts count up from the sum of the images'
        shifted = seeds + torch.tensor([start] + 239 * [0])
        deltas.append(Universal(L2(0.3), steps=1, starts=1, batch_size=240).fit(model, x, y, shifted))
    fooled = [int((model((x + delta).clamp(0, 1)).argmax(dim=1) != y).sum()) for delta in deltas]
    assert max(fooled) > min(fooled)
    best = Universal(L2(0.3), steps=1, starts=4, batch_size=240).fit(model, x, y, seeds)
    assert [torch.allclose(best, delta, atol=1e-6) for delta in deltas].index(True) == fooled.index(
        max(fooled)
    )


def test_a_pixel_that_started_dark_comes_back():
    # All images are black in the first pixel, and light there fools them: the exact gradient at a start below 0
    # would be zero.
    model = Linear(torch.tensor([1.0, 0.0]), b=-0.1)
    x, y = torch.zeros(20, 2), torch.zeros(20, dtype=torch.int64)
    delta = Universal(Linf(0.3), starts=1, steps=40).fit(model, x, y, torch.arange(20))
    dark = next(s for s in range(50) if Linf(0.3).sample(x[:1], torch.tensor([s]))[0, 0] < -0.2)
    seeds = torch.zeros(20, dtype=torch.int64)
    seeds[0] = dark  # the start's seed is the sum of the images'
    again = Universal(Linf(0.3), starts=1, steps=40).fit(model, x, y, seeds)
    assert delta[0] == pytest.approx(0.3)
    assert again[0] == pytest.approx(0.3)


def test_an_image_without_a_finite_gradient_spares_the_others():
    model, x, y = linear()
    x[0] = 0

    def risky(x):  # the square root has an infinite slope at 0
        return model(x) + 1e-9 * x.sum(dim=(1, 2)).sqrt()[:, None]

    delta = Universal(Linf(0.001), steps=30).fit(risky, x, y)
    assert torch.equal(delta.sign(), model.w.detach().sign().view(3, 4))


def test_masked_gradients_are_counted_by_image():
    model, x, y = linear()

    def saturated(x):
        return 1e4 * model(x - 0.45 * torch.sign(model.w.detach()).view(3, 4))

    with pytest.warns(MaskedGradientWarning, match="40 of 40 samples"):
        Universal(Linf(0.01), steps=3).fit(saturated, x, y)


def test_images_may_lie_elsewhere_than_the_model(tmp_path):
    model, x, y = net()
    file = tmp_path / "images"
    file.write_bytes(x.numpy().tobytes())
    mapped = torch.from_file(str(file), size=x.numel(), dtype=torch.float32).view_as(x)
    attack, seeds = Universal(Linf(0.1), steps=5), torch.arange(240)
    assert torch.equal(attack.fit(model, mapped, y, seeds), attack.fit(model, x, y, seeds))
    if torch.cuda.is_available():
        on_gpu = attack.fit(model.cuda(), x, y, seeds)
        assert on_gpu.device.type == "cuda"
        torch.testing.assert_close(on_gpu.cpu(), attack.fit(model.cpu(), x, y, seeds), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Universal(Linf(torch.tensor([0.1, 0.2]))), "one finite radius"),
        (lambda: Universal(L2(float("inf"))), "one finite radius"),
        (lambda: Universal(Linf(0.1), steps=0), "steps must be a whole number of at least 1, got 0"),
        (lambda: Universal(Linf(0.1), starts=0), "starts must be a whole number of at least 1"),
        (lambda: Universal(Linf(0.1), batch_size=0), "batch_size must be a whole number of at least 1"),
        (lambda: Universal(Linf(0.1), step_size=0.0), "step_size must be a finite number above 0"),
        (lambda: Universal(Linf(0.1), cap=-1.0), "cap must be positive"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_fit_checks_its_input():
    model, x, y = net()
    with pytest.raises(ValueError, match="within"):
        Universal(Linf(0.1)).fit(model, x * 255, y)
