"""A writer of sequences: an LSTM that gives each next token a probability, and can go on from any prefix."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.decisions.parts.sequences import check_sequences, draw
from advnotes.precision import at_least_float32

__all__ = ["LSTMWriter", "random_oracle"]

State = tuple[Tensor, Tensor]


class LSTMWriter(nn.Module):
    r"""Sequences of one length over an alphabet, token after token, by an LSTM (Hochreiter and Schmidhuber 1997).

    .. math:: G(x) = \prod_{t=1}^{T} G(x_t \mid x_1, \dots, x_{t-1})

    Args:
        tokens: the size of the alphabet; token numbers are 0 to ``tokens - 1``.
        length: :math:`T`, the tokens of a sequence.
        width: units of the LSTM.
        embedding: numbers that each token is turned into.

    Raises:
        ValueError: where one of these is less than 1; when called, where sequences are not int64, have another length
            or tokens of another alphabet, or are none.
    """

    def __init__(self, tokens: int, length: int, width: int = 32, embedding: int = 32) -> None:
        super().__init__()
        self.tokens, self.length = check_count("tokens", tokens), check_count("length", length)
        self.start = tokens  # a token of its own, read before the first
        self.embedding = nn.Embedding(tokens + 1, check_count("embedding", embedding))
        self.lstm = nn.LSTM(embedding, check_count("width", width), batch_first=True)
        self.head = nn.Linear(width, tokens)

    def forward(self, x: Int64[Tensor, "n length"]) -> Float[Tensor, "n length tokens"]:
        """The logits of every token, each given those before it; all at once, since the sequences are known."""
        check_sequences(x, self.tokens, self.length)
        first = torch.full_like(x[:, :1], self.start)
        states, _ = self.lstm(self.embedding(torch.cat([first, x[:, :-1]], dim=1)))
        return self.head(states)

    def log_prob(self, x: Int64[Tensor, "n length"], temperature: float = 1.0) -> Float[Tensor, "n length"]:
        """The log-probability of each token given those before it, in nats; a row's sum is that of the sequence."""
        check_number("temperature", temperature, above=0.0)
        logits = at_least_float32(self(x)) / temperature
        return logits.log_softmax(dim=2).gather(2, x[:, :, None]).squeeze(2)

    def sample(
        self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0
    ) -> Int64[Tensor, "n length"]:
        """Write ``n`` sequences.

        Args:
            n: how many.
            generator: the source of randomness; None: the global one.
            temperature: the logits are divided by it; below 1 likely tokens become likelier.
        """
        nothing = torch.empty(check_count("n", n), 0, dtype=torch.int64, device=self.head.weight.device)
        return self.complete(nothing, generator, temperature)

    @torch.no_grad()
    def complete(
        self,
        prefixes: Int64[Tensor, "n begun"],
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
    ) -> Int64[Tensor, "n length"]:
        """Go on from prefixes of one length, 0 to ``length`` tokens, to whole sequences.

        Raises:
            ValueError: where the prefixes are no batch of at most ``length`` tokens of the alphabet, or the temperature
                is not positive.
        """
        check_number("temperature", temperature, above=0.0)
        begun = min(prefixes.shape[-1], self.length) if isinstance(prefixes, Tensor) and prefixes.ndim else 0
        check_sequences(prefixes, self.tokens, begun, "prefixes")
        first = torch.full_like(
            prefixes[:, :1] if begun else prefixes.new_zeros(len(prefixes), 1), self.start
        )
        written = torch.cat([first, prefixes], dim=1)
        out, state = self.lstm(self.embedding(written))
        for _ in range(begun, self.length):
            token = draw(self.head(out[:, -1]) / temperature, generator)[:, None]
            written = torch.cat([written, token], dim=1)
            out, state = self.lstm(self.embedding(token), state)
        return written[:, 1:]

    @torch.no_grad()
    def rollouts(
        self, x: Int64[Tensor, "n length"], count: int, generator: torch.Generator | None = None
    ) -> Int64[Tensor, "prefixes count n length"]:
        """Every proper prefix of every sequence, completed ``count`` times; all of them move through the LSTM together.

        Returns:
            ``[length - 1, count, n, length]``: in place ``t`` the first ``t + 1`` tokens are those of ``x``.

        Raises:
            ValueError: as :meth:`forward`, or where ``count`` is less than 1.
        """
        check_sequences(x, self.tokens, self.length)
        n = len(x)
        ends = x.repeat(self.length - 1, check_count("count", count), 1, 1)
        known = self._step(torch.full_like(x[:, 0], self.start), None)  # has read x up to the t-th token
        h, c = (part[:, :0] for part in known)  # and these have read the completions so far
        for t in range(1, self.length):
            known = self._step(x[:, t - 1], known)
            if t > 1:
                h, c = self._step(ends[: t - 1, :, :, t - 1].flatten(), (h, c))
            # those whose prefix ends here join the others
            h, c = (
                torch.cat([part, begun.repeat(1, count, 1)], dim=1)
                for part, begun in zip((h, c), known, strict=True)
            )
            ends[:t, :, :, t] = draw(self.head(h[0]), generator).view(t, count, n)
        return ends

    def _step(self, tokens: Int64[Tensor, " n"], state: State | None) -> State:
        """The LSTM's state after one more token of each sequence."""
        after: State = self.lstm(self.embedding(tokens)[:, None], state)[1]
        return after


def random_oracle(
    tokens: int, length: int, width: int = 32, generator: torch.Generator | None = None
) -> LSTMWriter:
    """A writer with random weights, all of them from the standard normal: the data's distribution, known exactly.

    Yu et al. 2016, section "Synthetic data experiments". Its parameters are frozen.

    Args:
        tokens, length, width: as of :class:`LSTMWriter`; its tokens are turned into ``width`` numbers too.
        generator: draws the weights, on the CPU; None: the global one.
    """
    width = check_count("width", width)
    # The weights that the writer begins with are drawn too, before these take their place.
    with torch.random.fork_rng(devices=[], enabled=generator is not None):
        oracle = LSTMWriter(tokens, length, width, width)
    for parameter in oracle.parameters():
        nn.init.normal_(parameter, generator=generator)
    return oracle.requires_grad_(False)
