"""What is injected into each chapter: a profile's parameters, and those given on the command line.

Parameters given with ``advnotes run -p`` belong to that run. In a folder of its own (``--build``) they are kept, so
that the commands after it, which score or render what was made there, know what it was made with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from advnotes.publish.chapters import BUILD, LAPTOP, Chapter, build_folder, chapters, profiles

Given = dict[str, dict[str, Any]]


def all_parameters(wanted: Iterable[Chapter], profile: str, given: Given | None = None) -> Given:
    """What is injected into each chapter, all of it checked.

    Args:
        wanted: the chapters.
        profile: ``laptop``, or a file of ``book/profiles``.
        given: chapter -> parameters that replace the profile's; by default those kept in the folder of ``--build``.

    Raises:
        ValueError: for an unknown profile, for a chapter of the profile that the book does not have, and for a
            parameter that the chapter's ``parameters`` cell does not have or has with another type.
    """
    wanted = list(wanted)
    if not wanted:
        return {}
    root = wanted[0].root
    if profile not in profiles(root):
        raise ValueError(f"no profile is called {profile!r}; there are {', '.join(profiles(root))}")
    if given is None:
        given = kept(root, profile)
    settings = _settings(root, profile)
    found: Given = {}
    for chapter in wanted:
        assert chapter.defaults is not None  # raises where the parameters cell is not as it should be
        own, before = settings.get(chapter.name) or {}, given.get(chapter.name, {})
        _check(chapter, own, str(root / "book" / "profiles" / f"{profile}.yml"))
        _check(chapter, before, str(_file(root, profile)))
        found[chapter.name] = ({} if profile == LAPTOP else {"profile": profile}) | own | before
    return found


def _settings(root: Path, profile: str) -> dict[str, Any]:
    if profile == LAPTOP:
        return {}
    file = root / "book" / "profiles" / f"{profile}.yml"
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"expected YAML in {file}, got {error}") from error
    if not isinstance(settings, dict):
        raise ValueError(
            f"expected chapter names with their parameters in {file}, got {type(settings).__name__}"
        )
    known = {chapter.name for chapter in chapters(root)}
    if strange := sorted(set(settings) - known):
        raise ValueError(f"{file} has parameters for {', '.join(strange)}, and _toc.yml no such chapter")
    return settings


def _check(chapter: Chapter, given: Any, place: str) -> None:
    if not isinstance(given, dict):
        raise ValueError(f"{place}: expected names and values under {chapter.name}, got {given!r}")
    for name, value in given.items():
        if name == "profile":
            raise ValueError(f"{place}: {chapter.name} sets `profile`; leave it out, the runner sets it")
        if name not in chapter.defaults:
            raise ValueError(
                f"{place}: {chapter.name} has no parameter {name!r}; its parameters cell has "
                f"{', '.join(chapter.defaults)}"
            )
        default = chapter.defaults[name]
        numbers = isinstance(default, float) and type(value) is int
        if default is not None and value is not None and type(value) is not type(default) and not numbers:
            raise ValueError(
                f"{place}: {chapter.name}: expected {name} of type {type(default).__name__} as in the parameters "
                f"cell, got {value!r}"
            )


def read(assignments: Iterable[str], wanted: Iterable[Chapter]) -> Given:
    """``name=value``, with a value in YAML, for those of the chapters that have the parameter.

    Raises ``ValueError`` for what is no assignment, for a name that none of the chapters has, and for a value of
    another type than in a chapter's ``parameters`` cell.
    """
    wanted = list(wanted)
    found: Given = {}
    for text in assignments:
        name, sign, written = text.partition("=")
        name = name.strip()
        if not sign or not name.isidentifier():
            raise ValueError(f"expected a parameter as -p name=value, got {text!r}")
        try:
            value = yaml.safe_load(written)
        except yaml.YAMLError as error:
            raise ValueError(
                f"expected a value in YAML, such as 3, 0.1 or [0, 1], got -p {text}: {error}"
            ) from error
        having = [chapter for chapter in wanted if name in chapter.defaults]
        if not having:
            raise ValueError(
                f"-p {text}: no chosen chapter has a parameter {name!r}; "
                + "; ".join(f"{chapter.name} has {', '.join(chapter.defaults)}" for chapter in wanted)
            )
        for chapter in having:
            fit = _number(value) if isinstance(chapter.defaults[name], float) else value
            _check(chapter, {name: fit}, f"-p {text}")
            found.setdefault(chapter.name, {})[name] = fit
    return found


def _number(value: Any) -> Any:
    """YAML reads ``1e-3`` as a text; where a number belongs, it is one."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _file(root: Path, profile: str) -> Path:
    return build_folder(root, profile) / "given.json"


def keep(root: Path, profile: str, given: Given) -> Given:
    """The parameters given for an execution; in a folder that ``--build`` names, with those given before.

    They are kept in that folder for the commands after this one. What is given for a chapter now replaces all that
    was given for it before.
    """
    from advnotes.publish.files import write

    if BUILD.get() is None:
        return given
    whole = kept(root, profile) | given
    if given:
        write(_file(root, profile), json.dumps(whole, indent=1, sort_keys=True) + "\n")
    return whole


def kept(root: Path, profile: str) -> Given:
    """What was given for the executions in a folder that ``--build`` names; nothing for ``_build``."""
    file = _file(root, profile)
    if BUILD.get() is None or not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): dict(values) for name, values in found.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"expected what `advnotes run -p` keeps in {file}, got {error!r}; remove it"
        ) from error
