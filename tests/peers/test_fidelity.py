"""Our distances of sets of features beside torch-fidelity's, and what is counted in balls beside prdc's.

torch-fidelity imports torchvision for its data sets and networks, which none of these distances touches: an empty
module stands in for it while it is imported.
"""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import prdc
import pytest
import torch
from torch import Tensor

from advnotes import data, zoo
from advnotes.metrics import density_coverage, frechet_distance, kernel_distance, precision_recall

Both = tuple[Tensor, Tensor]


class Absent(ModuleType):
    """A module in which every name is an empty class."""

    __path__: list[str] = []  # noqa: RUF012 - what makes a module a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


@pytest.fixture(scope="module")
def theirs() -> Iterator[Any]:
    """A function that imports a module of torch-fidelity."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchvision", Absent("torchvision"))
        for path in ("datasets", "transforms", "transforms.functional"):
            module = Absent(f"torchvision.{path}")
            parent, _, last = module.__name__.rpartition(".")
            setattr(sys.modules[parent], last, module)
            patch.setitem(sys.modules, module.__name__, module)
        yield lambda name: importlib.import_module(f"torch_fidelity.{name}")


@pytest.fixture(scope="module")
def digits() -> Both:
    """Features of 600 digits, and of 700 others with noise."""
    (x, _), features = data.mnist("test", 1300), zoo.mnist_features()
    noise = 0.2 * torch.randn(700, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return features(x[:600]), features((x[600:] + noise).clamp(0, 1))


@pytest.fixture(scope="module")
def flat() -> Both:
    """Fewer samples than features, so that both covariances are singular."""
    g = torch.Generator().manual_seed(1)
    return torch.randn(40, 60, generator=g), 1.5 * torch.randn(50, 60, generator=g) + 0.3


@pytest.mark.parametrize("sets", ["digits", "flat"])
def test_the_frechet_distance_is_torch_fidelitys(theirs: Any, sets: str, request: Any) -> None:
    real, made = request.getfixturevalue(sets)
    fid = theirs("metric_fid")
    moments = [fid.fid_features_to_statistics(part.double()) for part in (real, made)]
    (expected,) = fid.fid_statistics_to_metric(*moments, verbose=False).values()
    assert frechet_distance(real, made) == pytest.approx(expected, rel=1e-5)


def test_the_kernel_distance_of_whole_sets_is_torch_fidelitys(theirs: Any, digits: Both) -> None:
    """Of whole sets, since each of the two draws subsets of its own."""
    real, made = (part[:600].double() for part in digits)
    kid = theirs("metric_kid")
    mean, std = kid.kid_features_to_metric(
        real, made, kid_subsets=1, kid_subset_size=600, verbose=False, rng_seed=0
    ).values()
    assert kernel_distance(real, made, 1, 600) == pytest.approx((mean, std), rel=1e-9)


def test_the_kernel_distance_of_subsets_is_torch_fidelitys_within_its_error(
    theirs: Any, digits: Both
) -> None:
    real, made = (part.double() for part in digits)
    kid = theirs("metric_kid")
    mean, std = kid.kid_features_to_metric(
        real, made, kid_subsets=60, kid_subset_size=200, verbose=False, rng_seed=0
    ).values()
    ours = kernel_distance(real, made, 60, 200, torch.Generator().manual_seed(0))
    assert ours.mean == pytest.approx(mean, abs=6 * std / 60**0.5)
    assert ours.std == pytest.approx(std, rel=0.6)


@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_balls_hold_what_they_hold_by_the_others(digits: Both, neighbours: int) -> None:
    """On features without equal distances, where an open ball holds what a closed one does; a rounding may differ."""
    real, made = digits
    expected = prdc.compute_prdc(real.double().numpy(), made.double().numpy(), nearest_k=neighbours)
    found = {
        **density_coverage(real, made, neighbours)._asdict(),
        **precision_recall(real, made, neighbours)._asdict(),
    }
    assert found == pytest.approx(expected, abs=2e-3)
