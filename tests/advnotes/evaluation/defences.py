"""Defences that were, or could have been, published, and do not make a network robust: each hides something."""

from typing import Any

import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor, nn
from torch.nn import functional as F

from advnotes import zoo
from advnotes.defences import DenoiseOnce, DiffPure


class Defence(nn.Module):
    """A network with something put in front of it or behind it; as it stands, nothing."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def before(self, x: Tensor) -> Tensor:
        return x

    def after(self, logits: Tensor) -> Tensor:
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.network(self.before(x)))


class ScaledLogits(Defence):
    """Defensive distillation's effect: the softmax is full and cross-entropy has no slope."""

    def after(self, logits: Tensor) -> Tensor:
        return 1000 * logits


class Quantised(Defence):
    """Eight grey levels; torch gives rounding the gradient zero."""

    def before(self, x: Tensor) -> Tensor:
        return (x * 7).round() / 7


class BitDepth(Defence):
    """Feature squeezing to one bit (Xu et al. 2017). Truncation, so that the gradient is zero."""

    def before(self, x: Tensor) -> Tensor:
        return (x * 1.999).floor()


class StraightThrough(Defence):
    """Sixteen grey levels whose backward pass pretends that nothing was rounded."""

    def before(self, x: Tensor) -> Tensor:
        return x + ((x * 15).round() / 15 - x).detach()


class HardThreshold(Defence):
    """A comparison: it has no graph at all."""

    def before(self, x: Tensor) -> Tensor:
        return (x > 0.5).to(x)


class SteepSigmoid(Defence):
    """A threshold that is smooth on paper: in float32 its slope is zero nearly everywhere."""

    def before(self, x: Tensor) -> Tensor:
        return torch.sigmoid(1000 * (x - 0.5))


class Detached(Defence):
    """The graph is cut."""

    def before(self, x: Tensor) -> Tensor:
        return x.detach()


class MedianInNumPy(Defence):
    """A median filter from another library."""

    def before(self, x: Tensor) -> Tensor:
        filtered = median_filter(x.detach().cpu().numpy(), size=(1, 1, 3, 3), mode="nearest")
        return torch.from_numpy(np.ascontiguousarray(filtered)).to(x)


class NumPyWithoutDetach(Defence):
    """As it is often written: it works until somebody asks for a gradient."""

    def before(self, x: Tensor) -> Tensor:
        return torch.from_numpy(np.clip(x.numpy(), 0.1, 0.9))


class JPEGLike(Defence):
    """Cosine transform of blocks of 4 x 4, coefficients rounded, and back."""

    def before(self, x: Tensor) -> Tensor:
        n = torch.arange(4)
        transform = torch.cos(torch.pi / 4 * (n[None] + 0.5) * n[:, None]) * (0.5**0.5)
        transform[0] *= 0.5**0.5
        transform = transform.to(x)
        blocks = x.unfold(2, 4, 4).unfold(3, 4, 4)
        coefficients = (transform @ blocks @ transform.T * 4).round() / 4
        back = transform.T @ coefficients @ transform
        return back.transpose(3, 4).reshape(x.shape).clamp(0, 1)


class RoundedLogits(Defence):
    """Scores in whole numbers, as an interface that hides its confidence gives them."""

    def after(self, logits: Tensor) -> Tensor:
        return logits.round()


class Noise(Defence):
    """New noise on the input at each call."""

    def before(self, x: Tensor) -> Tensor:
        return x + 0.3 * torch.randn_like(x)


class RandomPlace(Defence):
    """Resized and moved at random at each call (Xie et al. 2018)."""

    def before(self, x: Tensor) -> Tensor:
        side = int(torch.randint(24, 29, ()))
        left, top = (int(torch.randint(0, 29 - side, ())) for _ in range(2))
        small = F.interpolate(x, size=(side, side), mode="bilinear")
        return F.pad(small, (left, 28 - side - left, top, 28 - side - top))


class WinnersTakeAll(nn.Module):
    """Keep the largest tenth of a layer (Xiao et al. 2020): who is among them changes from point to point."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        least = flat.topk(flat.shape[1] // 10, dim=1).values[:, -1:]
        return (flat * (flat >= least)).view_as(x)


class ShatteredGradients(Defence):
    """The network with that activation in place of its rectifiers."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(
            nn.Sequential(*(WinnersTakeAll() if isinstance(m, nn.ReLU) else m for m in layers(network)))
        )


class Backwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class Misleading(Defence):
    """The backward pass lies: it points downhill."""

    def before(self, x: Tensor) -> Tensor:
        return Backwards.apply(x)


class InfiniteSlope(Defence):
    """A square root at 0, where most pixels of a digit lie: the gradient is not finite."""

    def before(self, x: Tensor) -> Tensor:
        return (x.clamp_min(0).sqrt()) ** 2


class Detector(Defence):
    """Refuse what differs from its own smoothed picture, as noise does; the answer is then a class of its own."""

    def suspicious(self, x: Tensor) -> Tensor:
        return (x - F.avg_pool2d(x, 3, 1, 1)).abs().mean(dim=(1, 2, 3)) > 0.08

    def forward(self, x: Tensor) -> Tensor:
        logits = F.pad(self.network(x), (0, 1), value=-1e4)
        refused = torch.zeros_like(logits)
        refused[:, -1] = 1
        return torch.where(self.suspicious(x)[:, None], refused, logits)


class SoftDetector(Detector):
    """The same with the suspicion as a logit of its own: a class "adversarial"."""

    def forward(self, x: Tensor) -> Tensor:
        rough = (x - F.avg_pool2d(x, 3, 1, 1)).abs().mean(dim=(1, 2, 3))
        return torch.cat([self.network(x), 1000 * (rough[:, None] - 0.08)], dim=1)


class IgnoresTheInput(Defence):
    """Always the same answer: what it gets right, no attack can take."""

    def forward(self, x: Tensor) -> Tensor:
        return self.network(torch.zeros_like(x)) + 0 * x.flatten(1)[:, :1]


class BatchStatistics(Defence):
    """Normalised by whoever else is in the batch."""

    def before(self, x: Tensor) -> Tensor:
        return (x - x.mean(dim=0)).clamp(-1, 1) * 0.5 + x * 0.5


class Purification(Defence):
    """DiffPure (Nie et al. 2022): noise, and a diffusion model that takes it away again, and more with it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.purifier = DiffPure(zoo.mnist_diffusion(), start=9, passes=2)

    def before(self, x: Tensor) -> Tensor:
        return self.purifier(x)


class PurificationByAService(Defence):
    """A denoiser without chance that is asked as a service is, without a graph."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.purifier = DenoiseOnce(zoo.mnist_diffusion(), start=6)

    def before(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.purifier(x)


def layers(network: nn.Module) -> list[nn.Module]:
    """The layers of a network from the zoo."""
    inner = getattr(network, "network", network)
    assert isinstance(inner, nn.Sequential)
    return list(inner)
