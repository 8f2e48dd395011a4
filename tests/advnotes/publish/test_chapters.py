import json
from pathlib import Path
from typing import Any

import pytest

from advnotes.publish import chapters
from advnotes.publish.chapters import all_parameters, find_root, fingerprint, profiles, select
from advnotes.publish.imports import Package


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
def package(tmp_path: Path) -> Package:
    folder = tmp_path / "advnotes"
    folder.mkdir()
    for name in ("__init__", "used", "unused"):
        (folder / f"{name}.py").write_text("")
    return Package(folder)


def changed(book: Any, package: Package, injected: dict[str, Any], before: Any) -> list[str]:
    from dataclasses import asdict

    (chapter,) = select(book.root)
    return fingerprint(chapter, injected, Package(package.folder)).changed(asdict(before))


def test_a_fingerprint_sees_each_of_the_four_parts_and_nothing_else(
    book: Any, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book.add("a/one", "from advnotes.used import x")
    (chapter,) = select(book.root)
    before = fingerprint(chapter, {}, package)
    assert changed(book, package, {}, before) == []

    notebook = json.loads(path.read_text())
    notebook["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "seen"}]
    notebook["cells"][2]["execution_count"] = 7
    path.write_text(json.dumps(notebook))
    (package.folder / "unused.py").write_text("x = 1")
    assert changed(book, package, {}, before) == []

    assert changed(book, package, {"size": 1}, before) == ["parameters"]
    (package.folder / "used.py").write_text("x = 1")
    assert changed(book, package, {}, before) == ["modules"]
    (package.folder / "used.py").write_text("")
    (package.folder / "weights.safetensors").write_text("w")
    assert changed(book, package, {}, before) == ["modules"]
    (package.folder / "weights.safetensors").unlink()

    (book.root / "constraints.txt").write_text("torch==1\n")
    assert changed(book, package, {}, before) == ["pins"]
    (book.root / "constraints.txt").write_text("torch==0\n")
    monkeypatch.setattr(chapters, "version", lambda name: "another")
    assert changed(book, package, {}, before) == ["pins"]
    monkeypatch.undo()

    notebook["cells"][0]["source"] = "# Another title"
    path.write_text(json.dumps(notebook))
    assert changed(book, package, {}, before) == ["notebook"]
