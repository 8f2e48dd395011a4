"""Real data that need no download: MNIST and spam, which lie beside this file, and scikit-learn's 8×8 digits."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from advnotes.data.splits import select, splits_of, unit

__all__ = ["digits", "mnist", "spam", "spam_words"]

BUNDLE = Path(__file__).with_name("mnist.npz")
SPAM_BUNDLE = Path(__file__).with_name("spam.npz")
MEMBER = 1000  # images in each member of the bundle
MNIST = splits_of(train=55_000, validation=5_000, test=10_000)
DIGITS = splits_of(train=1258, validation=180, test=359)
SPAM = splits_of(train=3500, validation=500, test=1829)


@contextmanager
def bundle(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """The open bundle; damage is reported with the way to mend it."""
    try:
        with path.open("rb") as file, np.load(file) as members:
            yield members
    except (OSError, EOFError, KeyError, ValueError, LZMAError, zipfile.BadZipFile) as error:
        raise RuntimeError(
            f"the bundled data, {path}, are missing or damaged ({error}): install advnotes again, or in a clone"
            f" restore them with `git checkout advnotes/data/{path.name}` or run tools/make_{path.stem}.py"
        ) from error


def mnist(
    split: str = "train", size: int | None = None
) -> tuple[Float[Tensor, "n 1 28 28"], Int64[Tensor, " n"]]:
    """MNIST's handwritten digits, from the package: no download.

    The splits are fixed: "train" is the first 55,000 of the original training set, "validation" its last
    5,000, "train+validation" all 60,000, and "test" the original 10,000. Choose on "validation", report on
    "test".

    The first ``size`` images are no random sample of the split: the original test set holds two groups of
    writers, 5,000 digits each, one after the other. Say the size with every number measured on a part.

    Args:
        split: "train", "validation", "train+validation" or "test".
        size: take only the first ``size`` images; only these are unpacked.

    Returns:
        ``(x, y)``: pixels in [0, 1], 0 is background, and the digits 0 to 9.

    Raises:
        ValueError: where the split is unknown or ``size`` is out of range.
        RuntimeError: where the bundled file is damaged.

    Source: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/; licence CC BY-SA 3.0; checksums and
    origin are in ``mnist.json`` beside this module.
    """
    pool, start, stop = select("mnist", MNIST, split, size)
    x = torch.empty(stop - start, 1, 28, 28)
    with bundle(BUNDLE) as members:
        for first in range(start, stop, MEMBER):  # each split starts where a member does
            member = members[f"{pool}_images_{first // MEMBER:02d}"][: stop - first]
            x[first - start : first - start + len(member), 0] = torch.from_numpy(member)
        y = torch.from_numpy(members[f"{pool}_labels"][start:stop]).long()
    return x.div_(255), y


def digits(
    split: str = "train", size: int | None = None
) -> tuple[Float[Tensor, "n 1 8 8"], Int64[Tensor, " n"]]:
    """scikit-learn's 1,797 handwritten digits, 8×8 pixels: a second, smaller domain; no download.

    The split is fixed and stratified: NumPy's ``RandomState(0)``, whose stream is frozen, permutes each
    class; a fifth of it (rounded) is "test" (359 in all), the next tenth "validation" (180), the rest "train"
    (1,258). The same stream then mixes the classes within each split, so that the first ``size`` images are a
    random sample. The same writers appear in every split.

    Args:
        split: "train", "validation", "train+validation" or "test".
        size: take only the first ``size`` images.

    Returns:
        ``(x, y)``: pixels in [0, 1] (counts 0 to 16 of inked pixels, divided by 16), 0 is background, and the
        digits 0 to 9.

    Raises:
        ValueError: where the split is unknown or ``size`` is out of range.

    Source: the test part of Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998; licence CC BY 4.0; shipped with scikit-learn.
    """
    from sklearn.datasets import load_digits

    pool, start, stop = select("digits", DIGITS, split, size)
    data = load_digits()
    rows = digit_order(data.target)[pool][start:stop]
    return unit(data.images[rows, None], levels=16), torch.from_numpy(data.target[rows]).long()


def spam(
    split: str = "train", size: int | None = None
) -> tuple[Float[Tensor, "n words"], Int64[Tensor, " n"]]:
    """SpamAssassin's public corpus of real mail of 2002 and 2003, as sets of words: no download.

    A third is spam. Most of the good mail comes from mailing lists of programmers, so that words such as "wrote" give
    it away: a filter learns the corpus as much as it learns spam.

    Args:
        split: "train" (3,500), "validation" (500), "train+validation" or "test" (1,829), each a random sample.
        size: take only the first ``size`` mails.

    Returns:
        ``(x, y)``: 1 where a mail holds the word of :func:`spam_words` in that place and 0 where it does not, and
        the classes 0 (good) and 1 (spam).

    Raises:
        ValueError: where the split is unknown or ``size`` is out of range.
        RuntimeError: where the bundled file is damaged.

    Source: https://spamassassin.apache.org/old/publiccorpus/; licence PDDL 1.0 and CC0 1.0; checksums and what was
    kept are in ``spam.json`` beside this module.
    """
    pool, start, stop = select("spam", SPAM, split, size)
    offset = 0 if pool == "train" else SPAM["train+validation"][2]
    rows = slice(offset + start, offset + stop)
    with bundle(SPAM_BUNDLE) as members:
        held = np.unpackbits(members["words"][rows], axis=1)
        y = torch.from_numpy(members["spam"][rows]).long()
    return torch.from_numpy(held).float(), y


def spam_words() -> tuple[str, ...]:
    """The 2,000 words of :func:`spam`, in the order of its columns: the most common first."""
    with bundle(SPAM_BUNDLE) as members:
        return tuple(members["vocabulary"].tobytes().decode().split(" "))


def digit_order(labels: NDArray[np.int64]) -> dict[str, NDArray[np.intp]]:
    """The rows of the training pool (train, then validation) and of the test pool."""
    random = np.random.RandomState(0)
    parts: dict[str, list[NDArray[np.intp]]] = {"train": [], "validation": [], "test": []}
    for label in range(10):
        rows = random.permutation(np.flatnonzero(labels == label))
        test, validation = round(0.2 * len(rows)), round(0.1 * len(rows))
        parts["test"].append(rows[:test])
        parts["validation"].append(rows[test : test + validation])
        parts["train"].append(rows[test + validation :])
    mixed = {name: random.permutation(np.concatenate(rows)) for name, rows in parts.items()}
    return {"train": np.concatenate([mixed["train"], mixed["validation"]]), "test": mixed["test"]}
