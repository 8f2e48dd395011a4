"""AdvGAN: its losses by hand, the attack that comes out of it, and what the game leaves alone."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import data, play, zoo
from advnotes.gan import AdvGAN, Perturber
from advnotes.losses import margin
from advnotes.nets import digit_discriminator
from advnotes.threats import L2, Linf


def small(**arguments) -> AdvGAN:
    torch.manual_seed(0)
    networks = nn.Linear(5, 5), nn.Linear(5, 1), nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.5))
    return AdvGAN(*networks, Linf(0.2), **arguments).double()


@pytest.fixture
def points():
    torch.manual_seed(1)
    return torch.rand(8, 5).double(), torch.arange(8) % 3


def perturbed(game: AdvGAN, x: torch.Tensor) -> torch.Tensor:
    return (x + 0.2 * torch.tanh(game.generator(x))).clamp(0, 1)


def test_losses_are_the_formulas(points):
    x, y = points
    game = small(confidence=0.3, alpha=0.7, beta=1.3, size=0.1)
    x_adv = perturbed(game, x)
    real, fake = game.discriminator(x), game.discriminator(x_adv)
    discriminator = -(torch.sigmoid(real).log().mean() + (1 - torch.sigmoid(fake)).log().mean())
    torch.testing.assert_close(game.discriminator_loss(x, y), discriminator)

    logits = game.model[0](x_adv)  # without dropout
    others = logits.masked_fill(F.one_hot(y, 3).bool(), -torch.inf).amax(1)
    fool = (logits.gather(1, y[:, None])[:, 0] - others).clamp(min=-0.3).mean()
    small_enough = ((x_adv - x).norm(dim=1) - 0.1).clamp(min=0).mean()
    expected = fool - 0.7 * torch.sigmoid(fake).log().mean() + 1.3 * small_enough
    torch.testing.assert_close(game.generator_loss(x, y), expected)


def test_with_a_target_it_wants_that_class(points):
    x, y = points
    game = small(target=2, alpha=0.0, beta=0.0)
    logits = game.model[0](perturbed(game, x))
    expected = (logits[:, :2].amax(1) - logits[:, 2]).clamp(min=0).mean()
    torch.testing.assert_close(game.generator_loss(x, y), expected)
    attack = game.attack
    assert attack.targeted
    target = torch.full_like(y, 2)
    torch.testing.assert_close(attack(game.model, x, target), perturbed(game, x).detach())
    with pytest.raises(ValueError, match="reach class 2 and no other"):
        attack(game.model, x, y)


def test_the_attacked_model_is_a_copy_that_stands_still_in_eval_mode(points):
    x, y = points
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)).double().train()
    game = AdvGAN(nn.Linear(5, 5).double(), nn.Linear(5, 1).double(), model, Linf(0.2))
    before = {name: value.clone() for name, value in game.model.state_dict().items()}
    optimizers = {
        name: torch.optim.Adam(player.parameters(), lr=0.1) for name, player in game.players.items()
    }
    assert set(optimizers) == {"discriminator", "generator"}
    moved = game.generator.weight.clone()
    play(game, [(x, y)], optimizers, epochs=3, progress=False)
    assert not torch.equal(game.generator.weight, moved)
    assert all(torch.equal(value, before[name]) for name, value in game.model.state_dict().items())
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    game.train()
    assert game.generator.training
    assert not any(module.training for module in game.model.modules())


def test_the_attack_keeps_the_common_contract(points):
    x, y = points
    game = small()
    game.generator = nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5)).double().train()
    buffers = {name: value.clone() for name, value in game.generator.state_dict().items()}
    inputs, rng = x.clone(), torch.get_rng_state()

    asked = []

    class NotAsked(nn.Module):
        def forward(self, x):
            asked.append(x)
            return game.model(x)

    not_asked = NotAsked()
    x_adv = game.attack(not_asked, x, y, torch.Generator().manual_seed(0))
    assert x_adv.dtype == x.dtype
    assert not x_adv.requires_grad
    assert (x_adv - x).abs().max() <= 0.2 + 1e-12
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert torch.equal(x, inputs)
    assert torch.equal(torch.get_rng_state(), rng)
    assert game.generator.training
    assert all(torch.equal(value, buffers[name]) for name, value in game.generator.state_dict().items())
    alone = torch.cat([game.attack(not_asked, x[i : i + 1], y[i : i + 1]) for i in range(8)])
    torch.testing.assert_close(alone, x_adv)
    assert not asked


def test_the_radius_may_differ_from_sample_to_sample_and_from_the_training(points):
    x, y = 0.4 + 0.2 * points[0], points[1]
    game = small()
    whole = game.attack(game.model, x, y) - x
    eps = torch.linspace(0, 0.2, 8).double()
    each = Perturber(Linf(eps), game.generator)(game.model, x, y) - x
    torch.testing.assert_close(each, whole * (eps / 0.2)[:, None])
    torch.testing.assert_close(game.attack.scaled(0.5)(game.model, x, y) - x, whole / 2)


def test_the_discriminators_turn_leaves_no_gradient_at_the_generator(points):
    game = small()
    game.discriminator_loss(*points).backward()
    assert all(p.grad is None for p in game.generator.parameters())
    assert all(p.grad is not None for p in game.discriminator.parameters())


def test_learns_to_fool_a_network_of_digits_where_noise_does_not():
    model, (x, y) = zoo.mnist_natural(), data.mnist("train", size=2000)
    torch.manual_seed(0)
    generator = nn.Sequential(
        *(nn.Conv2d(1, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.ConvTranspose2d(16, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
        nn.ConvTranspose2d(16, 1, 4, 2, 1),
    )
    game = AdvGAN(
        generator, digit_discriminator(16), model, Linf(0.3), confidence=5.0, alpha=0.1, beta=0.1, size=4.0
    )
    optimizers = {
        name: torch.optim.Adam(player.parameters(), lr=0.005) for name, player in game.players.items()
    }
    play(game, data.batches(x, y, batch_size=100), optimizers, epochs=4, progress=False)
    x, y = data.mnist("test", size=200)
    noise = (x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).sign()).clamp(0, 1)
    with torch.no_grad():
        right = [(margin(model(at), y) > 0).float().mean() for at in (game.attack(model, x, y), noise)]
    assert right[0] < 0.4
    assert right[1] > 0.8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -1.0}, "alpha must be a finite number of at least 0"),
        ({"size": -1.0, "confidence": -0.5}, "confidence must be"),
    ],
)
def test_bad_weights_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def test_networks_that_do_not_fit_are_refused(points):
    x, y = points
    game = small()
    game.generator = nn.Linear(5, 4).double()
    with pytest.raises(ValueError, match=r"keep the input's shape \(8, 5\), got \(8, 4\)"):
        game.attack(game.model, x, y)
    game = small()
    game.discriminator = nn.Linear(5, 2).double()
    with pytest.raises(ValueError, match=r"one logit for each of 8 samples, got shape \(8, 2\)"):
        game.discriminator_loss(x, y)


def test_other_threats_and_half_a_target_are_refused():
    with pytest.raises(ValueError, match="wants an Linf threat"):
        Perturber(L2(1.0), nn.Linear(5, 5))
    with pytest.raises(ValueError, match="does not go with target=None"):
        Perturber(Linf(0.1), nn.Linear(5, 5), targeted=True)
