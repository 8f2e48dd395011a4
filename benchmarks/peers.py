"""Other libraries' PGD and AutoAttack, each called as its manual says, with the settings of ours.

A library that cannot be imported is named with the reason by :func:`pgd_of_peers`; benchmarks/README.md says how to
install them.
"""

import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

#: ``contender(model, x, y, eps)`` returns the adversarial inputs.
Contender = Callable[[nn.Module, Tensor, Tensor, float], Tensor]

STEPS = 20
RELATIVE = 2.5 / STEPS  # the step size, as a share of eps


def torchattacks_pgd() -> Contender:
    import torchattacks

    return lambda model, x, y, eps: torchattacks.PGD(model, eps=eps, alpha=RELATIVE * eps, steps=STEPS)(x, y)


def foolbox_pgd() -> Contender:
    """Its check of what was fooled included: it cannot be left out."""
    import foolbox

    attack = foolbox.attacks.LinfPGD(steps=STEPS, rel_stepsize=RELATIVE)
    return lambda model, x, y, eps: attack(
        foolbox.PyTorchModel(model, (0, 1), device=x.device), x, y, epsilons=eps
    )[1]


def art_pgd() -> Contender:
    """From and to NumPy, which is its interface."""
    import torch
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    def attack(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
        classifier = PyTorchClassifier(
            model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), 10, clip_values=(0, 1),
            device_type="gpu" if x.is_cuda else "cpu",
        )  # fmt: skip
        found = ProjectedGradientDescentPyTorch(
            classifier,
            np.inf,
            eps,
            RELATIVE * eps,
            max_iter=STEPS,
            num_random_init=1,
            batch_size=len(x),
            verbose=False,
        ).generate(x.cpu().numpy(), y.cpu().numpy())
        return torch.from_numpy(found).to(x)

    return attack


def cleverhans_pgd() -> Contender:
    from cleverhans.torch.attacks.projected_gradient_descent import projected_gradient_descent

    return lambda model, x, y, eps: projected_gradient_descent(
        model, x, eps, RELATIVE * eps, STEPS, np.inf, clip_min=0, clip_max=1, y=y, sanity_checks=False
    ).detach()


def adv_lib_pgd() -> Contender:
    """Returns the input itself where the model was not fooled."""
    from adv_lib.attacks import pgd_linf

    return lambda model, x, y, eps: pgd_linf(model, x, y, eps, steps=STEPS, relative_step_size=RELATIVE)


def secml_torch_pgd() -> Contender:
    from secmlt.adv.backends import Backends
    from secmlt.adv.evasion.pgd import PGD
    from torch.utils.data import DataLoader, TensorDataset

    def attack(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
        method = PGD("linf", eps, STEPS, RELATIVE * eps, random_start=True, backend=Backends.NATIVE)
        found: Tensor = next(iter(method(model, DataLoader(TensorDataset(x, y), batch_size=len(x)))))[0]
        return found.detach()

    return attack


PGD_OF = {
    "torchattacks": torchattacks_pgd,
    "foolbox": foolbox_pgd,
    "ART": art_pgd,
    "cleverhans": cleverhans_pgd,
    "adv-lib": adv_lib_pgd,
    "secml-torch": secml_torch_pgd,
}


def pgd_of_peers() -> tuple[dict[str, Contender], dict[str, str]]:
    """The libraries that can be imported, and why the others cannot."""
    found, missing = {}, {}
    with unused_imports():
        for name, make in PGD_OF.items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found[name] = make()
            except ImportError as error:
                missing[name] = str(error)
    return found, missing


def autoattack_of_torchattacks(
    model: nn.Module, eps: float, steps: int | None = None
) -> Callable[[Tensor, Tensor], Any]:
    """The standard version; with ``steps`` for its members, which it runs 10 of by itself where the paper has 100."""
    import torchattacks

    attack = torchattacks.AutoAttack(model, norm="Linf", eps=eps, version="standard", n_classes=10, seed=0)
    for member in attack._autoattack.attacks:
        if steps is not None and not isinstance(member, torchattacks.Square):
            member.steps = steps
    return attack


#: What peers import for pictures, data sets and a live plot, none of which is used here; torchvision has no build for
#: processors everywhere.
UNUSED = (
    *(f"torchvision{path}" for path in ("", ".datasets", ".models", ".transforms", ".transforms.functional")),
    *("torchvision.utils", "visdom"),
)


class Absent(ModuleType):
    """A module in which every name is an empty class."""

    __path__: list[str] = []  # noqa: RUF012 - what makes a module a package

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


@contextmanager
def unused_imports() -> Iterator[None]:
    """Empty modules of those names for the time of an import, where there are none."""
    absent = [name for name in UNUSED if importlib.util.find_spec(name.partition(".")[0]) is None]
    for name in absent:
        sys.modules[name] = Absent(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)
