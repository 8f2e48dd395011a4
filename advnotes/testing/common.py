"""What both series of checks need: one way to complain, the state of modules, and fixed random numbers."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from advnotes import rng

__all__ = ["ModuleState", "expect", "generators", "seeded"]


def expect(held: bool, message: str) -> None:
    """Complain where something does not hold.

    Raises:
        AssertionError: see above; also under ``python -O``, which leaves assert statements out.
    """
    if not held:
        raise AssertionError(message)


class ModuleState:
    """All that must be as before in some modules: parameters, gradients, flags, buffers and modes.

    Args:
        modules: looked at now, and again by :meth:`changes`.
        buffers: whether buffers are part of it.
    """

    def __init__(self, modules: Iterable[nn.Module], buffers: bool = True) -> None:
        self.modules, self.buffers = list(modules), buffers
        self.before = self._now()

    def changes(self, apart: str | None = None) -> str:
        """What has changed, such as "the buffer running_mean"; empty where nothing has.

        Args:
            apart: the beginning of names that are not looked at.
        """
        now = self._now()
        if now.keys() != self.before.keys():
            return f"the set of parameters and buffers ({', '.join(sorted(now.keys() ^ self.before.keys()))})"
        seen = [name for name in now if apart is None or not name.startswith(apart)]
        return ", ".join(name for name in seen if not _same(self.before[name], now[name]))

    def _now(self) -> dict[str, Tensor | bool | None]:
        found: dict[str, Tensor | bool | None] = {}
        for place, module in enumerate(self.modules):
            at = f" of module {place}" if len(self.modules) > 1 else ""
            for name, parameter in module.named_parameters():
                found[f"the parameter {name}{at}"] = parameter.detach().clone()
                gradient = parameter.grad
                found[f"the .grad of {name}{at}"] = None if gradient is None else gradient.detach().clone()
                found[f"the requires_grad of {name}{at}"] = parameter.requires_grad
            for name, buffer in module.named_buffers() if self.buffers else ():
                found[f"the buffer {name}{at}"] = buffer.detach().clone()
            for name, part in module.named_modules():
                found[f"the train/eval mode of {name or 'the whole'}{at}"] = part.training
        return found


def _same(a: Tensor | bool | None, b: Tensor | bool | None) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and bool(((a == b) | (a != a) & (b != b)).all())  # NaN is the same as NaN
    return a is b


def generators() -> tuple[object, ...]:
    """The states of torch's and NumPy's global generators, to be compared.

    Not Python's: checkers of types, such as beartype, draw from it.
    """
    numpy = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return numpy["key"].tobytes(), numpy["pos"], torch.get_rng_state().numpy().tobytes()


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """All global generators seeded inside, and as they were afterwards."""
    with rng.preserved(torch.device("cuda" if torch.cuda.is_available() else "cpu")):
        rng.seed(seed)
        yield
