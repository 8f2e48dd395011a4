"""Our domain-adversarial training against skada's: weight by weight, and as two estimators on turned crescents.

skada adds up the losses of the two domains where ours takes their mean: that is its ``reg`` of one half. It has no
schedule of the strength, so that a callback sets it. Its ``DomainClassifier`` gets our layers: its own end in the
softmax of a single number, which is 1 whatever goes in, and nothing is learned against that.

fairlearn has nothing that is the same method: its adversarial classifier (Zhang et al. 2018) takes out of the
classifier's gradient the part that would help the adversary, at every strength, and learning to pivot never does.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from skada import deep
from skada.deep.base import DomainBalancedDataLoader
from skada.deep.modules import DomainClassifier
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, LRScheduler
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import LambdaLR

from advnotes import nets, play
from advnotes.data import moons
from advnotes.invariance import DANN
from advnotes.sklearn import DomainAdversarialClassifier

Array = np.ndarray[Any, np.dtype[Any]]
Domain = tuple[Array, Array]

SOURCE, TARGET, UNKNOWN = 1, -2, -1  # as skada marks domains and missing labels


class Classifier(nn.Sequential):
    """Features and label head in one; skada hands over weights of the samples when it predicts."""

    def forward(self, x: Tensor, sample_weight: None = None) -> Tensor:
        return super().forward(x)


class Growing(Callback):
    """The strength of step t of T: 2 / (1 + exp(-10 t / T)) - 1."""

    def __init__(self, steps: int) -> None:
        self.steps, self.step = steps, 0

    def on_batch_begin(self, net: Any, batch: Any = None, training: bool = False, **_: Any) -> None:
        if training:
            net.module_.domain_classifier_.alpha = 2 / (1 + math.exp(-10 * self.step / self.steps)) - 1
            self.step += 1


def their_dann(
    features: nn.Module, label_head: nn.Module, domain_head: nn.Module, strength: float = 1.0, **settings: Any
) -> Any:
    reversing = DomainClassifier(num_features=1, alpha=strength)
    reversing.classifier = domain_head
    return deep.DANN(
        Classifier(features, label_head),
        layer_name="0",
        reg=0.5,
        domain_classifier=reversing,
        domain_criterion=nn.BCEWithLogitsLoss(),
        train_split=None,
        verbose=0,
        **settings,
    )


def crescents(size: int, seed: int, degrees: float = 0.0) -> Domain:
    """Turned around their middle."""
    x, y = moons(size, 0.05, torch.Generator().manual_seed(seed))
    angle, middle = math.radians(degrees), np.array([0.5, 0.25])
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return (x.double().numpy() - middle) @ turn + middle, y.numpy()


def both(source: Domain, target: Domain) -> tuple[Array, Array, Array]:
    """Points, labels as far as they are known, and domains, as skada wants them."""
    (x, y), (x_target, _) = source, target
    domain = np.repeat([SOURCE, TARGET], [len(x), len(x_target)])
    return np.concatenate([x, x_target]), np.concatenate([y, np.full(len(x_target), UNKNOWN)]), domain


@pytest.mark.parametrize("strength", [1.0, 0.3, None], ids=["full", "weak", "growing"])
@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_the_same_batches_make_the_same_weights(strength: float | None, optimizer: Any) -> None:
    torch.manual_seed(0)
    parts = nn.Sequential(nn.Linear(2, 15), nn.ReLU()), nn.Linear(15, 2), nets.mlp(15, 15, 1)
    networks = nn.ModuleList(parts).double()
    first = {name: weight.clone() for name, weight in networks.state_dict().items()}
    batches: list[tuple[Tensor, Tensor, Tensor]] = []

    class Loader(DomainBalancedDataLoader):  # type: ignore[misc]
        """Theirs; what it hands out is kept for ours."""

        def __iter__(self) -> Iterator[Any]:
            for batch in super().__iter__():
                values, y = batch
                x, here = values["X"], values["sample_domain"] == SOURCE
                batches.append((x[here], y[here], x[~here]))
                yield batch

    steps, rate = 40, 0.3 if optimizer is SGD else 0.01
    settings = dict(optimizer=optimizer, lr=rate, batch_size=32, max_epochs=5)
    growing = [Growing(steps)] if strength is None else []
    estimator = their_dann(*parts, strength=strength or 0.0, callbacks=growing, **settings)
    estimator.set_params(iterator_train=Loader)
    estimator.fit(*both(crescents(256, 0), crescents(256, 1, degrees=35)))
    theirs = {name: weight.clone() for name, weight in networks.state_dict().items()}
    assert len(batches) == steps

    networks.load_state_dict(first)
    game = DANN(*parts, strength=1.0 if strength is None else strength, warmup=0 if strength else steps)
    play(game, batches, optimizer(networks.parameters(), lr=rate), epochs=1, progress=False)
    for name, weight in networks.state_dict().items():
        torch.testing.assert_close(weight, theirs[name], rtol=0, atol=1e-9)
        assert (weight - first[name]).abs().max() > 0.02, f"{name} has hardly moved"


STEPS, BATCH, RATE = 800, 128, 0.015


def our_share(source: Domain, target: Domain, test: Domain, seed: int, strength: float = 1.0) -> float:
    """Of the target's points, how many our estimator gets right."""
    (x, y), (x_target, _) = source, target
    of_target = np.repeat([False, True], [len(x), len(x_target)])
    estimator = DomainAdversarialClassifier(
        strength, (15,), (15,), steps=STEPS, batch_size=BATCH, learning_rate=RATE, random_state=seed
    )
    estimator.fit(np.concatenate([x, x_target]), np.concatenate([y, y]), of_target)
    return float(estimator.score(*test))


def their_share(source: Domain, target: Domain, test: Domain, seed: int) -> float:
    """The same of theirs, given what ours has by itself: columns, schedules, and batches drawn with replacement."""
    x, y, domain = both(source, target)
    scaler = StandardScaler().fit(x)
    size = len(source[0])

    def draws(dataset: Any, **_: Any) -> Iterator[Any]:
        whole = dataset.as_dict()
        for _ in range(STEPS):
            rows = torch.cat([torch.randint(size, (BATCH,)), torch.randint(size, 2 * size, (BATCH,))])
            yield {name: whole[name][rows] for name in ("X", "sample_domain")}, whole["y"][rows]

    torch.manual_seed(seed)
    estimator = their_dann(
        nn.Sequential(nn.Linear(2, 15), nn.ReLU()),
        nn.Linear(15, 2),
        nets.mlp(15, 15, 1),
        optimizer=Adam,
        lr=RATE,
        max_epochs=1,
        callbacks=[
            Growing(STEPS),
            LRScheduler(LambdaLR, lr_lambda=lambda step: 1 - step / STEPS, step_every="batch"),
        ],
    )
    estimator.set_params(iterator_train=draws)
    estimator.fit(scaler.transform(x).astype(np.float32), y, domain)
    said = estimator.predict(scaler.transform(test[0]).astype(np.float32), allow_source=True)
    return float(np.mean(said == test[1]))


def test_both_estimators_read_as_much_of_the_turned_crescents() -> None:
    """The mean over four seeds: one run may end at 0.73 and the next at 0.98, with either library.

    So the two means differ by chance with a standard error of 0.05.
    """
    ours, theirs, alone = [], [], []
    for seed in range(4):
        source = crescents(500, 3 * seed)
        target, test = (crescents(size, 3 * seed + k, degrees=35) for k, size in ((1, 500), (2, 1000)))
        ours.append(our_share(source, target, test, seed))
        theirs.append(their_share(source, target, test, seed))
        alone.append(our_share(source, target, test, seed, strength=0.0))
    assert abs(np.mean(ours) - np.mean(theirs)) < 0.1
    assert np.mean(ours) > np.mean(alone) + 0.02
