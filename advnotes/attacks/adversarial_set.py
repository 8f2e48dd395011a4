"""An attack over all the data, with what came of it for each sample, to be kept in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from advnotes.attacks.attack import Attack, NormAttack
from advnotes.attacks.parts.wrapper import Wrapper, innermost
from advnotes.checks import check_count
from advnotes.model_state import GuardedModel, Model, PassCounter, attacked, device_of, prediction
from advnotes.seeds import Source
from advnotes.threats import L2

__all__ = ["AdversarialSet", "attack_all"]

#: What tells a file of an adversarial set from others.
FORMAT = "advnotes adversarial set 1"


@dataclass(frozen=True)
class AdversarialSet:
    """What an attack made of some samples, all on the CPU, in the order of the data.

    Args:
        inputs: the perturbed samples.
        labels: the classes that the attack was given: the true ones or, where it was targeted, those to reach.
        predictions: the class that the model gives each perturbed sample; -1 where its logits are not finite.
        success: whether the class was left or, where the attack was targeted, reached.
        distance: of each perturbation, in the attack's own norm, or in L2 where it has none; in the input's unit.
        passes: how many forward passes a sample of its batch took on average. Samples leave a batch at different
            times, and which ones are in a pass is the attack's affair: ``batch_size=1`` counts for each alone.
        norm: in which norm ``distance`` is, such as "Linf".
        attack: the attack, as text.
    """

    inputs: Float[Tensor, "batch ..."]
    labels: Int[Tensor, " batch"]
    predictions: Int[Tensor, " batch"]
    success: Bool[Tensor, " batch"]
    distance: Float[Tensor, " batch"]
    passes: Float[Tensor, " batch"]
    norm: str
    attack: str

    def __len__(self) -> int:
        return len(self.inputs)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, which :meth:`load` and any other reader of that format take."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        texts = {name: value for name, value in vars(self).items() if isinstance(value, str)}
        contiguous = {name: value.contiguous() for name, value in tensors.items()}
        save_file(contiguous, path, metadata={**texts, "format": FORMAT})

    @classmethod
    def load(cls, path: str | Path) -> AdversarialSet:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: where the file is another one.
        """
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.pop("format", None) != FORMAT:
                raise ValueError(f"{path} is no file of AdversarialSet.save")
            return cls(**{name: file.get_tensor(name) for name in file.keys()}, **metadata)  # noqa: SIM118


def attack_all(
    attack: Attack,
    model: Model,
    data: tuple[Tensor, Tensor] | Iterable[Any],
    generator: Source = None,
    *,
    batch_size: int = 100,
) -> AdversarialSet:
    """Attack all samples, batch by batch, and look at each result.

    Args:
        attack: such as ``PGD(Linf(8 / 255))``; a setting for each sample holds for all the data in their order.
        model: maps inputs to logits; batches are moved to where it is.
        data: inputs and labels, as two tensors or as batches of two, such as a ``DataLoader`` gives.
        generator: see :data:`advnotes.seeds.Source`; seeds are for all samples, one for each.
        batch_size: of two tensors; a loader has its own.

    Returns:
        The perturbed samples, whether each fools the model itself, how far away it lies, and what it took.

    Raises:
        ValueError: where there are no samples, a batch is no pair of tensors, or as the attack does.
    """
    parts, begin, counted = [], 0, _Counted(attack, passes=[])
    threat = inner.threat if isinstance(inner := innermost(attack), NormAttack) else L2(0.0)
    for x, y in _batches(data, check_count("batch_size", batch_size)):
        device, rows = device_of(model, x), slice(begin, begin + len(x))
        x, y, begin = x.to(device), y.to(device), begin + len(x)
        seeds = generator[rows].to(device) if isinstance(generator, Tensor) else generator
        x_adv = counted.rows(rows)(model, x, y, seeds)
        with torch.no_grad(), attacked(model, attack.training):
            predicted = prediction(GuardedModel(model, device, x.dtype)(x_adv))
        parts.append(
            {
                "inputs": x_adv,
                "labels": y,
                "predictions": predicted,
                "success": predicted == y if attack.targeted else predicted != y,
                "distance": threat.norm(x_adv - x),
                "passes": torch.full((len(x),), sum(counted.passes) / len(x)),
            }
        )
        counted.passes.clear()
    if not parts:
        raise ValueError(
            "there are no samples to attack: the data are empty, or an iterator that was used up"
        )
    whole = {name: torch.cat([part[name].cpu() for part in parts]) for name in parts[0]}
    return AdversarialSet(**whole, norm=type(threat).__name__, attack=repr(attack))


def _batches(data: tuple[Tensor, Tensor] | Iterable[Any], size: int) -> Iterator[tuple[Tensor, Tensor]]:
    if _is_pair(data):
        x, y = data
        if len(x) != len(y):
            raise ValueError(f"expected as many labels as samples, got {len(x)} samples and {len(y)} labels")
        data = zip(x.split(size), y.split(size), strict=True) if len(x) else ()
    for number, batch in enumerate(data):
        if not _is_pair(batch):
            raise ValueError(
                f"expected batches of two tensors, inputs and labels, got {type(batch).__name__} as batch {number}"
            )
        yield batch[0], batch[1]


def _is_pair(value: object) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(p, Tensor) for p in value)


@dataclass(frozen=True)
class _Counted(Wrapper):
    """The attack itself, which notes the passes of each call."""

    passes: list[int] = field(kw_only=True)

    def perturb(self, model: Model, x: Tensor, y: Tensor, generator: Source = None) -> Tensor:
        counter = PassCounter(model)
        x_adv = self.attack.perturb(counter, x, y, generator)
        self.passes.append(counter.passes)
        return x_adv

    def faster(self, model: Model, x: Tensor) -> Model:
        return self.attack.faster(model, x)

    def check_batch(self, count: int) -> None:
        self.attack.check_batch(count)
