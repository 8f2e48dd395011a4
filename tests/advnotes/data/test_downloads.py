"""The loaders against a local server that holds small files in the real formats, and that can misbehave."""

import dataclasses
import functools
import gzip
import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest
import torch
from scipy.io import savemat

from advnotes.data import (
    CIFAR10,
    FASHION_MNIST,
    SVHN,
    DownloadError,
    Source,
    cifar10,
    fashion_mnist,
    svhn,
)
from advnotes.data.splits import splits_of

ROWS = {"train": 25, "test": 10}


class Server(ThreadingHTTPServer):
    """Serves ``files``; ``mood`` is what goes wrong."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.mood = "well"
        self.requests: list[str] = []
        self.together = threading.Barrier(2)
        self.half_sent = threading.Event()
        self.go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        self.server.requests.append(name)
        if self.server.mood == "missing" or name not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[name]
        if self.server.mood == "other bytes":
            content = bytes(len(content))
        if self.server.mood == "two at once":
            self.server.together.wait(timeout=120)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        if self.server.mood == "cut off":
            return
        if self.server.mood == "stuck":
            self.wfile.flush()
            self.server.half_sent.set()
            self.server.go_on.wait(timeout=120)
            return
        self.wfile.write(content[half:])

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to the terminal."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


def pixels(pool: str, *shape: int) -> np.ndarray:
    return np.random.RandomState(len(pool)).randint(0, 256, (ROWS[pool], *shape)).astype(np.uint8)


def labels(pool: str) -> np.ndarray:
    return (np.arange(ROWS[pool]) % 10).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def fashion_files() -> dict[str, bytes]:
    files = {}
    for pool, prefix in (("train", "train"), ("test", "t10k")):
        files[f"{prefix}-images-idx3-ubyte.gz"] = idx(pixels(pool, 28, 28))
        files[f"{prefix}-labels-idx1-ubyte.gz"] = idx(labels(pool))
    return files


def cifar_files() -> dict[str, bytes]:
    """The real archive's members, also the idle ones, in the real one's scrambled order."""
    records = {pool: np.column_stack([labels(pool), pixels(pool, 3072)]) for pool in ROWS}
    members = {f"data_batch_{k + 1}.bin": records["train"][5 * k : 5 * k + 5].tobytes() for k in range(5)}
    members |= {
        "test_batch.bin": records["test"].tobytes(),
        "batches.meta.txt": b"airplane\n",
        "readme.html": b"-",
    }
    order = ["data_batch_1.bin", "batches.meta.txt", "data_batch_3.bin", "data_batch_4.bin", "test_batch.bin"]
    order += ["readme.html", "data_batch_5.bin", "data_batch_2.bin"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name in order:
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(members[name])
            archive.addfile(entry, io.BytesIO(members[name]))
    return {"cifar-10-binary.tar.gz": buffer.getvalue()}


def svhn_files() -> dict[str, bytes]:
    files = {}
    for pool in ROWS:
        buffer = io.BytesIO()
        y = np.where(labels(pool) == 0, 10, labels(pool))[:, None].astype(np.uint8)
        savemat(buffer, {"X": pixels(pool, 3, 32, 32).transpose(2, 3, 1, 0), "y": y}, do_compression=True)
        files[f"{pool}_32x32.mat"] = buffer.getvalue()
    return files


LOADERS = {
    "fashion_mnist": (fashion_mnist, FASHION_MNIST, fashion_files, (1, 28, 28)),
    "cifar10": (cifar10, CIFAR10, cifar_files, (3, 32, 32)),
    "svhn": (svhn, SVHN, svhn_files, (3, 32, 32)),
}
each_loader = pytest.mark.parametrize(
    ("load", "official", "make", "shape"), LOADERS.values(), ids=LOADERS.keys()
)


def serve(server: Server, official: Source, make) -> Source:
    """The official source, but for its address, its checksums and its sizes."""
    server.files = make()
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in server.files.items()}
    assert sums.keys() == official.sha256.keys()
    splits = splits_of(train=20, validation=5, test=10)
    return dataclasses.replace(official, url=server.url, sha256=sums, splits=splits)


@each_loader
def test_every_split_holds_the_files_rows(load, official, make, shape, server, tmp_path):
    source = serve(server, official, make)
    bounds = {"train": (0, 20), "validation": (20, 25), "train+validation": (0, 25), "test": (0, 10)}
    for split, (start, stop) in bounds.items():
        pool = "test" if split == "test" else "train"
        x, y = load(split, root=tmp_path, source=source)
        expected = pixels(pool, *shape).reshape(-1, *shape)[start:stop]
        assert torch.equal(x, torch.from_numpy(expected / np.float32(255)))
        assert x.is_contiguous()
        assert y.dtype == torch.int64
        assert y.tolist() == labels(pool)[start:stop].tolist()
        some, first = load(split, size=3, root=tmp_path, source=source)
        assert torch.equal(some, x[:3])
        assert torch.equal(first, y[:3])
    assert len(server.requests) == len(set(server.requests))


@each_loader
def test_a_wrong_request_is_refused_before_anything_is_fetched(load, official, make, shape, server, tmp_path):
    source = serve(server, official, make)
    for arguments, message in ((("tests",), "has the splits"), (("test", 11), "from 1 to 10")):
        with pytest.raises(ValueError, match=message):
            load(*arguments, root=tmp_path, source=source)
    assert server.requests == []


@each_loader
@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("other bytes", "does not match the known hash"),
        ("cut off", "IncompleteRead"),
        ("missing", "404"),
    ],
)
def test_a_failed_download_is_explained_and_leaves_nothing(
    load, official, make, shape, mood, reason, server, tmp_path
):
    source = serve(server, official, make)
    server.mood = mood
    with pytest.raises(DownloadError, match=reason) as caught:
        load("test", root=tmp_path, source=source)
    message = str(caught.value)
    file = server.requests[0]
    assert f"Expected: {server.url}/{file} with SHA-256 {source.sha256[file]}" in message
    assert "To mend" in message
    if mood == "other bytes":
        assert hashlib.sha256(bytes(len(server.files[file]))).hexdigest() in message
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    server.mood = "well"
    assert len(load("test", root=tmp_path, source=source)[0]) == 10


def test_no_network_is_explained_and_what_was_fetched_still_loads(server, tmp_path):
    source = serve(server, FASHION_MNIST, fashion_files)
    x, _ = fashion_mnist("test", root=tmp_path, source=source)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    offline = dataclasses.replace(source, url=f"http://127.0.0.1:{port}")  # where nobody listens
    assert torch.equal(fashion_mnist("test", root=tmp_path, source=offline)[0], x)
    with pytest.raises(DownloadError, match=r"ConnectionError.*To mend: check the network"):
        fashion_mnist("train", root=tmp_path, source=offline)
    assert len(fashion_mnist("train", root=tmp_path, source=source)[0]) == 20


@pytest.mark.parametrize("how", ["half written", "one bit", "empty"])
def test_a_damaged_cache_is_mended_or_named(how, server, tmp_path):
    source = serve(server, SVHN, svhn_files)
    x, _ = svhn("test", root=tmp_path, source=source)
    path = tmp_path / "svhn" / "test_32x32.mat"
    whole = path.read_bytes()
    damaged = {
        "half written": whole[: len(whole) // 2],
        "one bit": bytes([whole[0] ^ 1]) + whole[1:],
        "empty": b"",
    }
    path.write_bytes(damaged[how])
    server.mood = "missing"
    with pytest.raises(DownloadError) as caught:
        svhn("test", root=tmp_path, source=source)
    assert f"cache is damaged: SHA-256 {hashlib.sha256(damaged[how]).hexdigest()}" in str(caught.value)
    server.mood = "well"
    assert torch.equal(svhn("test", root=tmp_path, source=source)[0], x)
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path):
    source = serve(server, SVHN, svhn_files)
    (tmp_path / "svhn").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="that the cache can be written"):
        svhn("test", root=tmp_path, source=source)


def in_process(source: Source, root: Path) -> subprocess.Popen[bytes]:
    """Another process that loads Fashion-MNIST's test split and prints its checksum."""
    code = (
        "import hashlib, sys\n"
        "from advnotes.data import Source, fashion_mnist\n"
        f"x, y = fashion_mnist('test', root={str(root)!r}, source=Source(**{dataclasses.asdict(source)!r}))\n"
        "print(hashlib.sha256(x.numpy().tobytes()).hexdigest())\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)


def test_two_processes_may_fetch_at_once_and_a_killed_one_does_no_harm(server, tmp_path):
    source = serve(server, FASHION_MNIST, fashion_files)
    server.mood = "stuck"
    killed = in_process(source, tmp_path)
    assert server.half_sent.wait(timeout=120)
    killed.kill()
    killed.communicate()
    server.go_on.set()
    assert not list(tmp_path.rglob("*.gz"))

    server.mood = "two at once"  # each file is sent only once both processes have asked for it
    server.requests.clear()
    both = [in_process(source, tmp_path) for _ in range(2)]
    printed = [process.communicate(timeout=180)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len(server.requests) == 4
    x, _ = fashion_mnist("test", root=tmp_path, source=source)
    assert printed == [[hashlib.sha256(x.numpy().tobytes()).hexdigest().encode()]] * 2
    assert len(server.requests) == 4


def test_the_cache_is_where_the_environment_says_or_the_users(server, tmp_path, monkeypatch, caplog, capsys):
    source = serve(server, SVHN, svhn_files)
    load = functools.partial(svhn, "test", source=source)
    monkeypatch.setenv("ADVNOTES_CACHE", str(tmp_path / "mine"))
    load()
    assert (tmp_path / "mine" / "svhn" / "test_32x32.mat").exists()
    monkeypatch.delenv("ADVNOTES_CACHE")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    load()
    assert (tmp_path / "advnotes" / "svhn" / "test_32x32.mat").exists()
    captured = capsys.readouterr()
    assert captured.out + captured.err + caplog.text == ""  # no path of this machine in a notebook


@pytest.mark.parametrize(
    ("source", "train", "test"),
    [(FASHION_MNIST, 60_000, 10_000), (CIFAR10, 50_000, 10_000), (SVHN, 73_257, 26_032)],
)
def test_the_splits_share_out_the_whole_set(source, train, test):
    rows = {split: range(start, stop) for split, (_, start, stop) in source.splits.items()}
    assert [*rows["train"], *rows["validation"]] == [*rows["train+validation"]] == [*range(train)]
    assert rows["test"] == range(test)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in source.sha256.values())
