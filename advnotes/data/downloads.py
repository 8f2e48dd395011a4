"""Real data fetched once from their usual places, checked against SHA-256, and kept in a cache."""

import gzip
import logging
import os
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from advnotes.data.splits import Splits, select, splits_of, unit

__all__ = ["CIFAR10", "FASHION_MNIST", "SVHN", "DownloadError", "Source", "cifar10", "fashion_mnist", "svhn"]

Pixels = NDArray[np.uint8]


class DownloadError(RuntimeError):
    """A file could not be fetched, or what came is not the file that was expected."""


@dataclass(frozen=True)
class Source:
    """Where a data set lies and how to know it.

    A mirror is ``dataclasses.replace(CIFAR10, url="https://...")``.

    Args:
        name: its folder in the cache.
        url: the address in front of its files' names.
        sha256: the checksum of each file. It proves that the file is the expected one (integrity), not who made it
            (origin). Those below are the ones that TensorFlow Datasets records.
        splits: which rows belong to which split.
    """

    name: str
    url: str
    sha256: Mapping[str, str]
    splits: Splits = field(repr=False)


FASHION_MNIST = Source(
    name="fashion-mnist",
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    sha256={
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    splits=splits_of(train=55_000, validation=5_000, test=10_000),
)
CIFAR10 = Source(
    name="cifar-10",
    url="https://www.cs.toronto.edu/~kriz",
    sha256={"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
    splits=splits_of(train=45_000, validation=5_000, test=10_000),
)
SVHN = Source(
    name="svhn",
    url="http://ufldl.stanford.edu/housenumbers",
    sha256={
        "train_32x32.mat": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        "test_32x32.mat": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
    },
    splits=splits_of(train=68_257, validation=5_000, test=26_032),
)


def fashion_mnist(
    split: str = "train",
    size: int | None = None,
    root: str | os.PathLike[str] | None = None,
    source: Source = FASHION_MNIST,
) -> tuple[Float[Tensor, "n 1 28 28"], Int64[Tensor, " n"]]:
    """Fashion-MNIST: 28×28 pictures of ten kinds of clothes, in MNIST's format (31 MB to fetch).

    "train" is the first 55,000 of the original training set, "validation" its last 5,000, "train+validation" all
    60,000, "test" the original 10,000.

    Args:
        split: "train", "validation", "train+validation" or "test"; only its files are fetched.
        size: take only the first ``size`` images.
        root: the cache's folder; None: the environment's ``ADVNOTES_CACHE``, else the user's cache folder.
        source: where the files come from.

    Returns:
        ``(x, y)``: pixels in [0, 1] and classes 0 to 9.

    Raises:
        ValueError: where the split is unknown or ``size`` is out of range.
        DownloadError: where a file cannot be had, or is not the expected one.

    Source: Xiao, Rasul and Vollgraf 2017, https://github.com/zalandoresearch/fashion-mnist; MIT licence.
    """
    pool, start, stop = select(source.name, source.splits, split, size)
    prefix = {"train": "train", "test": "t10k"}[pool]
    images = fetch(source, f"{prefix}-images-idx3-ubyte.gz", root)
    labels = fetch(source, f"{prefix}-labels-idx1-ubyte.gz", root)
    return samples(read_idx(images, stop)[:, None], read_idx(labels, stop), start, stop)


def cifar10(
    split: str = "train",
    size: int | None = None,
    root: str | os.PathLike[str] | None = None,
    source: Source = CIFAR10,
) -> tuple[Float[Tensor, "n 3 32 32"], Int64[Tensor, " n"]]:
    """CIFAR-10: 32×32 colour photographs of ten kinds of things (170 MB to fetch).

    "train" is batches 1 to 4 and the first 5,000 of batch 5, "validation" the last 5,000 of batch 5,
    "train+validation" all 50,000, "test" the original 10,000. The binary version is used: the Python version is a
    pickle, which can run any code when it is opened. Arguments and errors as in :func:`fashion_mnist`.

    Source: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images,
    https://www.cs.toronto.edu/~kriz/cifar.html; the page names no licence and asks for a citation.
    """
    pool, start, stop = select(source.name, source.splits, split, size)
    names = {"train": [f"data_batch_{k}.bin" for k in range(1, 6)], "test": ["test_batch.bin"]}[pool]
    records = read_members(fetch(source, "cifar-10-binary.tar.gz", root), names).reshape(-1, 1 + 3 * 32 * 32)
    return samples(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0], start, stop)


def svhn(
    split: str = "train",
    size: int | None = None,
    root: str | os.PathLike[str] | None = None,
    source: Source = SVHN,
) -> tuple[Float[Tensor, "n 3 32 32"], Int64[Tensor, " n"]]:
    """SVHN, cropped: 32×32 colour photographs of digits on houses (182 MB to fetch, 64 MB for "test").

    "train" is the first 68,257 of the original training set, "validation" its last 5,000, "train+validation" all
    73,257, "test" the original 26,032; the 531,131 extra images are left out. The file's label 10 means the digit 0
    and comes out as 0. Arguments and errors as in :func:`fashion_mnist`.

    Source: Netzer et al. 2011, Reading Digits in Natural Images with Unsupervised Feature Learning,
    http://ufldl.stanford.edu/housenumbers/; the page says: for non-commercial use only.
    """
    from scipy.io import loadmat

    pool, start, stop = select(source.name, source.splits, split, size)
    content = loadmat(fetch(source, f"{pool}_32x32.mat", root), variable_names=["X", "y"])
    return samples(content["X"].transpose(3, 2, 0, 1), content["y"].ravel() % 10, start, stop)


def samples(images: Pixels, labels: Pixels, start: int, stop: int) -> tuple[Tensor, Tensor]:
    """Rows ``start`` to ``stop`` as tensors."""
    return unit(images[start:stop]), torch.from_numpy(labels[start:stop].astype(np.int64))


def read_idx(path: Path, rows: int) -> Pixels:
    """The first ``rows`` of a gzipped IDX file of bytes, without unpacking the others."""
    with gzip.open(path) as file:
        dimensions = file.read(4)[3]
        shape = np.frombuffer(file.read(4 * dimensions), ">u4").astype(int)
        return np.frombuffer(file.read(rows * int(shape[1:].prod())), np.uint8).reshape(rows, *shape[1:])


def read_members(path: Path, names: list[str]) -> Pixels:
    """The contents of members of CIFAR-10's archive, one after the other; nothing is unpacked to the disk."""
    found: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:  # in the archive's order, since going back means decompressing again
            name = member.name.removeprefix("cifar-10-batches-bin/")
            if name in names and (file := archive.extractfile(member)) is not None:
                found[name] = file.read()
            if len(found) == len(names):
                break
    return np.frombuffer(b"".join(found[name] for name in names), np.uint8)


def fetch(source: Source, file: str, root: str | os.PathLike[str] | None) -> Path:
    """The path of a file in the cache, which is fetched first where it is missing or damaged.

    pooch downloads to a name of its own, checks, and only then renames: a download that fails, is killed, or runs
    beside another one never leaves a wrong file under the right name, and the next call simply tries again.
    """
    import pooch

    folder = Path(root or os.environ.get("ADVNOTES_CACHE") or pooch.os_cache("advnotes")) / source.name
    path, url, expected = folder / file, f"{source.url}/{file}", source.sha256[file]
    try:
        with quiet(pooch.get_logger()):
            pooch.retrieve(url, f"sha256:{expected}", file, folder, progressbar=sys.stderr.isatty())
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        damaged = (
            f" The copy in the cache is damaged: SHA-256 {pooch.file_hash(path)}." if path.is_file() else ""
        )
        raise DownloadError(
            f"{source.name} could not be fetched. Expected: {url} with SHA-256 {expected}."
            f" What came: {type(error).__name__}: {error}.{damaged}"
            f" To mend: check the network, and that the cache can be written, and call again; or name a mirror"
            f" (source=dataclasses.replace(..., url=...)), or put the file at {path} yourself."
        ) from error
    return path


@contextmanager
def quiet(logger: logging.Logger) -> Iterator[None]:
    """Without pooch's notes, which would put paths of this machine into a published notebook."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
