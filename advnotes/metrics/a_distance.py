"""How far apart two sets of representations look to a linear classifier."""

import numpy as np
import torch
from jaxtyping import Num
from torch import Tensor

from advnotes.checks import check_number
from advnotes.metrics.features import AnyArray, as_numbers

__all__ = ["proxy_a_distance"]


def proxy_a_distance(
    source: Num[Tensor, "n ..."] | Num[AnyArray, "n ..."],
    target: Num[Tensor, "m ..."] | Num[AnyArray, "m ..."],
    *,
    c: float = 1.0,
    generator: torch.Generator | None = None,
) -> float:
    r"""The proxy of the A-distance: what a linear classifier's error says of how well two domains can be told apart.

    .. math:: \hat d_{\mathcal A} = 2\,(1 - 2\,\mathrm{err})

    (Ben-David et al. 2007, section 4.) The classifier, a linear support vector machine, learns on one random half of
    each domain; err is its error on the others, the mean over the two domains. 2 is told apart without an error, 0 is
    chance, and chance may fall a little below 0.

    It is no measure of success. It falls where all that is useful is thrown away too, and what a linear classifier
    does not see another one may: :func:`~advnotes.invariance.fresh_adversary`.

    Args:
        source, target: representations of samples of the two domains, tensors or arrays; they are flattened and
            brought to mean 0 and deviation 1 in each feature.
        c: the support vector machine's weight of errors against the margin.
        generator: draws the halves. None: the global one.

    Raises:
        ValueError: where a domain has fewer than 4 samples, the two differ in shape, a number is not finite, or ``c``
            is not positive.
    """
    from sklearn.svm import LinearSVC

    check_number("c", c, above=0.0)
    first, second = as_numbers("source", source), as_numbers("target", target)
    if (
        min(first.ndim, second.ndim) == 0
        or min(len(first), len(second)) < 4
        or first.shape[1:] != second.shape[1:]
    ):
        raise ValueError(
            "expected at least 4 samples of each domain and one shape for all, got shapes "
            f"{tuple(first.shape)} and {tuple(second.shape)}"
        )
    x = torch.cat([first, second.to(first)]).reshape(len(first) + len(second), -1)
    domain = torch.cat([torch.zeros(len(source)), torch.ones(len(target))])
    device = torch.device("cpu") if generator is None else generator.device
    learn = torch.zeros(len(x), dtype=torch.bool)
    for begin, size in ((0, len(source)), (len(source), len(target))):
        learn[begin + torch.randperm(size, generator=generator, device=device).cpu()[: size // 2]] = True
    known = x[learn.to(x.device)]
    std = known.std(dim=0)
    x = ((x - known.mean(dim=0)) / torch.where(std > 0, std, torch.ones_like(std))).cpu()
    machine = LinearSVC(C=c, dual=False, class_weight="balanced")
    machine.fit(x[learn].double().numpy(), domain[learn].numpy())
    wrong = machine.predict(x[~learn].double().numpy()) != domain[~learn].numpy()
    from_target = domain[~learn].numpy() == 1
    error = np.mean([wrong[~from_target].mean(), wrong[from_target].mean()])
    return float(2 * (1 - 2 * error))
