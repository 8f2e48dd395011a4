"""The unrolled gradient against finite differences of the function of K steps, and the updates against torch's own."""

import copy

import pytest
import torch
from torch import nn

from advnotes import play
from advnotes.data import Stream, ring
from advnotes.gan import (
    LSGAN,
    ConditionalGAN,
    Conditioned,
    FeatureMatchingGAN,
    HingeGAN,
    LabelSmoothingGAN,
    MinimaxGAN,
    UnrolledGAN,
)
from advnotes.nets import mlp

ADAM = dict(lr=0.05, betas=(0.5, 0.9))


def game(unroll: int, kind: type[torch.optim.Optimizer] = torch.optim.Adam, moved: int = 3) -> UnrolledGAN:
    """In double precision, the discriminator's optimizer having some moves behind it."""
    torch.manual_seed(0)
    G, D = (mlp(*sizes, activation=nn.Tanh).double() for sizes in ((2, 4, 2), (2, 6, 1)))
    options = ADAM if kind is torch.optim.Adam else dict(lr=0.5)
    gan = UnrolledGAN(G, D, 2, optimizer=kind(D.parameters(), **options), unroll=unroll)
    for _ in range(moved):
        gan.optimizer.zero_grad()
        gan.discriminator_loss(torch.randn(8, 2, dtype=torch.float64)).backward()
        gan.optimizer.step()
    gan.optimizer.zero_grad()
    return gan


REAL = torch.linspace(-1, 2, 16, dtype=torch.float64).view(8, 2)


def loss(gan: UnrolledGAN) -> torch.Tensor:
    torch.manual_seed(1)
    return gan.generator_loss(REAL)


def value(gan: UnrolledGAN) -> float:
    return loss(gan).item()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("moved", [0, 3])
def test_the_updates_are_the_optimizers_own(kind: type[torch.optim.Optimizer], moved: int) -> None:
    gan = game(4, kind, moved)
    fake = gan.sample(8).detach()
    theta = gan.ahead(REAL, fake)
    D = gan.discriminator
    for _ in range(4):
        gan.optimizer.zero_grad()
        (nn.functional.softplus(-D(REAL)).mean() + nn.functional.softplus(D(fake)).mean()).backward()
        gan.optimizer.step()
    torch.testing.assert_close(theta, nn.utils.parameters_to_vector(D.parameters()), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("unroll", [0, 1, 5])
def test_the_gradient_is_that_of_the_function_of_k_steps(
    kind: type[torch.optim.Optimizer], unroll: int
) -> None:
    gan, h = game(unroll, kind), 1e-6
    for parameter in gan.generator.parameters():
        (exact,) = torch.autograd.grad(loss(gan), parameter)
        for place in range(0, parameter.numel(), 3):
            ends = []
            for sign in (1, -2):  # forward, then back to the other side
                parameter.data.view(-1)[place] += sign * h
                ends.append(value(gan))
            parameter.data.view(-1)[place] += h
            assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(
                exact.view(-1)[place].item(), rel=1e-5, abs=1e-8
            )


def test_stopping_the_gradient_is_another_one() -> None:
    """Else the test above could not tell: at K > 0 the way through the updates is a part of the gradient."""
    gan = game(5)
    weight = gan.generator[0].weight
    (through,) = torch.autograd.grad(loss(gan), weight)
    torch.manual_seed(1)
    fake = gan.sample(8)
    stopped = -gan.loss_at(gan.ahead(REAL, fake.detach()).detach(), REAL, fake)
    (short,) = torch.autograd.grad(stopped, weight)
    assert (through - short).norm() > 0.1 * short.norm()


def test_unroll_0_has_the_plain_games_gradients() -> None:
    gan = game(0)
    plain = MinimaxGAN(gan.generator, gan.discriminator, 2)
    torch.manual_seed(1)
    expected = torch.autograd.grad(plain.generator_loss(REAL), list(plain.generator.parameters()))
    torch.testing.assert_close(torch.autograd.grad(loss(gan), list(gan.generator.parameters())), expected)


def test_the_discriminator_keeps_only_the_first_update() -> None:
    """After a round it is where one step of its own has put it, however far the generator looked."""
    ends = []
    for unroll in (0, 6):
        gan = game(unroll)
        torch.manual_seed(2)
        optimizers = {
            "discriminator": gan.optimizer,
            "generator": torch.optim.Adam(gan.generator.parameters(), lr=0.01),
        }
        play(gan, [REAL], optimizers, steps=1, progress=False)
        ends.append(nn.utils.parameters_to_vector(gan.discriminator.parameters()))
    assert torch.equal(*ends)


def test_a_turn_changes_neither_the_discriminator_nor_its_optimizer() -> None:
    gan = game(5)
    weights, state = copy.deepcopy(gan.state_dict()), copy.deepcopy(gan.optimizer.state_dict())
    loss(gan).backward()
    assert all(torch.equal(gan.state_dict()[name], weight) for name, weight in weights.items())
    assert all(p.grad is None for p in gan.discriminator.parameters())
    for index, moments in gan.optimizer.state_dict()["state"].items():
        assert all(torch.equal(v, state["state"][index][name]) for name, v in moments.items())


def test_without_a_graph_the_same_numbers_come() -> None:
    gan = game(5)
    with torch.no_grad():
        measured = loss(gan)
    assert measured.requires_grad is False
    assert measured.item() == pytest.approx(value(gan), rel=1e-12)


def test_a_schedule_of_the_optimizer_is_followed() -> None:
    gan = game(3)
    before = value(gan)
    gan.optimizer.param_groups[0]["lr"] = 0.0
    still = value(gan)
    gan.unroll = 0
    assert still == pytest.approx(value(gan), rel=1e-12) != before


def test_weights_without_a_gradient_leave_it_finite() -> None:
    """Units that are off everywhere: the root of Adam's second moment has an infinite slope at 0."""
    torch.manual_seed(0)
    G, D = mlp(2, 4, 2), mlp(2, 6, 1)
    nn.init.constant_(D[0].bias, -100.0)
    gan = UnrolledGAN(G, D, 2, optimizer=torch.optim.Adam(D.parameters(), lr=0.1), unroll=3)
    gradients = torch.autograd.grad(gan.generator_loss(torch.randn(8, 2)), list(G.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_it_plays_with_spectral_normalisation_from_torch() -> None:
    torch.manual_seed(0)
    G, D = mlp(2, 8, 2), mlp(2, 8, 1)
    for layer in (D[0], D[2]):
        nn.utils.parametrizations.spectral_norm(layer)
    optimizers = {
        "discriminator": torch.optim.Adam(D.parameters(), fused=True),
        "generator": torch.optim.Adam(G.parameters()),
    }
    gan = UnrolledGAN(G, D, 2, optimizer=optimizers["discriminator"], unroll=2)
    history = play(gan, Stream(ring, 16, 3), optimizers, steps=3, progress=False)
    assert history.steps == 3


def test_what_it_cannot_imitate_is_refused() -> None:
    G, D = mlp(2, 4, 2), mlp(2, 4, 1)
    sgd, parameters = torch.optim.SGD, list(D.parameters())
    for optimizer, words in (
        (torch.optim.RMSprop(parameters), "Adam or SGD with one group of parameters, got RMSprop"),
        (torch.optim.AdamW(parameters), "got AdamW"),
        (sgd([{"params": parameters[:1]}, {"params": parameters[1:]}], lr=0.1), "got SGD with 2"),
        (sgd(parameters, lr=0.1, momentum=0.9), "'momentum': 0.9"),
        (sgd(parameters[1:], lr=0.1), "all of them and no others"),
        (sgd(G.parameters(), lr=0.1), "all of them and no others"),
    ):
        with pytest.raises(ValueError, match=words):
            UnrolledGAN(G, D, 2, optimizer=optimizer)
    with pytest.raises(ValueError, match="unroll must be a whole number of at least 0, got -1"):
        UnrolledGAN(G, D, 2, optimizer=sgd(parameters, lr=0.1), unroll=-1)


@pytest.mark.parametrize("kind", [LSGAN, HingeGAN, LabelSmoothingGAN, FeatureMatchingGAN])
def test_it_is_not_combined_with_another_objective_which_it_would_not_imitate(kind: type) -> None:
    critic = mlp(2, 4, 1)
    for bases in ((kind, UnrolledGAN), (UnrolledGAN, kind))[: 1 if kind is FeatureMatchingGAN else 2]:
        both = type("Both", bases, {})
        with pytest.raises(ValueError, match="imitated are those of cross-entropy, and Both has a"):
            both(mlp(2, 2), critic, 2, optimizer=torch.optim.Adam(critic.parameters()))


def test_it_is_not_made_conditional() -> None:
    class Both(ConditionalGAN, UnrolledGAN):
        pass

    critic = Conditioned(mlp(4, 4, 1), 2)
    with pytest.raises(ValueError, match="Both has a logit of its own: unroll by itself"):
        Both(Conditioned(mlp(4, 2), 2), critic, 2, classes=2, optimizer=torch.optim.Adam(critic.parameters()))
