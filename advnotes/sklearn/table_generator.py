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
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, check_random_state
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from advnotes import rng
from advnotes.checks import check_count, check_number
from advnotes.data import Stream
from advnotes.generators import CTGAN, Conditions, Encoder, RowGenerator, row_critic
from advnotes.loop import History, play
from advnotes.sklearn.tables import Widths, check_widths

__all__ = ["TableGenerator"]

#: Rows that the network makes in one go, and of how many of them one must have what is given.
AT_ONCE, PATIENCE = 10_000, 1_000_000


class TableGenerator(BaseEstimator):  # type: ignore[misc]
    """More rows of the kind of a table, by the game :class:`~advnotes.generators.CTGAN` (Xu et al. 2019).

    ``TableGenerator().fit(frame).sample(1000)`` is a frame of the same columns, types and order. Numbers, texts, truth
    values, categories and missing values may be mixed; a missing value is learnt as one, and comes back as one. Numbers
    stay within the range that was seen, and are whole where all were.

    Differs from the paper: the defaults are for a minute of one processor. It has batches of 500, packs of 10, half of
    the critic's units dropped, a learning rate of 2e-4 that stays, the last weights, a penalty in every move, and 300
    epochs.

    Args:
        epochs: passes over the rows; None: as many as make ``steps``.
        steps: rounds of the game, where there are no ``epochs``.
        batch_size: rows in a batch, at least 2, a multiple of ``pack``.
        pack: rows that the critic judges at once: more find repeated rows sooner, and need more rounds.
        latent_size: random numbers that a row is made of.
        hidden: widths of the hidden layers of both networks.
        drop: the share of the critic's hidden units that dropout leaves out.
        learning_rate: Adam's, for both, falling linearly to 0.
        average: over which share of the training the generator's weights are averaged; 0: its last ones are taken.
        moves: of the critic in each round.
        every: the critic's penalty is taken in one of so many moves.
        modes: of a column of numbers, at most.
        levels: numbers of so few different values are taken for categories.
        max_categories: more are refused, as names and free text are no categories.
        random_state: as everywhere in scikit-learn: with a number, a second ``fit`` learns the same. The global
            generators are left as they were.

    Attributes:
        encoder_: from frames to encoded rows and back.
        game_: the game with its networks, None where all columns are constant.
        history_: what :func:`advnotes.play` returned, None as well.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Raises:
        ValueError: in ``fit``, where a number is out of range or the table cannot be learnt: no rows or columns, two
            columns of one name, dates, infinite or complex numbers, nested objects, texts and numbers in one column,
            or more than ``max_categories`` texts in one. It says which column, and what to do.
        TypeError: in ``fit``, for a sparse matrix.
    """

    def __init__(
        self,
        epochs: int | None = None,
        steps: int = 1000,
        batch_size: int = 200,
        pack: int = 1,
        latent_size: int = 128,
        hidden: Widths = (256, 256),
        drop: float = 0.25,
        learning_rate: float = 1e-3,
        average: float = 0.05,
        moves: int = 2,
        every: int = 4,
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
        self.drop = drop
        self.learning_rate = learning_rate
        self.average = average
        self.moves = moves
        self.every = every
        self.modes = modes
        self.levels = levels
        self.max_categories = max_categories
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "TableGenerator":
        """Learn the rows of ``X``, a frame or an array ``[rows, columns]``; ``y`` is not looked at."""
        self._check()
        frame = self._read(X)
        number = int(check_random_state(self.random_state).randint(2**31))
        random = np.random.default_rng(number)
        kinds = dict(modes=self.modes, levels=self.levels, most=self.max_categories)
        self.encoder_ = Encoder(frame, random, **kinds)
        rows, conditions = self.encoder_.encode(frame, random)
        self.history_: History | None = None
        self.game_: CTGAN | None = None
        if rows.shape[1]:
            with rng.preserved(torch.device("cuda" if torch.cuda.is_available() else "cpu")):
                rng.seed(number)
                self._play(rows, conditions)
        return self

    def _play(self, rows: Float[Tensor, "rows width"], conditions: Conditions) -> None:
        """Train the two networks on encoded rows."""
        layout, hidden = self.encoder_.layout, check_widths("hidden", self.hidden)
        network = RowGenerator(layout, self.latent_size, hidden)
        critic = row_critic(layout, self.pack, hidden, self.drop)
        game = CTGAN(
            network,
            critic,
            self.latent_size,
            frequencies=conditions.frequencies,
            pack=self.pack,
            every=self.every,
            moves=self.moves,
        ).train()
        steps = self.steps if self.epochs is None else self.epochs * max(len(rows) // self.batch_size, 1)
        adam = partial(Adam, lr=self.learning_rate, betas=(0.5, 0.9), fused=True)
        optimizers = {name: adam(player.parameters()) for name, player in game.players.items()}

        def batch(size: int) -> tuple[Tensor, Tensor]:
            condition, chosen = conditions.draw(size)
            return rows[chosen], condition

        over = self.average * steps
        self.history_ = history = play(
            game,
            Stream(batch, self.batch_size, steps * self.moves),
            optimizers,
            steps=steps,
            schedules={name: LambdaLR(one, partial(falling, steps)) for name, one in optimizers.items()},
            schedule_by="round",
            ema={"generator": 1 - 1 / over} if over > 1 else None,
            progress=False,
        )
        if history.averages:
            network.load_state_dict(history.averages["generator"].state_dict())
        self.game_ = game.cpu().eval()

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
            given: what every row is to have, by column: a category, a truth value, a number where there are at most
                ``levels``, or None for missing. The network is asked for the rarest; rows that lack one are left out.

        Raises:
            ValueError: where ``n`` is negative, ``given`` names no such column or value, or not one of a million rows
                has what is given.
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
        kept = torch.empty(0, self.encoder_.layout.width)
        condition = self.encoder_.condition(wanted, self.game_.frequencies)
        drawn, size = 0, min(max(n, 1), AT_ONCE)
        while len(kept) < n:
            if drawn >= PATIENCE and not len(kept):
                raise ValueError(
                    f"of {drawn:,} rows that were drawn none has all that is given: ask for less, or train for longer"
                )
            labels = None if condition is None else condition.expand(size, -1)
            rows = self.game_.sample(size, generator, labels=labels)
            kept = torch.cat([kept, rows[self.encoder_.have(rows, wanted)]])
            drawn, size = drawn + size, AT_ONCE if wanted else min(max(n - len(kept), 1), AT_ONCE)
        return kept[:n]

    def _check(self) -> None:
        """Raise ValueError for a number that is out of range."""
        for name in (
            "steps",
            "pack",
            "latent_size",
            "moves",
            "every",
            "modes",
            "levels",
            "max_categories",
        ):
            check_count(name, getattr(self, name))
        check_count("batch_size", self.batch_size, least=2)  # the generator normalises batches
        check_count("epochs", 1 if self.epochs is None else self.epochs)
        check_widths("hidden", self.hidden)
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("average", self.average, least=0.0, most=1.0)
        check_number("drop", self.drop, least=0.0, most=0.9)
        if self.batch_size % self.pack:
            fitting = self.pack * -(-self.batch_size // self.pack)
            raise ValueError(
                f"batch_size must be a multiple of pack={self.pack}, got {self.batch_size}: take {fitting}"
            )

    def _read(self, X: Any) -> pd.DataFrame:
        """What was given, as a frame; the type of an array is kept for what comes back."""
        self._array: np.dtype[Any] | None = None
        frame = X
        if issparse(X):
            raise TypeError(
                "Sparse data was passed, but dense data is required: make it dense by X.toarray()"
            )
        if not isinstance(X, pd.DataFrame):
            array = X if isinstance(X, np.ndarray) else np.array(X, dtype=object)
            if array.ndim != 2:
                raise ValueError(
                    f"Expected a frame of pandas or a 2D array of rows and columns, got {array.ndim} dimension(s): "
                    "Reshape your data, such as by X[:, None] for one column"
                )
            self._array, frame = array.dtype, pd.DataFrame(array).infer_objects()
        if not frame.shape[1]:
            raise ValueError(f"0 feature(s) (shape={frame.shape}) while a minimum of 1 is required.")
        self.n_features_in_ = frame.shape[1]
        if all(isinstance(name, str) for name in frame.columns):
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        return frame

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def falling(steps: int, step: int) -> float:
    """The factor on the learning rate: from 1 to 0 in so many steps."""
    return max(1 - step / steps, 0.0)
