"""Coupled GANs against their limits: two GANs side by side, one network with two ends, and what a tie means."""

import copy

import pytest
import torch
from torch import nn

from advnotes import GAN, data, play
from advnotes.generators import CoupledGAN, Tied, tie
from advnotes.loop import CheckpointError
from advnotes.nets import mlp
from advnotes.testing import check_game

DRAWN = torch.Generator().manual_seed(0)
X1 = torch.randn(12, 3, generator=DRAWN, dtype=torch.float64)
X2 = torch.randn(12, 4, generator=DRAWN, dtype=torch.float64)  # the domains may differ in shape


def networks(seed: int = 0) -> tuple[list[nn.Sequential], list[nn.Sequential]]:
    torch.manual_seed(seed)
    generators = [mlp(2, 6, 5, wide, activation=nn.Tanh).double() for wide in (3, 4)]
    discriminators = [mlp(wide, 6, 5, 1, activation=nn.Tanh).double() for wide in (3, 4)]
    return generators, discriminators


def coupled(first: int = 4, last: int = 3) -> CoupledGAN:
    generators, discriminators = networks()
    return CoupledGAN(tie(generators, first=first), tie(discriminators, last=last), 2)


def by_adam(game: nn.Module, **players: nn.Module) -> dict[str, torch.optim.Optimizer]:
    found = players or {"generator": game.generator, "discriminator": game.discriminator}
    return {name: torch.optim.Adam(player.parameters(), lr=1e-2) for name, player in found.items()}


class SameLatent(GAN):
    """A GAN whose latent vectors are those of a coupled game, turn by turn."""

    def __init__(self, *players: nn.Module, drawn: list[torch.Tensor]) -> None:
        super().__init__(*players, latent_size=2)
        self.drawn = list(drawn)

    def latent(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.drawn.pop(0)


def test_untied_it_is_two_gans_played_side_by_side() -> None:
    steps = 25
    game = coupled(first=0, last=0)
    torch.manual_seed(5)
    play(game, [(X1, X2)], by_adam(game), steps=steps, progress=False)
    torch.manual_seed(5)
    drawn = [torch.randn(12, 2, dtype=torch.float64) for _ in range(2 * steps)]
    generators, discriminators = networks()
    for i, real in enumerate((X1, X2)):
        alone = SameLatent(generators[i], discriminators[i], drawn=drawn)
        play(alone, [real], by_adam(alone), steps=steps, progress=False)
        for tied, network in ((game.generator, generators[i]), (game.discriminator, discriminators[i])):
            z = torch.randn(7, next(network.parameters()).shape[1], dtype=torch.float64)
            torch.testing.assert_close(tied.network(i, z), network(z), rtol=0, atol=1e-6)


def test_the_loss_is_the_sum_of_both_domains_at_the_same_latent_vectors() -> None:
    game = coupled()
    torch.manual_seed(1)
    z = torch.randn(12, 2, dtype=torch.float64)
    real_logits = [game.discriminator.network(i, x) for i, x in enumerate((X1, X2))]
    fake_logits = [game.discriminator.network(i, game.generator.network(i, z)) for i in range(2)]
    expected = {
        "discriminator": -sum(torch.sigmoid(r).log().mean() + (1 - torch.sigmoid(f)).log().mean()
                              for r, f in zip(real_logits, fake_logits, strict=True)),
        "generator": -sum(torch.sigmoid(f).log().mean() for f in fake_logits),
    }  # fmt: skip
    for player, value in expected.items():
        torch.manual_seed(1)
        torch.testing.assert_close(game(player, X1, X2), value, rtol=1e-12, atol=0)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_tied_parameters_get_the_gradients_of_both_domains(player: str) -> None:
    game, copies = coupled(), coupled(first=0, last=0)
    torch.manual_seed(2)
    game(player, X1, X2).backward()
    # The same networks untied: every layer twice, with the same values.
    for i in range(2):
        whole = (
            [game.generator.first, game.generator.own[i]],
            [game.discriminator.own[i], game.discriminator.last],
        )
        for untied, layers in zip((copies.generator, copies.discriminator), whole, strict=True):
            untied.own[i].load_state_dict(
                nn.Sequential(*(layer for part in layers for layer in part)).state_dict()
            )
    torch.manual_seed(2)
    copies(player, X1, X2).backward()
    untied = getattr(copies, player)
    apart = [[parameter.grad for parameter in network.parameters()] for network in untied.own]
    tied = getattr(game, player)
    common = list((tied.first if player == "generator" else tied.last).parameters())
    assert len(common) == 4
    for k, parameter in enumerate(common):
        at = k if player == "generator" else k + 2
        both = apart[0][at] + apart[1][at]
        assert float(apart[0][at].abs().max()) > 0 < float(apart[1][at].abs().max())
        torch.testing.assert_close(parameter.grad, both, rtol=1e-9, atol=1e-12)


def test_tied_parameters_are_counted_once_and_stepped_once() -> None:
    game = coupled()
    assert (
        len(list(game.generator.parameters())) == 4 + 2 * 2
    )  # two layers in common, one of each network's own
    before = copy.deepcopy(game)
    optimizers = {name: torch.optim.SGD(player.parameters(), lr=0.1) for name, player in game.players.items()}
    torch.manual_seed(3)
    play(game, [(X1, X2)], optimizers, steps=1, progress=False)
    torch.manual_seed(3)
    before.discriminator_loss(X1, X2).backward()
    for now, then in zip(game.discriminator.parameters(), before.discriminator.parameters(), strict=True):
        torch.testing.assert_close(now, then - 0.1 * then.grad, rtol=1e-12, atol=1e-15)


def test_networks_that_are_alike_to_their_ends_make_twins() -> None:
    """With all but the last layer tied, equal last layers give equal pictures, and a negated one the negatives."""
    torch.manual_seed(0)
    one, other = (nn.Sequential(*mlp(2, 6, 5), nn.Sigmoid()) for _ in range(2))
    generators = tie([one, other], first=2)
    with torch.no_grad():
        for mine, theirs in zip(generators.own[0].parameters(), generators.own[1].parameters(), strict=True):
            theirs.copy_(-mine)
    picture, negative = generators(torch.randn(9, 2))
    torch.testing.assert_close(negative, 1 - picture)


def test_one_input_goes_through_the_common_layers_once() -> None:
    torch.manual_seed(0)
    normalised = nn.BatchNorm1d(2)
    tied = Tied([nn.Linear(2, 2), nn.Linear(2, 3)], first=normalised, last=nn.Tanh())
    z = torch.randn(8, 2)
    together = tied(z)
    assert int(normalised.num_batches_tracked) == 1
    for made, apart, i in zip(together, tied(z, z), range(2), strict=True):
        torch.testing.assert_close(made, apart)
        torch.testing.assert_close(made, tied.network(i, z))
    assert len(tied) == 2


def test_rows_of_a_sample_belong_together_and_the_generator_decides_them() -> None:
    game = coupled()
    drawn = game.sample(5, torch.Generator().manual_seed(4))
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    for i, (part, shape) in enumerate(zip(drawn, ((5, 3), (5, 4)), strict=True)):
        assert part.shape == shape
        torch.testing.assert_close(part, game.generator.network(i, z), rtol=1e-12, atol=1e-12)
    assert [len(part) for part in game.sample(0)] == [0, 0]


def test_three_domains_and_batches_of_unequal_size_are_played() -> None:
    torch.manual_seed(0)
    game = CoupledGAN(
        tie([mlp(2, 4, 3) for _ in range(3)], first=2), tie([mlp(3, 4, 1) for _ in range(3)], last=1), 2
    )
    batch = (torch.rand(6, 3), torch.rand(4, 3), torch.rand(5, 3))
    assert [len(part) for part in game.generated(*batch)] == [6, 6, 6]
    check_game(
        lambda: CoupledGAN(
            tie([mlp(2, 4, 3) for _ in range(3)], first=2), tie([mlp(3, 4, 1) for _ in range(3)], last=1), 2
        ),
        batch,
    )


def test_pairs_of_two_loaders_are_its_batches() -> None:
    game = coupled().float()
    loaders = (data.batches(X1.float(), batch_size=4), data.batches(X2.float(), batch_size=6))
    history = play(game, data.Pairs(*loaders), by_adam(game), epochs=2, progress=False)
    assert len(history.losses["generator"]) == 6  # three batches of the longer one, twice


def test_a_checkpoint_of_other_ties_is_refused(tmp_path) -> None:
    game = coupled()
    play(game, [(X1, X2)], by_adam(game), steps=2, checkpoint=tmp_path, progress=False)
    other = coupled(first=2)
    with pytest.raises(CheckpointError):
        play(other, [(X1, X2)], by_adam(other), steps=4, checkpoint=tmp_path, progress=False)


def test_a_game_of_another_latent_size_has_other_settings() -> None:
    assert coupled().settings()["latent_size"] == "2"


def test_what_cannot_be_meant_is_refused() -> None:
    generators, discriminators = networks()
    with pytest.raises(ValueError, match="two networks or more to tie, got 1"):
        tie(generators[:1], first=2)
    with pytest.raises(ValueError, match="two networks or more to tie, got 0"):
        tie([])
    with pytest.raises(ValueError, match=r"nn.Sequential, got Linear: hand their parts"):
        tie([nn.Linear(2, 2), nn.Linear(2, 2)])
    with pytest.raises(ValueError, match="first=4 and last=1 leave network 0, of 5 layers, none of its own"):
        tie(generators, first=4, last=1)
    with pytest.raises(ValueError, match="first must be"):
        tie(generators, first=-1)
    with pytest.raises(ValueError, match="one input for all of 2 networks or one for each, got 3"):
        tie(generators)(X1, X1, X1)
    with pytest.raises(ValueError, match=r"such as Tied\(\[N1, N2\]\), got Sequential and Tied"):
        CoupledGAN(generators[0], tie(discriminators), 2)
    with pytest.raises(ValueError, match="a discriminator for each generator, got 2 for 3"):
        CoupledGAN(Tied([*generators, copy.deepcopy(generators[0])]), tie(discriminators), 2)
    with pytest.raises(ValueError, match="discriminator 1 ends with Sigmoid"):
        CoupledGAN(tie(generators), Tied([discriminators[0], nn.Sequential(mlp(4, 1), nn.Sigmoid())]), 2)
    game = coupled()
    with pytest.raises(ValueError, match="each of 2 domains, got 3 tensors: leave labels out"):
        game.discriminator_loss(X1, X1, X2)
    with pytest.raises(ValueError, match=r"generated samples have the shape \(4,\), the data's \(3,\)"):
        game.generator_loss(X1, X1)
    with pytest.raises(ValueError, match="a batch of real samples, got the shape"):
        game.generator_loss(X1, X2[:0])
    wide = CoupledGAN(tie(generators), tie([mlp(3, 2).double(), mlp(4, 2).double()]), 2)
    with pytest.raises(ValueError, match="one logit for each of 12 samples"):
        wide.discriminator_loss(X1, X2)


@pytest.mark.parametrize("last", [None, nn.Sequential(), nn.Identity()])
def test_a_sigmoid_is_found_where_no_last_layers_are_tied(last: nn.Module | None) -> None:
    generators, _ = networks()
    ending = [nn.Sequential(mlp(wide, 1).double(), nn.Sigmoid()) for wide in (3, 4)]
    with pytest.raises(ValueError, match="discriminator 0 ends with Sigmoid"):
        CoupledGAN(tie(generators, first=4), Tied(ending, last=last), 2)
    with pytest.raises(ValueError, match="discriminator 0 ends with Sigmoid"):
        CoupledGAN(tie(generators, first=4), tie(ending, first=0, last=0), 2)


def test_one_network_is_not_taken_for_two() -> None:
    one, other = networks()[0][0], copy.deepcopy(networks()[0][0])
    with pytest.raises(ValueError, match="networks 0 and 1 are the same layers"):
        tie([one, one], first=4)
    with pytest.raises(ValueError, match="networks 0 and 2 are the same layers"):
        Tied([one, other, one])
    assert len(tie([one, other], first=4)) == 2
    assert len(Tied([nn.Flatten(), nn.Flatten()], last=one)) == 2  # nothing of their own that could differ
    shared = nn.Linear(2, 3)
    assert len(Tied([nn.Sequential(shared, nn.Sigmoid()), nn.Sequential(shared, nn.Tanh())])) == 2


def test_the_discriminators_loss_has_no_gradient_in_the_generators() -> None:
    game = coupled()
    game.discriminator_loss(X1, X2).backward()
    assert all(parameter.grad is None for parameter in game.generator.parameters())
    assert all(parameter.grad is not None for parameter in game.discriminator.parameters())


def test_the_non_saturating_loss_moves_both_generators_from_a_lost_game() -> None:
    game = coupled(first=0, last=0)
    with torch.no_grad():
        for network in game.discriminator.own:
            network[-1].bias.fill_(-20.0)  # D gives what is generated a probability of about e**-20
    game.generator_loss(X1, X2).backward()
    for network in game.generator.own:
        assert max(float(parameter.grad.abs().max()) for parameter in network.parameters()) > 1e-3
