"""The search in a generator's latent space for the sample that is nearest to an input, in every class."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.checks import call_model, check_floating, check_range
from advnotes.gradients import not_differentiable
from advnotes.model_state import attacked

__all__ = ["Found", "check_batch", "check_generator", "samples_of_classes", "search_classes"]

#: Adam's decay rates in the search, and the share of its first step size that its last one has.
BETAS, LAST = (0.9, 0.99), 0.1


class Found(NamedTuple):
    """The nearest sample of each class: its latent vector, and its squared distance in the unit of the input."""

    latent: Float[Tensor, "batch classes latent"]
    distance: Float[Tensor, "batch classes"]


@torch.no_grad()
def search_classes(
    generator: Callable[..., Tensor],
    x: Float[Tensor, "batch ..."],
    starts: Float[Tensor, "restarts latent"],
    *,
    classes: int,
    steps: int,
    step_size: float,
) -> Found:
    """The best point that Adam sees in each class, from any of the starts.

    Raises:
        ValueError: where the samples do not fit ``x``, do not depend on the latent vectors, or are not finite.
    """
    count, (restarts, size) = len(x), starts.shape
    with torch.inference_mode(False), attacked(generator):
        target = x.clone().repeat_interleave(restarts, dim=0)  # the same for every class
        z = starts.to(x).repeat(classes * count, 1).requires_grad_()
        best, least = z.detach().clone(), x.new_full((len(z),), math.inf)
        adam = torch.optim.Adam([z], lr=step_size, betas=BETAS)
        for step in range(steps + 1):
            with torch.enable_grad():
                made = samples_of_classes(generator, z, classes, target.shape)
            if not made.requires_grad:
                raise not_differentiable("the generator's samples do")
            apart = made.detach() - target
            distance = torch.linalg.vecdot(apart.flatten(2), apart.flatten(2)).flatten()
            (z.grad,) = torch.autograd.grad(made, z, 2 * apart)
            nearer = distance < least
            best, least = torch.where(nearer[:, None], z, best), torch.where(nearer, distance, least)
            adam.param_groups[0]["lr"] = step_size * (1 - (1 - LAST) * step / steps)
            adam.step()
    if not bool(least.isfinite().all()):
        raise ValueError(
            f"the distances to the generator's samples are not finite in {x.dtype}: did its training diverge, or is "
            "half precision too short for them?"
        )
    least, which = least.view(classes, count, restarts).min(dim=2)
    best = best.view(classes, count, restarts, size)
    best = best.take_along_dim(which[..., None, None], dim=2).squeeze(2)
    return Found(best.transpose(0, 1), least.T)


def samples_of_classes(
    generator: Callable[..., Tensor], z: Float[Tensor, "points latent"], classes: int, shape: torch.Size
) -> Float[Tensor, "classes _ ..."]:
    """The samples at ``z``, class by class, checked to have the inputs' shape."""
    y = torch.arange(classes, device=z.device).repeat_interleave(len(z) // classes)
    try:
        made = call_model(lambda z: generator(z, y), z)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"the generator cannot take latent vectors {list(z.shape)} and classes {list(y.shape)}: is latent_size "
            f"right? A generator without classes goes into PerClass ({error})"
        ) from error
    if made.shape != (len(z), *shape[1:]):
        raise ValueError(
            f"the generator makes samples of the shape {tuple(made.shape[1:])} ({len(made)} of {len(z)} latent "
            f"vectors), the inputs have {tuple(shape[1:])}: bring the inputs to the shape that it was trained on, "
            "or let it end with theirs"
        )
    return made.unflatten(0, (classes, -1))


def check_batch(x: object) -> None:
    """Raise ValueError for what is no batch of finite floating-point inputs."""
    if not isinstance(x, Tensor):
        raise ValueError(f"inputs must be a tensor, got {type(x).__name__}: torch.as_tensor(x)")
    check_floating(x, (-math.inf, math.inf))
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"inputs must be a batch of at least one, [batch, ...], got shape {tuple(x.shape)}")
    check_range(x, (-math.inf, math.inf))


def check_generator(generator: object, classes: int) -> None:
    """Raise ValueError for what cannot be called, or says that it has another number of classes."""
    if not callable(generator):
        raise ValueError(
            f"the generator must map latent vectors and classes to samples, got {type(generator).__name__}, which "
            "cannot be called: several generators, one for each class, go into PerClass"
        )
    known = getattr(generator, "classes", classes)
    if isinstance(known, int) and known != classes:
        raise ValueError(
            f"the generator has {known} classes, got classes={classes}: an input of a class that is not searched would "
            "be given to another"
        )
