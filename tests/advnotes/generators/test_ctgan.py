"""The game CTGAN: rows, conditions and packs, losses against their formulas, and a joint that it learns."""

import pytest
import torch
from torch import nn

from advnotes.gan import WGANGP
from advnotes.generators import CTGAN, Layout, RowGenerator, row_critic

LAYOUT = Layout(2, (3, 2), (4, 2))  # 13 wide, conditions of 6


def game(pack: int = 2, **options: object) -> CTGAN:
    torch.manual_seed(0)
    generator = RowGenerator(LAYOUT, 5, (8,))
    return CTGAN(generator, row_critic(LAYOUT, pack, (8,), drop=0.0), 5, pack=pack, **options)


def batch(n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that have what their conditions ask for."""
    drawn = torch.Generator().manual_seed(1)
    blocks = [
        nn.functional.one_hot(torch.randint(size, (n,), generator=drawn), size).float()
        for size in LAYOUT.blocks
    ]
    asked = torch.zeros(n, 6)
    asked[: n // 2, :4], asked[n // 2 :, 4:] = blocks[2][: n // 2], blocks[3][n // 2 :]
    return torch.cat([torch.rand(n, 2, generator=drawn) * 2 - 1, *blocks], dim=1), asked


def test_a_layout_counts_its_widths() -> None:
    assert (LAYOUT.width, LAYOUT.condition, LAYOUT.blocks) == (13, 6, [3, 2, 4, 2])


def test_rows_are_places_and_blocks_that_add_up_to_one() -> None:
    rows = game().sample(50, torch.Generator().manual_seed(0))
    places, *blocks = rows.split([2, *LAYOUT.blocks], dim=1)
    assert places.abs().max() <= 1
    for block in blocks:
        assert torch.allclose(block.sum(dim=1), torch.ones(50))
        assert block.min() >= 0


def test_blocks_are_drawn_by_their_softmax() -> None:
    """The Gumbel trick: the largest entry is distributed by the softmax of the logits."""
    generator = RowGenerator(Layout(0, (), (3,)), 2)
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(20_000, 3)
    drawn = generator.rows(logits, torch.Generator().manual_seed(0)).argmax(dim=1)
    assert (drawn.bincount() / 20_000).tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.02)


def test_a_low_temperature_makes_blocks_one_hot_and_a_high_one_does_not() -> None:
    logits = torch.zeros(500, 3)
    largest = [
        RowGenerator(Layout(0, (), (3,)), 2, temperature=one).rows(logits).amax(dim=1).mean()
        for one in (0.01, 100.0)
    ]
    assert largest[0] > 0.97
    assert largest[1] < 0.36


def test_packs_of_one_are_a_conditional_wgan_gp() -> None:
    """With rows by themselves the critic's loss is WGAN-GP's, of rows with their conditions beside them."""
    ours, (rows, asked) = game(pack=1).eval(), batch()

    class Beside(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return ours.discriminator(torch.cat([x, asked], dim=1))

    plain = WGANGP(ours.generator, Beside(), 5)
    torch.manual_seed(3)
    fake = ours.generated(rows, asked)
    expected = plain.discriminator_objective(rows, fake) + plain.penalties[0](plain.logit, rows, fake)
    torch.manual_seed(3)
    assert ours.discriminator_loss(rows, asked).item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_generator_pays_the_cross_entropy_of_what_it_is_asked_for() -> None:
    """With a critic that says 0, by hand: the mean of -log softmax in the column that the condition speaks of."""
    ours, (rows, asked) = game().eval(), batch()
    nn.init.zeros_(ours.discriminator[-1].weight)
    nn.init.zeros_(ours.discriminator[-1].bias)
    torch.manual_seed(4)
    loss = ours.generator_loss(rows, asked)
    torch.manual_seed(4)
    logits = ours.generator.logits(ours.latent(8), asked)
    first, second = logits[:4, 7:11].log_softmax(dim=1), logits[4:, 11:].log_softmax(dim=1)
    by_hand = -((first * asked[:4, :4]).sum() + (second * asked[4:, 4:]).sum()) / 8
    assert loss.item() == pytest.approx(by_hand.item(), abs=1e-6)


def test_the_critic_sees_several_rows_at_once_with_their_conditions() -> None:
    ours, (rows, asked) = game(pack=4), batch()
    packs = ours.packed(rows), ours.packed(asked)
    assert packs[0].shape == (2, 4 * 13)
    assert torch.equal(packs[0][1, 13:26], rows[5])
    assert ours.logit(*packs).shape == (2,)


def test_samples_are_asked_for_categories_by_their_frequencies() -> None:
    ours = game(frequencies=torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 0.0]))
    seen = []
    ours.generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    ours.sample(20)
    assert torch.equal(seen[0], torch.eye(6)[2].expand(20, 6))


def test_a_generator_decides_and_the_global_one_stays() -> None:
    ours, state = game().eval(), torch.get_rng_state()
    one, two = (ours.sample(9, torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(ours.sample(0)) == 0


def test_tables_without_categories_and_without_numbers_are_played() -> None:
    for layout in (Layout(2, (3, 2), ()), Layout(0, (), (3, 2))):
        ours = CTGAN(RowGenerator(layout, 5, (8,)), row_critic(layout, 2, (8,)), 5, pack=2)
        rows = ours.sample(8).detach()
        asked = (
            torch.eye(layout.condition)[torch.zeros(8, dtype=torch.int64)]
            if layout.condition
            else rows[:, :0]
        )
        for name in ours.players:
            assert ours(name, rows, asked).isfinite()


def test_bad_input_is_refused() -> None:
    rows, asked = batch()
    with pytest.raises(ValueError, match="7 rows do not make packs of 2: take batches of a multiple of it"):
        game().discriminator_loss(rows[:7], asked[:7])
    with pytest.raises(ValueError, match=r"batches \(rows, conditions\), 6 numbers in a condition"):
        game().generator_loss(rows)
    with pytest.raises(ValueError, match="a condition of 6 numbers for each of 3 rows"):
        game().sample(3, labels=torch.zeros(3, 5))
    with pytest.raises(ValueError, match="expected 6 frequencies, one of each category"):
        game(frequencies=torch.ones(5))
    with pytest.raises(ValueError, match="width_of_the_rows must be a whole number of at least 1, got 0"):
        RowGenerator(Layout(0, (), ()))
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        RowGenerator(LAYOUT, temperature=0.0)
