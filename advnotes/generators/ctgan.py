"""CTGAN: a GAN for rows of tables, with numbers of several modes and categories of which some are rare."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import check_generated, check_real, generate
from advnotes.gan.wasserstein import WGANGP, SlopePenalty
from advnotes.generators.table_networks import RowGenerator
from advnotes.nets import one_logit

__all__ = ["CTGAN"]


class CTGAN(WGANGP):
    r"""The conditional GAN for tables of Xu et al. 2019: its rows are asked for one category of one column.

    A batch is ``(rows, conditions)``: encoded rows :math:`r`, and for each a vector :math:`c` with a single one, at a
    category that the row has (:class:`Conditions` draws both). With packs :math:`R, C` of rows and conditions, by which
    the critic sees rows that repeat each other (PacGAN, Lin et al. 2018),

    .. math::
        L_D &= \mathbb E\, \ell(\hat R, C) - \mathbb E\, \ell(R, C)
        + \lambda\, \mathbb E \bigl(\lVert \nabla_R\, \ell \rVert_2 - 1\bigr)^2 \\
        L_G &= -\mathbb E\, \ell(\hat R, C) - \mathbb E \sum_k c_k \log \mathrm{softmax}(\hat d)_k

    where the last term is the cross-entropy in the column that :math:`c` speaks of (sections 4.3 and 4.4): a row that
    was asked for a category is to have it.

    Differs from the paper: the cross-entropy is taken before the Gumbel noise. It does not say how often the critic
    moves; here once.

    Args:
        generator: of encoded rows.
        discriminator: the critic, from ``pack`` rows and their conditions, flattened, to one number.
        latent_size: the number of latent coordinates, drawn from a standard normal.
        frequencies: how often :meth:`sample` asks for each category, ``[categories]``, in any unit; None: all alike.
        pack: rows that the critic judges at once; it divides the batch.
        weight: the penalty's :math:`\lambda`.
        every: the penalty is taken in one of so many moves, and weighs as much more in it.
        moves: of the critic in each round.
        penalties: more of them, of packs.

    Raises:
        ValueError: where a number is out of range or the critic has batch normalisation; when called, where rows,
            conditions or packs do not fit.
    """

    generator: RowGenerator
    frequencies: Tensor

    def __init__(
        self,
        generator: RowGenerator,
        discriminator: nn.Module,
        latent_size: int,
        *,
        frequencies: Float[Tensor, " categories"] | None = None,
        pack: int = 10,
        weight: float = 10.0,
        every: int = 1,
        moves: int = 1,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(
            generator, discriminator, latent_size, weight=weight, moves=moves, penalties=penalties
        )
        self.penalties[0] = SlopePenalty(weight, every=every)
        self.layout, self.pack = generator.layout, check_count("pack", pack)
        uniform = torch.ones(self.layout.condition)
        self.register_buffer("frequencies", uniform if frequencies is None else frequencies.clone())
        if self.frequencies.shape != uniform.shape:
            raise ValueError(
                f"expected {len(uniform)} frequencies, one of each category, got {tuple(self.frequencies.shape)}"
            )

    def discriminator_loss(self, real: Float[Tensor, "batch width"], *labels: Tensor) -> Float[Tensor, ""]:
        """The critic's mean of packs of generated rows minus that of real ones, and the penalty between them."""
        with torch.no_grad():
            fake = self.generated(real, *labels)
        packs = [self.packed(part) for part in (real, fake, *labels)]
        loss = self.discriminator_objective(*packs)
        for penalty in self.penalties:
            loss = loss + penalty(self.logit, *packs)
        return loss

    def generator_loss(self, real: Float[Tensor, "batch width"], *labels: Tensor) -> Float[Tensor, ""]:
        """Minus the critic's mean of generated packs, and the cross-entropy with the categories asked for."""
        (condition,) = self.checked(real, *labels)
        logits = self.generator.logits(self.latent(len(real)), condition)
        judged = self.logit(self.packed(self.generator.rows(logits)), self.packed(condition))
        blocks = logits[:, self.layout.width - self.layout.condition :].split(self.layout.categories, dim=1)
        logs = [block.log_softmax(dim=1) for block in blocks]
        asked = condition * torch.cat(logs, dim=1) if logs else logits.new_zeros(())
        return -asked.sum() / len(real) - judged.mean()

    def logit(self, x: Float[Tensor, "packs rows"], *labels: Tensor) -> Float[Tensor, " packs"]:
        """The critic's number of each pack."""
        return one_logit(lambda x: self.discriminator(torch.cat([x, *labels], dim=1)), x)

    def packed(self, rows: Float[Tensor, "batch width"]) -> Float[Tensor, "packs rows"]:
        """Rows side by side, ``pack`` at a time."""
        if len(rows) % self.pack:
            raise ValueError(
                f"{len(rows)} rows do not make packs of {self.pack}: take batches of a multiple of it"
            )
        return rows.reshape(len(rows) // self.pack, -1)

    def sample(
        self, n: int, generator: torch.Generator | None = None, *, labels: Tensor | int | None = None
    ) -> Float[Tensor, "n width"]:
        """Generate ``n`` encoded rows, on the generating network's device.

        Args:
            n: how many.
            generator: draws the latent vectors, the blocks, and the conditions where there are none.
            labels: the condition of each row, ``[n, categories]``; None draws one category by its frequency.
        """
        latent = self.latent(n, generator)
        if labels is None:
            labels = latent.new_zeros(n, self.layout.condition)
            if n and self.layout.condition:
                where = latent.device if generator is None else generator.device
                drawn = torch.multinomial(
                    self.frequencies.to(where), n, replacement=True, generator=generator
                )
                labels.scatter_(1, drawn.to(latent.device)[:, None], 1.0)
        if not isinstance(labels, Tensor) or labels.shape != (n, self.layout.condition):
            raise ValueError(
                f"expected a condition of {self.layout.condition} numbers for each of {n} rows, got {labels!r}"
            )
        asked = labels.to(latent)
        return generate(lambda z: self.generator(z, asked, generator), latent)

    def generated(self, real: Float[Tensor, "batch width"], *labels: Tensor) -> Float[Tensor, "batch width"]:
        """As many rows as there are real ones, of the same conditions."""
        (condition,) = self.checked(real, *labels)
        fake = self.sample(len(real), labels=condition)
        check_generated(fake, real)
        return fake

    def checked(self, real: Tensor, *labels: Tensor) -> tuple[Tensor, ...]:
        """The conditions, after a look at the batch."""
        check_real(real)
        if len(labels) != 1 or labels[0].shape != (len(real), self.layout.condition):
            raise ValueError(
                f"expected batches (rows, conditions), {self.layout.condition} numbers in a condition, got tensors of "
                f"the shapes {', '.join(str(tuple(part.shape)) for part in (real, *labels))}"
            )
        return labels
