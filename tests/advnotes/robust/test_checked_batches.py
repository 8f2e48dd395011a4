"""Every game refuses what it would get wrong, before it trains on it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from advnotes import Game, play
from advnotes.attacks import FGSM, PGD, Universal
from advnotes.gan import AdvGAN
from advnotes.invariance import DANN, AlternatingDANN, CategoricalDensity, Pivot
from advnotes.robust import (
    TRADES,
    VAT,
    AdversarialTraining,
    FastAdversarialTraining,
    FictitiousPlay,
    FreeAdversarialTraining,
    GradientPenalty,
    MixedBatchTraining,
    SeveralThreats,
)
from advnotes.threats import Linf


def still(model, x, y):
    return x


X, Y = torch.rand(6, 5, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3

#: Games of a model: those that know the range of their inputs, and those that do not.
RANGED: dict[str, Callable[[nn.Module], Game]] = {
    "TRADES": lambda m: TRADES(m, PGD(Linf(0.1), steps=2, best=False)),
    "adversarial": lambda m: AdversarialTraining(m, FGSM(Linf(0.1))),
    "mix": lambda m: AdversarialTraining(m, FGSM(Linf(0.1)), share=0.5),
    "fast": lambda m: FastAdversarialTraining(m, Linf(0.1)),
    "free": lambda m: FreeAdversarialTraining(m, Linf(0.1), (6, 5)),
    "mixed batches": lambda m: MixedBatchTraining(m, FGSM(Linf(0.1))),
    "several": lambda m: SeveralThreats(m, [FGSM(Linf(0.1)), still]),
    "fictitious": lambda m: FictitiousPlay(m, Universal(Linf(0.1), steps=1), X, Y),
}
ANY: dict[str, Callable[[nn.Module], Game]] = {
    "no adversary": lambda m: AdversarialTraining(m, None, share=0.0),
    "own attack": lambda m: AdversarialTraining(m, still),
    "own attacks": lambda m: SeveralThreats(m, [still, still]),
    "penalty": lambda m: GradientPenalty(m, Linf(0.1)),
    "VAT": lambda m: VAT(m, 0.5),
    "VAT, weight 0": lambda m: VAT(m, 0.5, weight=0.0),
}
GAMES = RANGED | ANY


class Answering(nn.Module):
    """A linear network whose answer is changed."""

    def __init__(self, change: Callable[[Tensor], object] = lambda z: z, outputs: int = 3) -> None:
        super().__init__()
        self.layer, self.change = nn.Linear(5, outputs), change

    def forward(self, x):
        return self.change(self.layer(x))


def loss(game: Game, *batch: Tensor) -> Tensor:
    return game.train()(next(iter(game.players)), *batch)


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Answering(lambda z: (z, z)), "tuple"),
        (Answering(outputs=1), "TwoLogits|one logit"),
        (Answering(lambda z: z[:, 0]), "TwoLogits|one logit|must return logits"),
        (Answering(lambda z: z[:2]), "must return logits|batch"),
        (Answering(outputs=2), "labels must lie from 0 to 1, got 2 for sample 2"),
    ],
)
def test_answers_that_are_no_logits_are_refused(name, model, words):
    with pytest.raises(ValueError, match=words):
        loss(GAMES[name](model), X, Y)


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, torch.where(Y == 1, -100, Y), "labels must be class numbers from 0, got -100"),
        (torch.where(X > 0.9, torch.nan, X), Y, "must be finite"),
    ],
)
def test_batches_that_make_no_sense_are_refused(name, x, y, words):
    with pytest.raises(ValueError, match=words):
        loss(GAMES[name](Answering()), x, y)


@pytest.mark.parametrize("name", RANGED)
def test_inputs_out_of_their_range_are_refused(name):
    with pytest.raises(ValueError, match=r"inputs must lie within \[0, 1\]"):
        loss(RANGED[name](Answering()), 4 * X - 2, Y)


@pytest.mark.parametrize(
    "name", [name for name in GAMES if name != "mix"]
)  # one sample in two versions is a batch
def test_a_last_batch_of_one_sample_and_batch_norm_get_their_advice(name):
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    game = GAMES[name](model)
    batches = DataLoader(TensorDataset(X[:5], Y[:5]), batch_size=4)
    with pytest.raises(ValueError, match="drop_last=True"):
        play(game, batches, torch.optim.SGD(model.parameters(), lr=0.1), epochs=1, progress=False)


def test_a_game_around_an_own_attack_refuses_another_shape():
    with pytest.raises(ValueError, match=r"the shape \(6, 5\) that it got, got \(2, 5\)"):
        loss(AdversarialTraining(Answering(), lambda model, x, y: x[:2]), X, Y)


def test_another_precision_is_named():
    with pytest.raises(ValueError, match=r"inputs are torch.float64, the model torch.float32: x.to"):
        loss(AdversarialTraining(Answering(), None, share=0.0), X.double(), Y)


def domains(kind: type[DANN] = DANN) -> DANN:
    return kind(nn.Flatten(), nn.LazyLinear(3), nn.LazyLinear(1))


@pytest.mark.parametrize("kind", [DANN, AlternatingDANN])
@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ((torch.rand(6, 1, 4, 4), Y, torch.rand(6, 3, 4, 4)), "gives gray images three channels"),
        ((torch.rand(6, 1, 4, 4), Y, torch.rand(6, 1, 6, 6)), "bring both to one shape"),
        ((X, Y, X.double()), "bring both to one dtype"),
        ((X, Y, X, Y), "got 4 tensors: leave the target's labels out"),
        ((X, Y), r"expected batches \(x, y, x_target\), got 2 tensors"),
        ((X, Y - 1, X), "class numbers from 0, got -1"),
        ((X, Y + 1, X), "do they count from 1"),
    ],
)
def test_domains_that_do_not_go_together_are_refused(kind, batch, words):
    game = domains(kind)
    game.classifier(batch[0])
    game.domain_head(batch[0].flatten(1))
    with pytest.raises(ValueError, match=words):
        game("network" if kind is DANN else "classifier", *batch)


def test_a_domain_head_that_ends_with_a_sigmoid_is_refused():
    with pytest.raises(ValueError, match="the domain_head ends with Sigmoid"):
        DANN(nn.Flatten(), nn.Linear(5, 3), nn.Sequential(nn.Linear(5, 1), nn.Sigmoid()))


@pytest.mark.parametrize("player", ["model", "adversary"])
@pytest.mark.parametrize(
    ("y", "nuisance", "words"),
    [
        (2 * (Y % 2) - 1, Y % 2, "class numbers from 0, got -1"),
        (Y % 2 + 1, Y % 2, "wants the labels 0 and 1, got labels up to 2"),
        (Y, Y % 2, "wants the labels 0 and 1, got labels up to 2"),
        (Y % 2, (Y % 2)[:4], "a finite nuisance for each of 6 samples"),
        (Y % 2, torch.full((6,), torch.nan), "leave out the samples whose nuisance is missing"),
    ],
)
def test_a_pivot_of_one_logit_wants_labels_0_and_1_and_every_nuisance(player, y, nuisance, words):
    with pytest.raises(ValueError, match=words):
        Pivot(Answering(outputs=1), CategoricalDensity(1, 2), 1.0)(player, X, y, nuisance)


def test_a_pivots_adversary_gives_one_number_to_each_sample():
    class Column(CategoricalDensity):
        def forward(self, s, nuisance):
            return super().forward(s, nuisance)[:, None]

    with pytest.raises(ValueError, match=r"log-density of each of 6 samples, got shape \[6, 1\]"):
        Pivot(Answering(outputs=1), Column(1, 2), 1.0)("adversary", X, Y % 2, Y % 2)


def test_unlabelled_inputs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"unlabelled inputs have the shape \(4,\), labelled ones \(5,\)"):
        VAT(Answering(), 0.5).model_loss(X, Y, torch.rand(6, 4))


def test_perturbing_networks_are_trained_on_inputs_in_their_range():
    game = AdvGAN(nn.Linear(5, 5), nn.Linear(5, 1), Answering(), Linf(0.1))
    for player in game.players:
        with pytest.raises(ValueError, match="inputs must lie within"):
            game(player, 4 * X, Y)
