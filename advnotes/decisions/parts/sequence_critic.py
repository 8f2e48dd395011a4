"""A critic of sequences: convolutions over their tokens, and the largest answer of each."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from advnotes.checks import check_count
from advnotes.decisions.parts.sequences import check_sequences

__all__ = ["SequenceCritic"]


class SequenceCritic(nn.Module):
    """One logit for each sequence, by a convolutional network (Kim 2014), as in Yu et al. 2016, equations 9 and 10.

    Each token is turned into numbers. Each kernel looks at a few neighbouring tokens at every place, and its largest
    answer counts; a linear layer weighs the answers.

    Args:
        tokens: the size of the alphabet.
        length: tokens of a sequence.
        kernels: how many neighbouring tokens they look at, each at most ``length``.
        channels: kernels of each size.
        embedding: numbers that each token is turned into.

    Raises:
        ValueError: where a number is less than 1, a kernel is longer than a sequence, or there is none; when called,
            where sequences are not int64, have another length or tokens of another alphabet, or are none.

    Differs from the paper: no highway layer, no dropout, no weight decay, and fewer kernels.
    """

    def __init__(
        self,
        tokens: int,
        length: int,
        kernels: Sequence[int] = (2, 3),
        channels: int = 32,
        embedding: int = 32,
    ) -> None:
        super().__init__()
        self.tokens, self.length = check_count("tokens", tokens), check_count("length", length)
        sizes = [check_count("kernels", size) for size in kernels]
        if not sizes or max(sizes) > length:
            raise ValueError(
                f"kernels must be one size or more from 1 to length={length}, got {tuple(kernels)}"
            )
        self.embedding = nn.Embedding(tokens, check_count("embedding", embedding))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(embedding, check_count("channels", channels), size) for size in sizes
        )
        self.head = nn.Linear(channels * len(sizes), 1)

    def forward(self, x: Int64[Tensor, "n length"]) -> Float[Tensor, "n 1"]:
        """The logit of each sequence."""
        check_sequences(x, self.tokens, self.length)
        rows = self.embedding(x).mT
        answers = [convolution(rows).amax(dim=2) for convolution in self.convolutions]
        return self.head(torch.cat(answers, dim=1).relu())
