"""A generator of tables: CTGAN as a scikit-learn estimator, from a pandas frame to more rows of the same kind."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, check_random_state
from torch import Tensor
from torch.optim import Adam

from advnotes import rng
from advnotes.checks import check_count, check_number
from advnotes.data import Stream
from advnotes.generators import CTGAN, Encoder, RowGenerator, row_critic
from advnotes.loop import play
from advnotes.sklearn.tables import Widths, check_widths

__all__ = ["TableGenerator"]

#: Rows of the network in one go, and in how many of them a wanted row must turn up.
AT_ONCE, PATIENCE = 10_000, 200


class TableGenerator(BaseEstimator):  # type: ignore[misc]
    """More rows of the kind of a table, by a CTGAN: :class:`~advnotes.generators.CTGAN`.

    ``TableGenerator().fit(frame).sample(1000)`` is a frame with the same columns, types and order. Numbers, texts,
    truth values, categories and missing values may be mixed; a missing value is learnt as one, and comes back as one.
    Numbers stay within the range that was seen, and are whole where all were.

    Args:
        epochs: passes over the rows, the paper's 300 or fewer; None: as many as make ``steps``.
        steps: rounds of the game, where there are no ``epochs``.
        batch_size: rows in a batch, a multiple of ``pack``.
        pack: rows that the critic judges at once.
        latent_size: random numbers that a row is made of.
        hidden: widths of the hidden layers of both networks.
        learning_rate: Adam's, for both.
        modes: of a column of numbers, at most.
        levels: numbers of so few different values are taken for categories.
        max_categories: more are refused, as names and free text are no categories.
        random_state: as everywhere in scikit-learn: with a number, a second ``fit`` learns the same. The global
            generators are left as they were.

    Attributes:
        encoder_: from frames to encoded rows and back.
        game_: the game with its networks.
        history_: what :func:`advnotes.play` returned; None where all columns are constant.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Raises:
        ValueError: in ``fit``, where a number is out of range or the table cannot be learnt: no rows or columns, two
            columns of one name, dates, infinite or complex numbers, nested objects, texts and numbers in one column,
            or more than ``max_categories`` texts in one. It says which column, and what to do.
    """

    def __init__(
        self,
        epochs: int | None = None,
        steps: int = 1500,
        batch_size: int = 500,
        pack: int = 10,
        latent_size: int = 128,
        hidden: Widths = (256, 256),
        learning_rate: float = 2e-4,
        modes: int = 10,
        levels: int = 20,
        max_categories: int = 200,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epochs = epochs
        self.steps = steps
        self.batch_size = batch_size
        self.pack = pack
        self.latent_size = latent_size
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.modes = modes
        self.levels = levels
        self.max_categories = max_categories
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "TableGenerator":
        """Learn the rows of ``X``, a frame or an array ``[rows, columns]``; ``y`` is not looked at."""
        batch_size, pack = check_count("batch_size", self.batch_size), check_count("pack", self.pack)
        latent_size, hidden = (
            check_count("latent_size", self.latent_size),
            check_widths("hidden", self.hidden),
        )
        learning_rate = check_number("learning_rate", self.learning_rate, above=0.0)
        if batch_size % pack:
            raise ValueError(
                f"batch_size must be a multiple of pack={pack}, got {batch_size}: take {pack * -(-batch_size // pack)}"
            )
        frame = self._read(X)
        number = int(check_random_state(self.random_state).randint(2**31))
        random = np.random.default_rng(number)
        self.encoder_ = Encoder(frame, random, modes=self.modes, levels=self.levels, most=self.max_categories)
        rows, conditions = self.encoder_.encode(frame, random)
        passes = None if self.epochs is None else check_count("epochs", self.epochs)
        steps = (
            check_count("steps", self.steps) if passes is None else passes * max(len(rows) // batch_size, 1)
        )

        def batch(size: int) -> tuple[Tensor, Tensor]:
            asked, chosen = conditions.draw(size)
            return rows[chosen], asked

        self.history_ = self.game_ = None
        if not rows.shape[1]:
            return self
        with rng.preserved(torch.device("cuda" if torch.cuda.is_available() else "cpu")):
            rng.seed(number)
            layout = self.encoder_.layout
            generator, critic = RowGenerator(layout, latent_size, hidden), row_critic(layout, pack, hidden)
            game = CTGAN(
                generator, critic, latent_size, frequencies=conditions.frequencies, pack=pack
            ).train()
            adam = partial(Adam, lr=learning_rate, betas=(0.5, 0.9), fused=True)
            optimizers = {name: adam(player.parameters()) for name, player in game.players.items()}
            data = Stream(batch, batch_size, steps)
            self.history_ = play(game, data, optimizers, steps=steps, progress=False)
        self.game_ = game.cpu().eval()
        return self

    def sample(
        self,
        n: int,
        *,
        random_state: int | np.random.RandomState | None = None,
        given: Mapping[Any, Any] | None = None,
    ) -> Any:
        """``n`` new rows, as a frame where ``fit`` saw a frame, else as an array of the same type.

        Args:
            n: how many.
            random_state: a number gives the same rows each time.
            given: what the rows are to have, by column: a category, a truth value, a number of at most ``levels``, or
                None for missing. The network is asked for the rarest, and rows that lack one are drawn again.

        Raises:
            ValueError: where ``n`` is negative, ``given`` names no such column or value, or not one row of
                10,000 in 200 has what is given.
        """
        check_is_fitted(self)
        check_count("n", n, least=0)
        wanted = self.encoder_.wanted(given or {})
        seed = int(check_random_state(random_state).randint(2**31))
        frame = self.encoder_.decode(self._rows(n, wanted, torch.Generator().manual_seed(seed)))
        return frame if self._array is None else frame.to_numpy(dtype=self._array)

    @torch.no_grad()
    def _rows(self, n: int, wanted: dict[int, int], generator: torch.Generator) -> Float[Tensor, "n width"]:
        """Encoded rows that have the wanted categories."""
        if self.game_ is None:
            return torch.empty(n, 0)
        asked = self.encoder_.condition(wanted, self.game_.frequencies)
        kept, drawn, size = [torch.empty(0, self.encoder_.layout.width)], 0, min(max(n, 1), AT_ONCE)
        while (have := sum(map(len, kept))) < n:
            if drawn >= PATIENCE * AT_ONCE and have == 0:
                raise ValueError(
                    f"of {drawn:,} rows that were drawn none has all that is given: ask for less, or train for longer"
                )
            labels = None if asked is None else asked.expand(size, -1)
            rows = self.game_.sample(size, generator, labels=labels)
            kept.append(rows[self.encoder_.have(rows, wanted)])
            drawn, size = drawn + size, AT_ONCE if wanted else min(n - have, AT_ONCE)
        return torch.cat(kept)[:n]

    def _read(self, X: Any) -> pd.DataFrame:
        """What was given as a frame; it is kept what is to come back."""
        if isinstance(X, pd.DataFrame):
            self._array, frame = None, X
        else:
            array = X if isinstance(X, np.ndarray) else None if issparse(X) else np.array(X, dtype=object)
            if array is None or array.ndim != 2:
                raise ValueError(
                    "Expected a frame of pandas or a 2D array of rows and columns, got "
                    + (
                        f"a {type(X).__name__}: make it dense"
                        if array is None
                        else f"{array.ndim} dimension(s): Reshape your data"
                    )
                )
            self._array, frame = array.dtype, pd.DataFrame(array).infer_objects()
        self.n_features_in_ = frame.shape[1]
        if all(isinstance(name, str) for name in frame.columns) and len(frame.columns):
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        return frame
