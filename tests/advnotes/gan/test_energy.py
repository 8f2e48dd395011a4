"""EBGAN: energies in closed form, the hinge of each sample, and the pulling-away term against a double loop."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes import play
from advnotes.gan import EBGAN, R1, Autoencoder, ConditionalGAN, Conditioned, pulling_away
from advnotes.nets import mlp


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class FirstCoordinate(nn.Module):
    """A discriminator whose energy is a sample's first coordinate."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x[:, :1]


class Fixed(nn.Module):
    """A generator that makes given samples."""

    def __init__(self, samples: Tensor) -> None:
        super().__init__()
        self.samples = nn.Parameter(samples)

    def forward(self, z: Tensor) -> Tensor:
        return self.samples[: len(z)]


def test_the_pulling_away_term_is_the_mean_of_squared_cosines_over_pairs_of_samples() -> None:
    codes = drawn(7, 3)
    pairs = [(i, j) for i in range(7) for j in range(7) if i != j]
    cosines = torch.stack([F.cosine_similarity(codes[i], codes[j], dim=0) for i, j in pairs])
    torch.testing.assert_close(pulling_away(codes), cosines.square().mean())


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([[2.0, 0.0], [0.0, 0.5]], 0.0),  # with the diagonal it would be 1/2
        ([[1.0, 1.0], [-3.0, -3.0]], 1.0),  # and not -1: opposite codes lie on one line as well
        ([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], 1.0),  # over features it would be 0
        ([[0.0, 0.0], [1.0, 0.0]], 0.0),
    ],
)
def test_the_pulling_away_term_where_it_is_known(codes: list[list[float]], expected: float) -> None:
    x = torch.tensor(codes, requires_grad=True)
    term = pulling_away(x)
    assert term.item() == pytest.approx(expected, abs=1e-6)
    (slope,) = torch.autograd.grad(term, x)
    assert bool(slope.isfinite().all())


def test_pulling_away_turns_codes_until_they_stand_at_right_angles() -> None:
    codes = drawn(3, 3).add(2).requires_grad_()
    optimizer = torch.optim.Adam([codes], lr=0.05)
    first = pulling_away(codes).item()
    for _ in range(300):
        optimizer.zero_grad()
        pulling_away(codes).backward()
        optimizer.step()
    assert first > 0.3
    assert pulling_away(codes).item() < 1e-3


def test_an_autoencoders_energy_and_its_slope_are_those_of_a_quadratic_form() -> None:
    torch.manual_seed(0)
    network = Autoencoder(nn.Linear(4, 2, bias=False), nn.Linear(2, 4, bias=False)).double()
    x = drawn(5, 4).requires_grad_()
    misses = torch.eye(4, dtype=torch.float64) - network.decoder.weight @ network.encoder.weight
    energy = network(x)
    torch.testing.assert_close(energy, (x @ misses.T).square().sum(dim=1) / 4)
    (slope,) = torch.autograd.grad(
        energy.sum(), x
    )  # through input and target: with a detached target it is another
    torch.testing.assert_close(slope, x.detach() @ misses.T @ misses / 2)


def test_the_energy_does_not_depend_on_how_a_sample_is_laid_out() -> None:
    flat = Autoencoder(nn.Linear(4, 2), nn.Linear(2, 4)).double()
    square = Autoencoder(
        nn.Sequential(nn.Flatten(), flat.encoder), nn.Sequential(flat.decoder, nn.Unflatten(1, (1, 2, 2)))
    )
    x = drawn(5, 4)
    torch.testing.assert_close(square(x.view(5, 1, 2, 2)), flat(x))


def test_the_hinge_is_taken_of_each_sample() -> None:
    fakes, real = torch.tensor([[0.0, 9.0], [3.0, 9.0]]), torch.tensor([[0.5, 0.0], [0.7, 0.0]])
    gan = EBGAN(Fixed(fakes), FirstCoordinate(), 1, margin=1.0, pull_away=0.0)
    loss = gan.discriminator_loss(real)
    assert loss.item() == pytest.approx(0.6 + (1 + 0) / 2)  # the hinge of the mean energy, 1.5, would be 0
    assert gan.generator_loss(real).item() == pytest.approx(1.5)
    reached = EBGAN(Fixed(fakes + 2), FirstCoordinate(), 1, margin=1.0, pull_away=0.0)
    assert reached.discriminator_loss(real).item() == pytest.approx(0.6)
    assert reached.generator_loss(real).item() == pytest.approx(3.5)  # the generator's energy has no hinge


def test_the_generators_loss_has_the_weighted_term_on_the_codes() -> None:
    torch.manual_seed(0)
    fakes, network = drawn(6, 4), Autoencoder(nn.Linear(4, 2), nn.Linear(2, 4)).double()
    gan = EBGAN(Fixed(fakes).double(), network, 1, margin=1.0, pull_away=0.3)
    expected = network(fakes).mean() + 0.3 * pulling_away(network.encoder(fakes))
    torch.testing.assert_close(gan.generator_loss(fakes), expected)
    assert pulling_away(network.encoder(fakes)) > 0.01
    plain = EBGAN(gan.generator, network, 1, margin=1.0, pull_away=0.0)
    torch.testing.assert_close(plain.generator_loss(fakes), network(fakes).mean())
    assert plain.discriminator_loss(fakes) == gan.discriminator_loss(
        fakes
    )  # the term is the generator's alone


class Watching(EBGAN):
    turns = ("discriminator",)


def test_the_discriminator_raises_what_is_generated_to_the_margin_and_no_further() -> None:
    torch.manual_seed(0)
    network = Autoencoder(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    t = torch.randn(2000, 1)
    on_a_line, beside = t * torch.tensor([1.0, 2.0]), torch.tensor([[0.4, -0.2]]).repeat(50, 1)
    gan = Watching(Fixed(beside), network, 1, margin=1.0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    play(gan, on_a_line.split(50), {"discriminator": optimizer}, steps=400, progress=False)
    assert network(on_a_line).mean().item() < 0.05
    assert network(beside).mean().item() == pytest.approx(
        1.0, abs=0.1
    )  # a projection onto the line gives it 0.1


def test_it_takes_penalties_and_classes_as_any_gan_does() -> None:
    class ConditionalEBGAN(ConditionalGAN, EBGAN):
        pass

    networks = [Conditioned(mlp(2 + 3, 8, out), classes=3) for out in (2, 1)]
    gan = ConditionalEBGAN(*networks, 2, classes=3, margin=1.0, pull_away=0.0, penalties=[R1(gamma=1.0)])
    real, labels = torch.randn(6, 2), torch.arange(6) % 3
    for loss in (gan.discriminator_loss(real, labels), gan.generator_loss(real, labels)):
        assert bool(loss.isfinite())
    bare = ConditionalEBGAN(*networks, 2, classes=3, margin=0.0, pull_away=0.0)
    assert bare.discriminator_loss(real, labels).item() != gan.discriminator_loss(real, labels).item()


def test_what_cannot_be_meant_is_refused() -> None:
    network = Autoencoder(nn.Linear(3, 2), nn.Linear(2, 3))
    with pytest.raises(
        ValueError, match="Sequential has no module of that name: use Autoencoder, or pull_away=0"
    ):
        EBGAN(mlp(2, 3), mlp(3, 4, 1), 2, margin=1.0)
    with pytest.raises(ValueError, match="which make pairs, got 1: take larger batches"):
        EBGAN(mlp(2, 3), network, 2, margin=1.0).generator_loss(torch.randn(1, 3))
    with pytest.raises(ValueError, match=r"the decoder gives the shape \(5, 1\), the samples have \(5, 3\)"):
        Autoencoder(nn.Linear(3, 2), nn.Linear(2, 1))(torch.randn(5, 3))
    with pytest.raises(ValueError, match="ends with Sigmoid"):
        EBGAN(mlp(2, 3), nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), 2, margin=1.0, pull_away=0.0)
