"""One pass for what a teacher needs many for: a student, without and with a critic."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.game import Game, Turns
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import GAN, check_generated, check_real, generate

__all__ = ["AdversarialStudent", "Student"]


class Student(Game):
    r"""A generator that repeats in one pass where a teacher's deterministic sampler leads, Luhman and Luhman 2021.

    .. math:: L = \mathbb E_z \tfrac1d \lVert G(z) - \mathrm{teacher}(z) \rVert^2

    (Their section 3.) A batch is ``(real, z, target)``, with ``target = ddpm.trace(z, steps)``; real samples are not
    looked at. A game with one player.

    Args:
        generator: maps starts ``z`` to samples.

    Raises:
        ValueError: when called, where what it makes has not the targets' shape, or there is not one for each start.
    """

    turns: Turns = ("generator",)

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def generator_loss(
        self,
        real: Float[Tensor, "batch ..."],
        z: Float[Tensor, "batch ..."],
        target: Float[Tensor, "batch ..."],
    ) -> Float[Tensor, ""]:
        """The mean square of what is missed."""
        return missed(generate(self.generator, z), target)


class AdversarialStudent(GAN):
    r"""A student that a critic looks at as well: it compares what the student makes with *data*, not with the teacher.

    .. math:: L_G = \mathbb E_z \tfrac1d \lVert G(z) - \mathrm{teacher}(z) \rVert^2
        + \lambda\, \mathbb E_z\, \mathrm{softplus}(-\ell(G(z)))

    (The two terms of Sauer et al. 2023, equation 1, the weight on the other one.) A batch is that of :class:`Student`,
    the discriminator's loss that of :class:`~advnotes.gan.GAN`, with its penalties.

    Differs from the paper: the teacher's sample is the one that starts from the same ``z``, as in :class:`Student`; the
    paper's teacher removes noise in one step from noised samples of the student, and its loss is a hinge.

    Args:
        generator, discriminator, penalties: as in :class:`~advnotes.gan.GAN`.
        latent_size: the number of coordinates of a start.
        weight: lambda, at least 0.

    Raises:
        ValueError: as :class:`~advnotes.gan.GAN`; where ``weight`` is negative; when called, as :class:`Student`.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        weight: float = 0.1,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(
            generator, discriminator, check_count("latent_size", latent_size), penalties=penalties
        )
        self.weight = check_number("weight", weight, least=0.0)

    def generated(self, real: Float[Tensor, "batch ..."], *others: Tensor) -> Float[Tensor, "batch ..."]:
        """What the student makes of the starts in the batch."""
        check_real(real)
        if len(others) != 2:
            raise ValueError(f"expected a batch (real, z, target), got {1 + len(others)} parts")
        made = generate(self.generator, others[0])
        check_generated(made, real)
        return made

    def generator_loss(self, real: Float[Tensor, "batch ..."], *others: Tensor) -> Float[Tensor, ""]:
        """What is missed of the teacher's samples, and what the critic says."""
        made = self.generated(real, *others)
        judged = nn.functional.softplus(-self.logit(made)).mean()
        return missed(made, others[1]) + self.weight * judged


def missed(made: Float[Tensor, "batch ..."], target: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
    """The mean square of what a student misses of its teacher's samples, one for each start."""
    check_real(target)
    check_generated(made, target)
    if len(made) != len(target):
        raise ValueError(f"expected a target for each start, got {len(target)} for {len(made)}")
    return (made - target).square().mean()
