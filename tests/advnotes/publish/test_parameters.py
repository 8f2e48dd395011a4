import re
from typing import Any

import pytest

from advnotes.publish import parameters
from advnotes.publish.chapters import BUILD, profiles, select
from advnotes.publish.parameters import all_parameters


def test_a_profile_adds_its_name_and_its_parameters(book: Any) -> None:
    book.add("a/one", parameters='profile: str = "laptop"\nsize = 3\nrate = 0.5\nnote = None')
    book.add("a/two")
    book.profile("smoke", "a/one: {size: 1, rate: 1, note: text}\n")
    wanted = select(book.root)
    assert profiles(book.root) == ["laptop", "smoke"]
    assert all_parameters(wanted, "laptop") == {"a/one": {}, "a/two": {}}
    assert all_parameters(wanted, "smoke") == {
        "a/one": {"profile": "smoke", "size": 1, "rate": 1, "note": "text"},
        "a/two": {"profile": "smoke"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a/one: {sise: 1}", "no parameter 'sise'.*profile, size"),
        ("a/one: {size: big}", "expected size of type int"),
        ("a/one: {size: true}", "expected size of type int"),
        ("a/one: {profile: smoke}", "leave it out"),
        ("a/none: {size: 1}", "no such chapter"),
        ("a/one: [1]", "names and values"),
        ("[1]", "chapter names"),
        ("a: b: c", "YAML"),
    ],
)
def test_what_a_profile_cannot_say_is_refused(book: Any, text: str, message: str) -> None:
    book.add("a/one")
    book.profile("smoke", text)
    with pytest.raises(ValueError, match=message):
        all_parameters(select(book.root), "smoke")


def test_an_unknown_profile_is_refused(book: Any) -> None:
    book.add("a/one")
    with pytest.raises(ValueError, match="'fast'; there are laptop"):
        all_parameters(select(book.root), "fast")


@pytest.fixture
def apart(book: Any) -> Any:
    """A folder as ``--build`` names it."""
    BUILD.set(book.root / "apart")
    return book.root / "apart"


def test_what_is_given_comes_before_the_profile_where_a_chapter_has_it(book: Any) -> None:
    book.add("a/one", parameters='profile = "laptop"\nrate = 0.5\nseeds = [0]')
    book.add("a/two")
    book.profile("smoke", "a/one: {rate: 0.1}\n")
    wanted = select(book.root)
    given = parameters.read(["rate=1e-3", "seeds=[1, 2]"], wanted)
    assert given == {"a/one": {"rate": 1e-3, "seeds": [1, 2]}}
    assert all_parameters(wanted, "smoke", given) == {
        "a/one": {"profile": "smoke", "rate": 1e-3, "seeds": [1, 2]},
        "a/two": {"profile": "smoke"},
    }
    assert all_parameters(wanted, "laptop", given) == {"a/one": {"rate": 1e-3, "seeds": [1, 2]}, "a/two": {}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size", "as -p name=value, got 'size'"),
        ("=3", "as -p name=value"),
        (
            "sise=1",
            "no chosen chapter has a parameter 'sise'; a/one has profile, size; a/two has profile, size",
        ),
        ("size=big", "a/one: expected size of type int as in the parameters cell, got 'big'"),
        ("size=[", "a value in YAML"),
        ("profile=smoke", "leave it out"),
    ],
)
def test_what_cannot_be_given_is_refused(book: Any, text: str, message: str) -> None:
    book.add("a/one")
    book.add("a/two")
    with pytest.raises(ValueError, match=re.escape(message)):
        parameters.read([text], select(book.root))


def test_a_folder_of_its_own_keeps_what_was_given(book: Any, apart: Any) -> None:
    book.add("a/one")
    book.add("a/two")
    wanted = select(book.root)
    parameters.keep(book.root, "laptop", {"a/one": {"size": 5}})
    parameters.keep(book.root, "laptop", {"a/two": {"size": 7}})
    assert all_parameters(wanted, "laptop") == {"a/one": {"size": 5}, "a/two": {"size": 7}}
    (apart / "laptop" / "given.json").write_text("[1]")
    with pytest.raises(ValueError, match="remove it"):
        all_parameters(wanted, "laptop")
    BUILD.set(None)
    assert parameters.keep(book.root, "laptop", {"a/one": {"size": 5}}) == {"a/one": {"size": 5}}
    assert all_parameters(wanted, "laptop") == {"a/one": {}, "a/two": {}}
    assert book.made() == []
