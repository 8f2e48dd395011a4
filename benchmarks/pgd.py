"""PGD-20 against its limit: exactly 20 forward passes with 20 gradients of the input, in eager float32.

    .venv/bin/python benchmarks/pgd.py [--threads 1] [--device cpu] [--repeats 15]

Every round runs the limit and each contender once, in a random order, and each contender's time is divided by the
limit's of the same round: what else the machine does then slows both. Before anything is timed, what each
contender returns is checked: inside the ball and the range, and at the loss that the plain loop reaches.
"""

import argparse
import importlib.util
import random
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes import PGD, Linf, data, zoo
from advnotes.nets import Normalize

STEPS = 20
#: ``contender(model, x, y, eps)`` returns the adversarial inputs; the limit's are not looked at.
Contender = Callable[[nn.Module, Tensor, Tensor, float], Tensor]


class Block(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False) if before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways, rectified."""
        return F.relu(self.body(x) + self.shortcut(x))


def small_resnet(x: Tensor) -> nn.Sequential:
    """For 32 x 32 colour images: three blocks with 16, 32 and 64 channels, their weights as they are drawn.

    Batch normalisation has seen ``x``; without it, the logits would hardly depend on the image.
    """
    model = nn.Sequential(
        Normalize([0.5] * 3, [0.25] * 3),
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Block(16, 16, 1),
        Block(16, 32, 2),
        Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the statistics are those of the batches seen, not mixed with 0 and 1
    with torch.no_grad():
        model(x)
    return model.eval()


def gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """One forward pass and the gradient of the input."""
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)
    return g


def limit(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """What no attack by 20 gradients can do without: the gradients alone, no step taken."""
    for _ in range(STEPS):
        gradient(model, x, y)
    return x


def loop(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """The attack as one writes it down, without a check."""
    x_adv = (x + eps * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    for _ in range(STEPS):
        x_adv = x_adv + 2.5 * eps / STEPS * gradient(model, x_adv, y).sign()
        x_adv = (x + (x_adv - x).clamp(-eps, eps)).clamp(0, 1)
    return x_adv


def last(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Ours, returning the last point: 20 passes, as the limit."""
    return PGD(Linf(eps), steps=STEPS, best=False)(model, x, y)


def best(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Ours as it comes, returning the best point: one forward pass more, which evaluates the last step."""
    return PGD(Linf(eps), steps=STEPS)(model, x, y)


def foolbox(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """foolbox's attack, its check of what was fooled included: it cannot be left out."""
    import foolbox as fb

    attack = fb.attacks.LinfPGD(steps=STEPS, rel_stepsize=2.5 / STEPS)
    adversarial: Tensor = attack(fb.PyTorchModel(model, (0, 1), device=x.device), x, y, epsilons=eps)[1]
    return adversarial


def contenders() -> dict[str, Contender]:
    """What is compared with the limit."""
    ours: dict[str, Contender] = {
        "plain loop": loop,
        "advnotes, best=False": last,
        "advnotes, best=True": best,
    }
    return ours | ({"foolbox": foolbox} if importlib.util.find_spec("foolbox") else {})


def check(contender: Contender, model: nn.Module, x: Tensor, y: Tensor, eps: float) -> None:
    """Refuse to time an attack that is outside the threat, or weaker than the plain loop."""

    def loss(point: Tensor) -> float:
        with torch.no_grad():
            return F.cross_entropy(model(point), y).item()

    torch.manual_seed(0)
    x_adv = contender(model, x, y, eps)
    if not ((x_adv - x).abs().max() <= eps + 1e-6 and x_adv.min() >= 0 and x_adv.max() <= 1):
        raise SystemExit(f"{contender.__name__} leaves the ball or the range")
    torch.manual_seed(0)
    reached, wanted = loss(x_adv), loss(loop(model, x, y, eps))
    if not reached > 0.98 * wanted > loss(x):
        raise SystemExit(f"{contender.__name__} reaches a loss of {reached:.4f}, the plain loop {wanted:.4f}")


def seconds(contender: Contender, model: nn.Module, x: Tensor, y: Tensor, eps: float) -> float:
    """What one attack takes: of the process where it is one thread, else by the clock."""
    clock = (
        time.process_time if x.device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    )
    wait = torch.cuda.synchronize if x.device.type == "cuda" else lambda: None
    wait()
    started = clock()
    contender(model, x, y, eps)
    wait()
    return clock() - started


def measure(model: nn.Module, x: Tensor, y: Tensor, eps: float, repeats: int) -> dict[str, list[float]]:
    """The seconds of the limit and each contender, round by round."""
    everyone: dict[str, Contender] = {"limit": limit, **contenders()}
    for contender in contenders().values():
        check(contender, model, x, y, eps)
    limit(model, x, y, eps)
    took: dict[str, list[float]] = {name: [] for name in everyone}
    order = random.Random(0)
    for _ in range(repeats):
        for name in order.sample(sorted(everyone), len(everyone)):
            took[name].append(seconds(everyone[name], model, x, y, eps))
    return took


def table(title: str, took: dict[str, list[float]]) -> str:
    """Median of the paired ratios, with its quartiles."""
    lines = [f"| {title} | ms | ratio to the limit | quartiles |", "| --- | ---: | ---: | :---: |"]
    for name, times in took.items():
        ratios = [mine / least for mine, least in zip(times, took["limit"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        spread = "" if name == "limit" else f"{low:.3f} to {high:.3f}"
        lines.append(f"| {name} | {1e3 * statistics.median(times):.0f} | {middle:.3f} | {spread} |")
    return "\n".join(lines)


def main() -> None:
    """Measure both networks and print a table for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=15, help="rounds, at least 2")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    torch.manual_seed(0)
    digits = data.mnist("test", size=128)
    colours = torch.rand(32, 3, 32, 32)
    resnet = small_resnet(colours)
    said = resnet(colours).argmax(dim=1)
    cases = {
        "MNIST, small_cnn, batch 128": (zoo.mnist_natural(), digits, 0.1),
        "32 x 32, small ResNet, batch 32": (resnet, (colours, said), 8 / 255),
    }
    print(
        f"torch {torch.__version__}, {options.device}, threads: {options.threads}, rounds: {options.repeats}"
    )
    for title, (model, batch, eps) in cases.items():
        x, y = (tensor.to(options.device) for tensor in batch)
        print("\n" + table(title, measure(model.to(options.device), x, y, eps, options.repeats)))


if __name__ == "__main__":
    main()
