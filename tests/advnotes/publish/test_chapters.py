import json
from typing import Any

import pytest

from advnotes.publish import chapters
from advnotes.publish.chapters import find_root, select
from advnotes.publish.parameters import all_parameters
from advnotes.publish.scorecard.measured import code_hash
from advnotes.publish.staleness.stamps import execution_hash


def test_chapters_are_the_notebooks_of_the_table_of_contents_in_its_order(book: Any) -> None:
    book.add("b/two")
    book.add("a/one")
    (book.root / "book" / "a" / "not-listed.ipynb").write_text("{}")
    found = chapters.chapters(book.root)
    assert [chapter.name for chapter in found] == ["b/two", "a/one"]
    assert found[1].title == "Title of a/one"
    assert found[1].executed("smoke") == book.root / "_build" / "smoke" / "book" / "a" / "one.ipynb"


def test_the_root_is_found_from_inside(book: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = book.add("a/one")
    assert find_root(source.parent) == book.root
    with pytest.raises(ValueError, match=r"_toc\.yml"):
        find_root(tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize("name", ["a/one", "book/a/one.ipynb", "./book/a/one.ipynb", "a\\one"])
def test_a_chapter_goes_by_its_name_or_its_path(book: Any, name: str) -> None:
    book.add("a/one")
    book.add("a/two")
    assert [chapter.name for chapter in select(book.root, [name])] == ["a/one"]
    assert len(select(book.root)) == 2


@pytest.mark.parametrize(("name", "hint"), [("a/on", "a/one"), ("one", "a/one"), ("zebra", "advnotes list")])
def test_an_unknown_chapter_is_refused_with_a_hint(book: Any, name: str, hint: str) -> None:
    book.add("a/one")
    with pytest.raises(ValueError, match=hint):
        select(book.root, [name])


@pytest.mark.parametrize(
    ("toc", "message"),
    [
        ("format: jb-book\nroot: book/intro\nchapters:\n- file: book/nowhere\n", "no such page"),
        ("format: jb-book\nroot: book/intro\nchapters:\n- glob: book/*\n", "each chapter by name"),
        ("format: jb-book\nchapters: []\n", "table of contents"),
        ("format: [", "table of contents"),
    ],
)
def test_a_broken_table_of_contents_is_refused(book: Any, toc: str, message: str) -> None:
    (book.root / "_toc.yml").write_text(toc)
    with pytest.raises(ValueError, match=message):
        chapters.chapters(book.root)


def test_a_notebook_outside_the_book_is_refused(book: Any) -> None:
    book.add("a/one")
    source = book.root / "other.ipynb"
    source.write_text("{}")
    (book.root / "_toc.yml").write_text("format: jb-book\nroot: book/intro\nchapters:\n- file: other\n")
    with pytest.raises(ValueError, match="under book/"):
        chapters.chapters(book.root)


def test_what_is_no_notebook_is_refused(book: Any) -> None:
    book.add("a/one").write_text("[]")
    with pytest.raises(ValueError, match="Jupyter notebook"):
        all_parameters(select(book.root), "laptop")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("size = 3", "profile"),
        ('profile = "laptop"\nsize = 3 * 7', "plain value"),
        ('profile = "laptop"\nimport os', "no assignment"),
        ('profile = "laptop', "plain value"),
    ],
)
def test_parameters_are_plain_values(book: Any, parameters: str, message: str) -> None:
    book.add("a/one", parameters=parameters)
    with pytest.raises(ValueError, match=message):
        all_parameters(select(book.root), "laptop")


def test_there_is_one_parameters_cell(book: Any) -> None:
    path = book.add("a/one")
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["metadata"]["tags"] = []
    path.write_text(json.dumps(notebook))
    with pytest.raises(ValueError, match="one cell tagged `parameters`, got 0"):
        all_parameters(select(book.root), "laptop")


SET_UP = 'if missing:\n    %pip install -q "advnotes @ git+https://example.org/{place}@v{version}"'


@pytest.mark.parametrize(
    ("place", "version", "after", "same"),
    [
        ("somebody/advnotes", "0.2.0", "", True),
        ("somebody/another-name", "1.10.3rc1", "", True),
        ("somebody/advnotes", "0.1.0", " einops", False),
    ],
)
def test_a_set_up_cell_for_another_release_or_address_counts_as_the_same(
    book: Any, place: str, version: str, after: str, same: bool
) -> None:
    def hashes(cell: str) -> tuple[str, str]:
        book.add("a/one", cell, "x = 1")
        (chapter,) = select(book.root, ["a/one"])
        return code_hash(chapter), execution_hash(chapter)

    before = hashes(SET_UP.format(place="advnotes/advnotes", version="0.1.0"))
    assert (hashes(SET_UP.format(place=place, version=version) + after) == before) is same
