"""The R1 penalty against discriminators whose gradient is known, and the turns that it is taken in."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from advnotes.gan import GAN, R1, R2, ConditionalGAN, Conditioned, Penalty, SlopePenalty, r1_penalty
from advnotes.nets import Normalize, mlp


class Quadratic(nn.Module):
    """A discriminator whose gradient at x is x itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).square().sum(dim=1, keepdim=True) / 2


def images(discriminator: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), discriminator)


def game(**options: float) -> GAN:
    torch.manual_seed(0)
    return GAN(mlp(2, 4, 3), mlp(3, 8, 1), latent_size=2, penalties=[R1(**options)])


def plain_loss(gan: GAN, real: torch.Tensor) -> float:
    """The discriminator's loss without a penalty, with the noise of seed 1."""
    torch.manual_seed(1)
    return GAN(gan.generator, gan.discriminator, 2).discriminator_loss(real).item()


def losses(gan: GAN, real: torch.Tensor, turns: int) -> list[float]:
    """The discriminator's loss of several turns, every one with the same noise."""
    values = []
    for _ in range(turns):
        torch.manual_seed(1)
        values.append(gan.discriminator_loss(real).item())
    return values


def test_a_linear_discriminator_pays_half_its_squared_weight_wherever_the_samples_lie() -> None:
    discriminator = nn.Linear(5, 1)
    expected = 0.5 * discriminator.weight.square().sum()
    for real in (torch.zeros(1, 5), torch.randn(7, 5)):
        torch.testing.assert_close(r1_penalty(discriminator, real), expected)


def test_its_gradient_in_a_linear_discriminators_weight_is_that_weight() -> None:
    discriminator = nn.Linear(5, 1)
    (gradient,) = torch.autograd.grad(r1_penalty(discriminator, torch.randn(7, 5)), discriminator.weight)
    torch.testing.assert_close(gradient, discriminator.weight.detach())


def test_lengths_are_of_each_sample_by_itself() -> None:
    """Two gradients that point apart: of the batch's mean gradient nothing would be left."""
    real = torch.tensor([[3.0, 4.0], [-3.0, -4.0]])
    assert r1_penalty(Quadratic(), real).item() == pytest.approx(12.5)
    assert r1_penalty(Quadratic(), torch.cat([real] * 5)).item() == pytest.approx(12.5)


def test_lengths_run_over_all_pixels_of_an_image() -> None:
    real = torch.full((3, 1, 4, 4), 2.0)
    assert r1_penalty(Quadratic(), real).item() == pytest.approx(0.5 * 16 * 4)


def test_spreading_0_1_over_minus_1_1_inside_quadruples_it() -> None:
    """Which is why gamma in units of [0, 1] is a quarter of the same strength's in units of [-1, 1]."""
    outside = images(nn.Linear(16, 1))
    inside = nn.Sequential(Normalize([0.5], [0.5]), outside)
    real = torch.rand(6, 1, 4, 4)
    torch.testing.assert_close(r1_penalty(inside, real), 4 * r1_penalty(outside, 2 * real - 1))


def test_finite_differences_agree() -> None:
    torch.manual_seed(0)
    discriminator = mlp(3, 8, 1, activation=nn.Tanh).double()
    real = torch.randn(4, 3, dtype=torch.float64)
    parameter, h = discriminator[0].weight, 1e-6
    (exact,) = torch.autograd.grad(r1_penalty(discriminator, real), parameter)
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            parameter[2, 1] += sign * h
        values.append(r1_penalty(discriminator, real).item())
        with torch.no_grad():
            parameter[2, 1] -= sign * h
    assert (values[0] - values[1]) / (2 * h) == pytest.approx(exact[2, 1].item(), rel=1e-6)


def test_the_callers_tensor_is_left_alone_and_it_can_be_measured_without_training() -> None:
    real = torch.randn(4, 3)
    with torch.no_grad():
        assert r1_penalty(mlp(3, 8, 1), real) > 0
    assert not real.requires_grad
    assert real.grad is None


@given(every=st.integers(1, 5), gamma=st.floats(0.1, 10))
def test_taken_in_one_turn_of_every_and_the_mean_over_turns_is_gamma_r1(every: int, gamma: float) -> None:
    gan, real = game(gamma=gamma, every=every), torch.linspace(-1, 1, 24).view(8, 3)
    plain = plain_loss(gan, real)
    penalty = gamma * r1_penalty(gan.discriminator, real).item()
    added = [value - plain for value in losses(gan, real, 2 * every)]
    assert added[0] == pytest.approx(every * penalty, abs=1e-4)
    assert added[1:every] == pytest.approx([0.0] * (every - 1), abs=1e-6)
    assert sum(added) / len(added) == pytest.approx(penalty, abs=1e-4)


def test_taken_on_the_first_samples_only() -> None:
    gan, real = game(gamma=2.0, samples=2), torch.randn(8, 3)
    plain = plain_loss(gan, real)
    expected = plain + 2.0 * r1_penalty(gan.discriminator, real[:2]).item()
    assert losses(gan, real, 1)[0] == pytest.approx(expected, abs=1e-6)


def test_gamma_0_is_the_plain_game() -> None:
    real = torch.randn(8, 3)
    assert losses(game(gamma=0.0), real, 3) == [plain_loss(game(), real)] * 3


def test_what_is_measured_in_eval_mode_takes_the_penalty_and_is_no_move() -> None:
    gan, real = game(every=4), torch.randn(8, 3)
    losses(gan, real, 2)
    gan.eval()
    first, second = losses(gan, real, 2)
    plain = plain_loss(gan, real)
    assert first == second == pytest.approx(plain + r1_penalty(gan.discriminator, real).item(), abs=1e-6)
    assert gan.penalties[0].moves == 2


def test_the_turn_counter_goes_on_where_a_checkpoint_stopped() -> None:
    gan, real = game(every=3), torch.randn(8, 3)
    whole = losses(gan, real, 6)
    half = game(every=3)
    losses(half, real, 4)
    resumed = game(every=3)
    resumed.load_state_dict(half.state_dict())
    assert losses(resumed, real, 2) == whole[4:]
    assert resumed.penalties[0].moves.dtype == torch.int64  # as a float it would stop counting


@pytest.mark.parametrize("options", [{"gamma": -1.0}, {"every": 0}, {"samples": 0}])
def test_what_cannot_be_meant_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be a (finite|whole) number of at least [01], got"):
        game(**options)


def shifted(penalties: list[Penalty]) -> GAN:
    """Samples that are all 2, before a discriminator whose gradient at x is x."""
    generator = nn.Linear(2, 3)
    nn.init.zeros_(generator.weight)
    nn.init.constant_(generator.bias, 2.0)
    return GAN(generator, Quadratic(), 2, penalties=penalties)


def test_r2_is_taken_at_the_loss_s_own_generated_samples_and_nowhere_else() -> None:
    gan = shifted([R2(0.5, samples=4)])
    added = gan.discriminator_loss(torch.zeros(8, 3)).item() - plain_loss(gan, torch.zeros(8, 3))
    assert added == pytest.approx(0.5 * 0.5 * 3 * 4, abs=1e-5)
    calls = []
    gan.generator.register_forward_hook(lambda *_: calls.append(1))
    gan.discriminator_loss(torch.zeros(8, 3))
    assert len(calls) == 1


def test_penalties_add_up() -> None:
    real = torch.full((8, 3), 3.0)
    gan = shifted([R1(1.0), R2(0.1)])
    added = gan.discriminator_loss(real).item() - plain_loss(gan, real)
    assert added == pytest.approx(0.5 * 3 * 9 + 0.1 * 0.5 * 3 * 4, abs=1e-4)


def test_one_penalty_needs_no_list_and_other_modules_are_refused() -> None:
    assert len(GAN(mlp(2, 3), Quadratic(), 2, penalties=R1()).penalties) == 1
    with pytest.raises(ValueError, match=r"expected penalties such as \[R1\(gamma=1.0\)\], got Linear"):
        GAN(mlp(2, 3), Quadratic(), 2, penalties=[nn.Linear(2, 1)])


def test_another_penalty_is_another_experiment() -> None:
    texts = {
        GAN(mlp(2, 3), Quadratic(), 2, penalties=penalties).settings()["penalties"]
        for penalties in (
            [],
            [R1()],
            [R1(2.0)],
            [R2()],
            [R1(every=2)],
            [R1(samples=3)],
            [R1(), R2()],
            [SlopePenalty()],
        )
    }
    assert len(texts) == 8


def test_a_penalty_of_one_s_own_is_one_method() -> None:
    class Half(Penalty):
        def term(self, logit, real, fake):
            return logit(real).mean() - logit(fake).mean() / 2

    gan = shifted([Half()])
    assert gan.discriminator_loss(torch.zeros(8, 3)).item() - plain_loss(
        gan, torch.zeros(8, 3)
    ) == pytest.approx(-3.0)


def test_a_conditional_discriminator_is_penalised_at_its_own_labels() -> None:
    class ByClass(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return (x.sum(dim=1) * (y + 1)).unsqueeze(1)

    labels = torch.tensor([0, 1, 1, 1])
    for samples, mean in ((None, (1 + 4 + 4 + 4) / 4), (2, (1 + 4) / 2)):
        options = {"classes": 2, "penalties": [R1(1.0, samples=samples)]}
        torch.manual_seed(0)
        gan = ConditionalGAN(Conditioned(nn.Linear(4, 3), 2), ByClass(), 2, **options)
        plain = ConditionalGAN(gan.generator, gan.discriminator, 2, classes=2)
        values = []
        for each in (gan, plain):
            torch.manual_seed(1)
            values.append(each.discriminator_loss(torch.zeros(4, 3), labels).item())
        assert values[0] - values[1] == pytest.approx(0.5 * 3 * mean, abs=1e-5)


def test_settings_of_a_penalty_of_ones_own_are_the_same_in_every_process() -> None:
    """A function's or an object's repr says where in memory it lies, and no run would be resumed."""

    class Own(Penalty):
        def __init__(self, of: Callable[[torch.Tensor], torch.Tensor]) -> None:
            super().__init__()
            self.of, self.note = of, object()

        def term(self, logit, real, fake):
            return self.of(logit(real)).mean()

    found = [repr(Own(of)) for of in (plain_loss, images, nn.functional.softplus)]
    assert len(set(found)) == 3
    assert not any(" at 0x" in text for text in found)
