"""SRGAN: its losses by hand, its limiting case, which is regression, and what the game leaves alone."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.generators import SRGAN, SRResNet, enlarge, shrink
from advnotes.nets import conv_discriminator


def game(features: nn.Module | None = None, **arguments) -> SRGAN:
    torch.manual_seed(0)
    generator, discriminator = SRResNet(4, 1, 2, kernel=3), conv_discriminator((3, 16, 16), width=4)
    nn.init.normal_(generator.up[-1].weight, std=0.1)  # an untrained one adds nothing
    chosen = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Dropout(0.5)) if features is None else features
    return SRGAN(generator, discriminator, chosen, **arguments).double()


@pytest.fixture
def batch():
    high = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return shrink(high, 2), high


def test_losses_are_the_formulas(batch):
    small, high = batch
    srgan = game(adversarial=0.3, scale=0.7)
    fake = srgan.generator(small)
    real_logit, fake_logit = srgan.discriminator(high), srgan.discriminator(fake)
    told = -(torch.sigmoid(real_logit).log().mean() + (1 - torch.sigmoid(fake_logit)).log().mean())
    torch.testing.assert_close(srgan.discriminator_loss(small, high), told)
    phi = srgan.features[0]  # without dropout
    content = ((0.7 * phi(fake) - 0.7 * phi(high)) ** 2).mean()
    expected = content - 0.3 * torch.sigmoid(fake_logit).log().mean()
    torch.testing.assert_close(srgan.generator_loss(small, high), expected)


def test_without_a_critic_and_features_it_is_regression(batch):
    small, high = batch
    srgan = game(nn.Identity(), adversarial=0.0, scale=1.0)
    torch.testing.assert_close(srgan.generator_loss(small, high), F.mse_loss(srgan.generator(small), high))
    own = SRResNet(4, 1, 2, kernel=3).double()
    own.load_state_dict(srgan.generator.state_dict())
    srgan.turns = ("generator",)
    play(
        srgan,
        [batch],
        {"generator": torch.optim.SGD(srgan.generator.parameters(), 0.1)},
        steps=3,
        progress=False,
    )
    optimizer = torch.optim.SGD(own.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        F.mse_loss(own(small), high).backward()
        optimizer.step()
    for mine, theirs in zip(srgan.generator.parameters(), own.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_regression_averages_what_looks_alike_and_a_critic_does_not():
    """Two originals, one small picture: the mean is best for pixels, and lies on neither."""
    white, black = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    stripes = white.clone()
    stripes[..., ::2] = 0
    high = torch.cat([stripes, 1 - stripes])
    small = shrink(high, 2)
    torch.testing.assert_close(small[0, :, 1:-1, 1:-1], small[1, :, 1:-1, 1:-1], atol=0.05, rtol=0)

    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.picture = nn.Parameter(
                0.3 + 0.4 * torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
            )

        def forward(self, s):
            return self.picture.expand(len(s), -1, -1, -1)

    srgan = SRGAN(
        Constant(), nn.Sequential(nn.Flatten(), nn.Linear(192, 1)), nn.Identity(), adversarial=0.0, scale=1.0
    )
    optimizers = {"generator": torch.optim.Adam(srgan.generator.parameters(), 0.05)}
    srgan.turns = ("generator",)
    play(srgan, [(small, high)], optimizers, steps=300, progress=False)
    torch.testing.assert_close(srgan.generator.picture.detach(), (white + black) / 2, atol=1e-3, rtol=0)


def test_the_features_are_a_copy_that_stands_still_in_eval_mode(batch):
    features = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)).double().train()
    srgan = game(features)
    before = {name: value.clone() for name, value in srgan.features.state_dict().items()}
    optimizers = {name: torch.optim.Adam(p.parameters(), 0.1) for name, p in srgan.players.items()}
    assert set(optimizers) == {"discriminator", "generator"}
    play(srgan, [batch], optimizers, steps=3, progress=False)
    assert all(torch.equal(value, before[name]) for name, value in srgan.features.state_dict().items())
    assert features.training
    assert all(p.requires_grad and p.grad is None for p in features.parameters())
    srgan.train()
    assert srgan.generator.training
    assert not any(module.training for module in srgan.features.modules())


def test_the_discriminators_turn_leaves_no_gradient_at_the_generator(batch):
    srgan = game()
    srgan.discriminator_loss(*batch).backward()
    assert all(p.grad is None for p in srgan.generator.parameters())
    srgan.zero_grad()
    srgan.generator_loss(*batch).backward()
    assert all(p.grad is not None for p in srgan.generator.parameters())


def test_the_game_teaches_texture_that_regression_leaves_out():
    """Noise has no detail that a small picture could tell: regression makes it flat, SRGAN does not."""
    g = torch.Generator().manual_seed(0)
    noise = (0.5 + 0.2 * torch.randn(64, 3, 16, 16, generator=g)).clamp(0, 1)
    spread = {}
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        generator = SRResNet(16, 1, 4, kernel=3)
        srgan = SRGAN(
            generator, conv_discriminator((3, 16, 16), 8), nn.Identity(), adversarial=weight, scale=1.0
        )
        optimizers = {
            name: torch.optim.Adam(p.parameters(), 2e-3, betas=(0.5, 0.99))
            for name, p in srgan.players.items()
        }
        batches = [(shrink(part), part) for part in noise.split(16)]
        play(srgan, batches, optimizers, steps=80, progress=False)
        with torch.no_grad():
            made = generator(shrink(noise))
        spread[weight] = float((made - enlarge(shrink(made.clamp(0, 1)))).std())
    assert spread[0.0] < 0.06
    assert spread[1.0] > 2 * spread[0.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"adversarial": -1.0}, "adversarial must be a finite number of at least 0"),
        ({"scale": 0.0}, "scale must be a finite number above 0"),
    ],
)
def test_bad_weights_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        game(**arguments)


def test_what_does_not_fit_is_refused(batch):
    small, high = batch
    srgan = game()
    with pytest.raises(ValueError, match="one small picture for each original, got 5 and 6"):
        srgan.generator_loss(small[:5], high)
    with pytest.raises(
        ValueError, match=r"generated samples have the shape \(3, 16, 16\), the data's \(3, 12, 12\)"
    ):
        srgan.discriminator_loss(small, high[..., :12, :12])
    with pytest.raises(ValueError, match=r"x\.float\(\) / 255"):
        srgan.generator_loss(small.byte(), high)
    with pytest.raises(ValueError, match="ends with Sigmoid"):
        SRGAN(srgan.generator, nn.Sequential(nn.Flatten(), nn.Linear(768, 1), nn.Sigmoid()), nn.Identity())


class Detached(nn.Module):
    def forward(self, x):
        return x.detach()


class Nothing(nn.Module):
    def forward(self, x):
        return x[:, :0]


def test_features_that_teach_nothing_are_refused(batch):
    with pytest.raises(ValueError, match="features have no gradient"):
        game(Detached()).generator_loss(*batch)
    with torch.no_grad():
        assert game(Detached()).generator_loss(*batch).isfinite()  # only measured
    with pytest.raises(ValueError, match="must return some, got shape"):
        game(Nothing()).generator_loss(*batch)
