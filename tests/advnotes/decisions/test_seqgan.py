"""SeqGAN and its parts against enumeration over tiny alphabets; what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes import play
from advnotes.data import batches
from advnotes.decisions import LSTMWriter, MaximumLikelihood, SeqGAN, SequenceCritic, random_oracle
from advnotes.decisions.parts.sequences import draw

EVERY = torch.cartesian_prod(
    *[torch.arange(3)] * 3
)  # all 27 sequences of three tokens of an alphabet of three


def writer(seed: int = 0) -> LSTMWriter:
    torch.manual_seed(seed)
    return LSTMWriter(3, 3, width=6, embedding=4).double()


class BestCritic(nn.Module):
    """The exact D* = p / (p + q): its logit is log p - log q."""

    def __init__(self, p: LSTMWriter, q: LSTMWriter) -> None:
        super().__init__()
        self.p, self.q = p, q

    def forward(self, x: Tensor) -> Tensor:
        return (self.p.log_prob(x) - self.q.log_prob(x)).detach().sum(dim=1)


class AsInThePaper(SeqGAN):
    def advantages(self, rewards: Tensor) -> Tensor:
        return rewards


def setting(rollouts: int = 4) -> tuple[AsInThePaper, Tensor, Tensor]:
    """A game with the exact critic; all sequences' probabilities under the writer, and D* of each."""
    q = writer()
    critic = BestCritic(random_oracle(3, 3, 5, torch.Generator().manual_seed(1)).double(), writer())
    game = AsInThePaper(q, critic, rollouts=rollouts)
    return game, q.log_prob(EVERY).sum(dim=1).exp(), torch.sigmoid(critic(EVERY))


def exact_values(chance: Tensor, judged: Tensor) -> Tensor:
    """Q of every sequence at every step: the mean of D over all sequences that begin alike."""
    columns = []
    for t in (1, 2, 3):
        alike = (EVERY[:, None, :t] == EVERY[None, :, :t]).all(dim=2) * chance.detach()
        columns.append((alike @ judged) / alike.sum(dim=1))
    return torch.stack(columns, dim=1)


def gradient(loss: Tensor, game: SeqGAN) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(game.generator.parameters()))])


def test_probabilities_of_all_sequences_sum_to_one():
    for temperature in (1.0, 0.4):
        total = writer().log_prob(EVERY, temperature).sum(dim=1).exp().sum()
        assert total.item() == pytest.approx(1, abs=1e-12)


def test_tokens_are_drawn_with_their_probabilities():
    logits = torch.tensor([0.0, 1.0, -1.0, -math.inf, 2.0]).repeat(40_000, 1)
    drawn = draw(logits, torch.Generator().manual_seed(0)).bincount(minlength=5) / 40_000
    assert (drawn - logits[0].softmax(dim=0)).abs().max() < 0.015  # six standard deviations
    assert drawn[3] == 0


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_sequences_are_written_with_their_probabilities(temperature):
    q = writer()
    chance = q.log_prob(EVERY, temperature).sum(dim=1).exp()
    x = q.sample(30_000, torch.Generator().manual_seed(0), temperature)
    found = (x @ torch.tensor([9, 3, 1])).bincount(minlength=27) / 30_000
    assert (found - chance).abs().max() < 0.017


def test_a_generator_repeats_what_is_written_and_leaves_the_global_one():
    q, before = writer(), torch.get_rng_state()
    one, other = (q.sample(50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert one.equal(other)
    assert torch.get_rng_state().equal(before)
    assert q.complete(one, temperature=0.3).equal(one)  # nothing is left to write


def test_rollouts_keep_their_prefixes_and_end_as_the_writer_would():
    q, x = writer(), torch.tensor([[0, 1, 2]]).repeat(2, 1)
    ends = q.rollouts(x, 20_000, torch.Generator().manual_seed(0))
    assert ends.shape == (2, 20_000, 2, 3)
    for t in (1, 2):
        assert (ends[t - 1, :, :, :t] == x[:, :t]).all()
        alike = (EVERY[:, :t] == x[0, :t]).all(dim=1)
        chance = q.log_prob(EVERY).sum(dim=1).exp() * alike
        found = (ends[t - 1].flatten(0, 1) @ torch.tensor([9, 3, 1])).bincount(minlength=27) / 40_000
        assert (found - chance / chance.sum()).abs().max() < 0.015


def test_rewards_are_the_enumerated_values_of_the_exact_critic():
    game, chance, judged = setting(rollouts=20_000)
    torch.manual_seed(0)
    rewards = game.rewards(EVERY)
    exact = exact_values(chance, judged)
    assert (
        rewards - exact
    ).abs().max() < 0.02  # 20,000 answers within [0, 1]: six standard deviations at most
    assert (rewards[:, 2] - judged).abs().max() < 1e-12


def test_reinforce_is_the_gradient_of_the_expected_answer_by_enumeration():
    """Equation 7: summed over all sequences, each with its probability, the surrogate has the exact gradient."""
    game, chance, judged = setting()
    exact = gradient(-(chance * judged).sum(), game)
    values = exact_values(chance, judged)
    loss = 27 * game.policy_loss(EVERY, chance.detach()[:, None] * values)
    assert (gradient(loss, game) - exact).abs().max() < 1e-12
    # and whatever is subtracted that does not depend on the token changes nothing
    shifted = 27 * game.policy_loss(
        EVERY, chance.detach()[:, None] * (values - torch.tensor([0.3, 0.5, 0.7]))
    )
    assert (gradient(shifted, game) - exact).abs().max() < 1e-12


def test_the_loss_that_is_played_has_that_gradient_on_average():
    game, chance, judged = setting(rollouts=2)
    exact = gradient(-(chance * judged).sum(), game)
    torch.manual_seed(0)
    mean = gradient(game.generator_loss(EVERY.repeat(3000, 1)), game)
    assert F.cosine_similarity(mean, exact, dim=0) > 0.9
    assert mean.norm() / exact.norm() == pytest.approx(1, abs=0.3)


def test_advantages_are_standardised_in_each_place():
    game, rewards = SeqGAN(writer(), SequenceCritic(3, 3)), torch.rand(50, 3) * torch.tensor([0.1, 0.5, 1.0])
    advantages = game.advantages(rewards)
    assert advantages.mean(dim=0).abs().max() < 1e-5
    assert (advantages.std(dim=0, correction=0) - 1).abs().max() < 0.01
    assert (advantages - game.advantages(rewards + 0.2)).abs().max() < 1e-3
    assert game.advantages(torch.full((50, 3), 0.7)).abs().max() < 1e-2  # nothing to choose between


def test_the_critics_loss_is_the_cross_entropy():
    game = SeqGAN(writer(), SequenceCritic(3, 3).double())
    torch.manual_seed(5)
    loss = game.discriminator_loss(EVERY)
    torch.manual_seed(5)
    written = game.sample(27)
    judged = torch.sigmoid(game.discriminator(torch.cat([EVERY, written]))).flatten()
    labels = torch.cat([torch.ones(27), torch.zeros(27)]).double()
    assert loss.item() == pytest.approx(2 * F.binary_cross_entropy(judged, labels).item(), abs=1e-9)


def test_play_moves_both_and_maximum_likelihood_learns_what_it_reads():
    torch.manual_seed(0)
    oracle = random_oracle(3, 3, 8)
    real, q = oracle.sample(4000), LSTMWriter(3, 3, width=16)
    entropy = float(-oracle.log_prob(real).mean())
    adam = {"generator": torch.optim.Adam(q.parameters(), 0.02)}
    play(MaximumLikelihood(q), batches(real, batch_size=200), adam, steps=200, progress=False)
    with torch.no_grad():
        assert float(-q.log_prob(real).mean()) == pytest.approx(entropy, abs=0.02)


def test_a_critics_answer_pulls_the_writer():
    """With a critic that counts a token, SeqGAN writes nothing else."""

    class Likes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            return self.weight * ((x == 2).sum(dim=1) - 1.5)

    game = SeqGAN(writer().float(), Likes(), rollouts=2)
    game.turns = ("generator",)
    adam = {"generator": torch.optim.Adam(game.generator.parameters(), 0.05)}
    before = (game.sample(500) == 2).float().mean()
    play(game, batches(EVERY, batch_size=27), adam, steps=60, progress=False)
    assert before < 0.7
    assert (game.sample(500) == 2).float().mean() > 0.95


BAD: dict[str, tuple[Any, str]] = {
    "floats": (torch.rand(4, 3), "int64 token numbers, got torch.float32: x.argmax"),
    "bytes": (torch.ones(4, 3, dtype=torch.uint8), "int64 token numbers, got torch.uint8: x.long"),
    "one sequence": (torch.zeros(3, dtype=torch.int64), r"add the batch's dimension to one, x\[None\]"),
    "none": (torch.zeros(0, 3, dtype=torch.int64), "leave an empty batch out"),
    "no tokens": (torch.zeros(4, 0, dtype=torch.int64), "must have 3 tokens each, got 0"),
    "longer": (torch.zeros(4, 5, dtype=torch.int64), "must have 3 tokens each, got 5: cut them"),
    "another alphabet": (torch.tensor([[0, 1, 2], [1, 2, 3]]), "from 0 to 2, got 1 to 3 in row 1"),
    "negative": (torch.tensor([[0, -1, 2]]), "from 0 to 2, got -1 to 2 in row 0"),
    "a list": ([[0, 1, 2]], "must be a tensor of token numbers, got list"),
}


def test_sequences_of_one_token_have_the_critics_answer_for_a_value():
    game = SeqGAN(LSTMWriter(3, 1, 4, 4), SequenceCritic(3, 1, kernels=(1,)), rollouts=2)
    x = torch.arange(3)[:, None]
    assert game.rewards(x).equal(torch.sigmoid(game.logit(x))[:, None].detach())
    assert bool(game.generator_loss(x).isfinite())


def test_rewards_leave_the_critic_as_it_was_and_are_given_without_dropout():
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drop, self.head = nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.drop(self.norm(x.float())))

    game = SeqGAN(LSTMWriter(3, 3, 4, 4), Noisy(), rollouts=1)
    before = {name: value.clone() for name, value in game.discriminator.state_dict().items()}
    whole = game.rewards(EVERY)[:, -1]
    assert game.discriminator.training
    assert all(value.equal(before[name]) for name, value in game.discriminator.state_dict().items())
    game.discriminator.eval()
    assert whole.equal(torch.sigmoid(game.logit(EVERY)).detach())


def test_half_precision_reaches_rare_tokens():
    drawn = draw(torch.zeros(20_000, 1000, dtype=torch.bfloat16), torch.Generator().manual_seed(0))
    assert len(drawn.unique()) == 1000  # the chance of one to be missing is 2e-6
    assert LSTMWriter(3, 3, 4, 4).bfloat16().log_prob(EVERY).dtype == torch.float32


def test_a_writer_that_has_diverged_writes_nothing():
    q = LSTMWriter(3, 3, 4, 4)
    nn.init.constant_(q.head.bias, math.nan)
    for ask in (lambda: q.sample(2), lambda: q.rollouts(EVERY, 1)):
        with pytest.raises(ValueError, match="NaN or infinite"):
            ask()


def test_an_oracle_of_a_generator_leaves_the_global_one():
    before = torch.get_rng_state()
    one, other = (random_oracle(3, 3, 4, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.get_rng_state().equal(before)
    assert one.log_prob(EVERY).equal(other.log_prob(EVERY))


@pytest.mark.usefixtures("unchecked")
def test_advantages_are_not_broadcast():
    game, x = SeqGAN(LSTMWriter(3, 3, 4, 4), SequenceCritic(3, 3)), EVERY[:3]
    for shape in ((3,), (3, 1), (1, 3)):
        with pytest.raises(ValueError, match=r"an advantage for each token, of shape \(3, 3\), got"):
            game.policy_loss(x, torch.ones(shape))


@pytest.mark.usefixtures("unchecked")
def test_prefixes_that_are_no_tensor_are_refused():
    with pytest.raises(ValueError, match="prefixes must be a tensor of token numbers, got list"):
        LSTMWriter(3, 3, 4, 4).complete([[0]])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", BAD)
def test_other_sequences_are_refused_at_every_entrance(name):
    x, message = BAD[name]
    q, critic = LSTMWriter(3, 3, 4, 4), SequenceCritic(3, 3)
    game = SeqGAN(q, critic)
    for ask in (q, q.log_prob, critic, game.discriminator_loss, game.generator_loss):
        with pytest.raises(ValueError, match=message):
            ask(x)
    with pytest.raises(ValueError, match=message):
        MaximumLikelihood(q).generator_loss(x)
    with pytest.raises(ValueError, match=message):
        q.rollouts(x, 2)


def test_numbers_are_refused_where_they_make_no_sense():
    q = LSTMWriter(3, 3, 4, 4)
    with pytest.raises(ValueError, match="tokens must be a whole number of at least 1"):
        LSTMWriter(0, 3)
    with pytest.raises(ValueError, match="n must be a whole number of at least 1"):
        q.sample(0)
    for ask in (lambda: q.sample(2, temperature=0.0), lambda: q.log_prob(EVERY, -1.0)):
        with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
            ask()
    with pytest.raises(ValueError, match="count must be a whole number of at least 1"):
        q.rollouts(EVERY, 0)
    with pytest.raises(ValueError, match="rollouts must be a whole number of at least 1"):
        SeqGAN(q, SequenceCritic(3, 3), rollouts=0)
    with pytest.raises(
        ValueError, match=r"kernels must be one size or more from 1 to length=3, got \(2, 4\)"
    ):
        SequenceCritic(3, 3, kernels=(2, 4))
    with pytest.raises(ValueError, match="prefixes must have 3 tokens each, got 4"):
        q.complete(torch.zeros(2, 4, dtype=torch.int64))


def test_critics_that_give_no_logit_are_refused():
    q = LSTMWriter(3, 3, 4, 4)
    with pytest.raises(ValueError, match="ends with Sigmoid"):
        SeqGAN(q, nn.Sequential(SequenceCritic(3, 3), nn.Sigmoid()))
    two = nn.Sequential(nn.Embedding(3, 2), nn.Flatten(), nn.Linear(6, 2))
    with pytest.raises(ValueError, match="one logit for each of 27 sequences"):
        SeqGAN(q, two).discriminator_loss(EVERY)
    with pytest.raises(ValueError, match="a batch of 1: take 2 or more"):
        SeqGAN(q, SequenceCritic(3, 3)).generator_loss(EVERY[:1])
