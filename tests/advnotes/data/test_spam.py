"""Mail as sets of words, and the script that made it."""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from advnotes.data import bundled, spam, spam_words
from tests.scripts import load_script

SCRIPT = Path(__file__).parents[3] / "tools" / "make_spam.py"
CARD = json.loads(bundled.SPAM_BUNDLE.with_suffix(".json").read_text())
MAILS = {
    "easy-ham-1/1.txt": b"Subject: Kernel patches\n\nRuns at joe@example.org, see http://a.b/c now\n",
    "spam-1/1.txt": b"Subject: FREE money\nContent-Type: text/html\n\n"
    b"<b>Money</b> &eacute;&amp; <script>var hidden</script>x9y\n",
    "spam-1/2.txt": b"Subject: free MONEY\n\n\n",
    "hard-ham-1/2.txt": b"Subject: 12\n\n...\n",
}


def test_the_card_names_this_bundle_and_its_licence():
    content = bundled.SPAM_BUNDLE.read_bytes()
    assert CARD["spam.npz"] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert "CC0" in CARD["licence"]


def test_splits_are_disjoint_parts_of_one_corpus():
    parts = {split: spam(split) for split in ("train", "validation", "test")}
    assert [len(x) for x, _ in parts.values()] == [3500, 500, 1829]
    for x, y in parts.values():
        assert x.shape[1] == len(spam_words()) == 2000
        assert set(x.unique().tolist()) == {0.0, 1.0}
        assert 0.27 < y.double().mean() < 0.33
    both = spam("train+validation")[0]
    assert torch.equal(both, torch.cat([parts["train"][0], parts["validation"][0]]))
    assert torch.equal(spam("test", size=7)[0], parts["test"][0][:7])
    with pytest.raises(ValueError, match="has the splits 'train'"):
        spam("tests")


def test_words_are_in_their_columns():
    x, y = spam("train")
    words = spam_words()
    assert x.sum(dim=0).diff().max() <= 0  # the most common first
    share = {
        word: x[y == 1, words.index(word)].mean() / x[y == 0, words.index(word)].mean()
        for word in ("wrote", "click")
    }
    assert share["wrote"] < 0.1
    assert share["click"] > 3


@pytest.fixture
def script(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    module = load_script("make_spam")
    monkeypatch.setattr(module, "TRAIN", 2)
    return module


@pytest.fixture
def archive(tmp_path) -> Path:
    path = tmp_path / "mail.tgz"
    with tarfile.open(path, "w:gz") as files:
        for name, content in {**MAILS, "data.js": b"no mail"}.items():
            entry = tarfile.TarInfo(f"package/data/{name}")
            entry.size = len(content)
            files.addfile(entry, io.BytesIO(content))
    return path


def test_only_words_of_subject_and_text_remain(script):
    assert script.words(MAILS["easy-ham-1/1.txt"]) == {"kernel", "patches", "runs", "see", "now"}
    assert script.words(MAILS["spam-1/1.txt"]) == {"free", "money"}
    assert script.words(MAILS["hard-ham-1/2.txt"]) == set()


def test_equal_mails_are_kept_once_and_two_runs_give_the_same_bytes(script, archive, tmp_path, monkeypatch):
    with tarfile.open(archive) as files:
        found = {m.name: files.extractfile(m).read() for m in files if m.name.endswith(".txt")}
    digest = hashlib.sha256(b"".join(name.encode() + found[name] for name in sorted(found))).hexdigest()
    monkeypatch.setattr(script, "SHA256", digest)
    for out in ("one", "two"):
        (tmp_path / out).mkdir()
        monkeypatch.setattr(
            sys, "argv", ["make_spam.py", "--archive", str(archive), "--out", str(tmp_path / out)]
        )
        script.main()
    assert (tmp_path / "one" / "spam.npz").read_bytes() == (tmp_path / "two" / "spam.npz").read_bytes()
    with np.load(tmp_path / "one" / "spam.npz") as made:
        words = made["vocabulary"].tobytes().decode().split()
        rows = [
            {w for w, bit in zip(words, row, strict=False) if bit}
            for row in np.unpackbits(made["words"], axis=1)
        ]
        kinds = dict(zip(map(frozenset, rows), made["spam"].tolist(), strict=True))
    assert kinds == {
        frozenset({"free", "money"}): 1,
        frozenset({"kernel", "patches", "runs", "see", "now"}): 0,
    }


def test_another_archive_is_refused_before_anything_is_written(script, archive, tmp_path):
    with pytest.raises(SystemExit, match=r"have the SHA-256 .*, expected 7360716d"):
        script.make(archive, tmp_path)
    assert not (tmp_path / "spam.npz").exists()


def test_a_missing_npm_is_named(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"npm was not found.*--archive FILE"):
        script.fetch(tmp_path)
