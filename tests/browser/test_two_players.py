"""The two players: what each choice does, what is drawn and said, how they play."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visit, watched
from tests.browser.two_players import (
    DIRAC,
    LEFT,
    TOLD,
    TOP,
    UNIT,
    choose,
    open_players,
    press,
    slide,
    state,
    write_players,
)


@pytest.fixture
def players(page: Page, tmp_path: Path) -> Page:
    """The game on a b; both move at once."""
    return open_players(page, write_players(tmp_path))


def test_a_round_moves_the_pair_and_says_so(players: Page) -> None:
    told = players.locator(TOLD)
    assert state(players)["rounds"] == 0
    expect(told).to_have_attribute("role", "status")  # which is a polite live region
    expect(told).to_have_text("Spirals out: modulus 1.0198, above 1. Start: a = 1, b = 0, distance 1.")
    press(players, "step", 2)
    assert state(players)["points"][-1] == pytest.approx([0.96, 0.4])
    expect(told).to_have_text("Round 2: a = 0.96, b = 0.4, distance 1.04; at the start it was 1.")
    press(players, "reset")
    assert state(players)["points"] == [[1, 0]]


def test_another_order_plays_the_same_rounds_again(players: Page) -> None:
    press(players, "step", 20)
    verdict, told = players.locator("[data-verdict]"), players.locator(TOLD)
    expect(verdict).to_have_text("Spirals out")
    choose(players, "order", "turn")
    expect(verdict).to_have_text("Circles")
    expect(told).to_have_text(re.compile(r"^Circles: modulus 1, exactly 1\. Round 20: "))
    choose(players, "order", "ahead")
    expect(verdict).to_have_text("Spirals in")
    found = state(players)
    assert found["rounds"] == 20
    assert math.hypot(*found["points"][-1]) == pytest.approx(found["modulus"] ** 20)
    slide(players, "lr", 1.2)
    expect(verdict).to_have_text("Spirals out")
    slide(players, "lr", 0.2)
    slide(players, "momentum", -0.5)
    expect(players.locator("[data-reasons]")).to_contain_text("(a, b) and the two speeds by a matrix")
    assert len(state(players)["values"]) == 4


def test_the_dirac_gan_has_its_own_choices_and_start(players: Page) -> None:
    for name in ("wish", "unroll"):
        expect(players.locator(f'[data-row="{name}"]')).to_be_hidden()
    choose(players, "game", "dirac")
    for name in ("wish", "unroll"):
        expect(players.locator(f'[data-row="{name}"]')).to_be_visible()
    assert state(players)["start"] == [1, 1]
    expect(players.locator(TOLD)).to_contain_text("θ = 1, ψ = 1")
    expect(players.locator("[data-reasons]")).to_contain_text("Near the rest point")
    expect(players.locator("[data-reasons]")).to_contain_text("Farther out the losses are curved")
    press(players, "step", 30)
    zero_sum = state(players)["points"][-1]
    choose(players, "wish", "non-saturating")
    assert state(players)["points"][-1] != zero_sum
    slide(players, "gamma", 4)
    expect(players.locator("[data-verdict]")).to_have_text("Creeps in")
    slide(players, "gamma", 0)
    slide(players, "unroll", 5)
    expect(players.locator("[data-verdict]")).to_have_text("Spirals in")


def test_attributes_say_how_it_begins(page: Page, tmp_path: Path) -> None:
    given = (
        'data-order="turn" data-wish="non-saturating" data-lr="0.5" data-momentum="-0.3" data-gamma="0.25"'
    )
    players = open_players(page, write_players(tmp_path, f'{DIRAC} {given} data-unroll="2"'))
    assert state(players)["settings"] == {
        "game": "dirac",
        "order": "turn",
        "wish": "non-saturating",
        "lr": 0.5,
        "momentum": -0.3,
        "gamma": 0.25,
        "unroll": 2,
    }
    shown = {
        box.get_attribute("data-slider"): box.input_value() for box in page.locator("[data-slider]").all()
    }
    assert shown == {"lr": "0.5", "momentum": "-0.3", "gamma": "0.25", "unroll": "2"}
    for setting, value in (("game", "dirac"), ("order", "turn"), ("wish", "non-saturating")):
        expect(page.locator(f'[data-setting="{setting}"]:checked')).to_have_value(value)


def test_what_is_drawn_is_what_was_computed(players: Page) -> None:
    press(players, "step", 9)
    found = state(players)
    dots = re.findall(r"M([-\d.]+),([-\d.]+)h0", players.locator(".players-dots").get_attribute("d") or "")
    assert len(dots) == 10
    for (x, y), (a, b) in zip(dots, found["points"], strict=True):
        assert float(x) == pytest.approx(LEFT + (a + 3) * UNIT, abs=0.01)
        assert float(y) == pytest.approx(TOP + (3 - b) * UNIT, abs=0.01)
    heights = [
        float(point.split(",")[1])
        for point in (players.locator(".players-line").get_attribute("points") or "").split()
    ]
    steps = [after - before for before, after in itertools.pairwise(heights)]
    assert len(steps) == 9
    assert max(steps) < 0  # it goes away from the rest point, and y counts downwards
    assert max(steps) - min(steps) < 0.21  # by the same factor each round: straight on a logarithmic scale
    for dot, (real, imaginary) in zip(
        players.locator(".players-eigenvalue").all(), found["values"], strict=True
    ):
        where = [float(dot.get_attribute(name) or "") for name in ("cx", "cy")]
        radius = 50 / (1.25 * found["modulus"])
        assert where == pytest.approx([radius * real, -radius * imaginary], abs=0.01)
    players.locator("summary", has_text="numbers").click()
    rows = players.locator("tbody tr")
    expect(rows).to_have_count(10)
    assert float(rows.last.locator("td").last.inner_text()) == pytest.approx(found["modulus"] ** 9, rel=1e-3)


def test_in_turn_each_move_has_its_players_colour(players: Page) -> None:
    choose(players, "order", "turn")
    press(players, "step", 3)
    moves = [players.locator(f"path.players-move-{n}").get_attribute("d") or "" for n in (0, 1)]
    for axis, moved in enumerate(moves):
        pairs = re.findall(r"M([-\d.]+),([-\d.]+)L([-\d.]+),([-\d.]+)", moved)
        assert len(pairs) == 3
        for start_x, start_y, end_x, end_y in pairs[1:]:  # a begins where its slope is 0
            stands, goes = ((start_y, end_y), (start_x, end_x))[:: 1 - 2 * axis]
            assert stands[0] == stands[1]
            assert goes[0] != goes[1]
    expect(players.locator("[data-key]")).to_contain_text("a moves · b moves")


def test_a_play_can_be_paused_and_is_announced_at_its_end(page: Page, tmp_path: Path) -> None:
    page.clock.install(time=0)  # so that no test waits, and none is too late
    players = open_players(page, write_players(tmp_path))
    players.clock.pause_at(3_600_000)
    play, told = players.locator('[data-do="play"]'), players.locator(TOLD)
    play.click()
    players.clock.run_for(3 * 50)
    assert state(players)["rounds"] == 3
    expect(told).to_have_attribute("aria-busy", "true")
    expect(play).to_have_text("Pause")
    play.click()
    players.clock.run_for(1000)
    assert state(players)["rounds"] == 3
    expect(play).to_have_text("Play")
    choose(players, "speed", "slow")
    play.click()
    players.clock.run_for(2 * 200)
    assert state(players)["rounds"] == 5
    choose(players, "speed", "fast")
    players.clock.run_for(200 * 12)
    found = state(players)
    assert math.hypot(*found["points"][-2]) < 3 * math.sqrt(2) < math.hypot(*found["points"][-1])
    expect(told).to_have_text(re.compile(r"^The pair has left the picture\. Spirals out: modulus 1\.0198"))
    expect(told).not_to_have_attribute("aria-busy", "true")
    play.click()  # again from the start
    players.clock.run_for(2 * 12)
    assert state(players)["rounds"] == 2


@pytest.mark.parametrize(
    ("order", "end"), [("ahead", "The pair has come to rest."), ("turn", "600 rounds are played.")]
)
def test_without_motion_the_whole_path_is_there_at_once(
    browser: Browser, tmp_path: Path, order: str, end: str
) -> None:
    visit, context = Visit(), browser.new_context(reduced_motion="reduce")
    players = open_players(watched(context, visit), write_players(tmp_path, f'data-order="{order}"'))
    expect(players.locator('[data-do="play"]')).to_have_text("Draw path")
    expect(players.locator('[data-row="speed"]')).to_be_hidden()
    rounds = players.evaluate(
        "document.querySelector('[data-do=play]').click(), AdvnotesPlayers.all[0].path.rounds"
    )
    moving = players.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => getComputedStyle(e).transitionDuration !== '0s').length"
    )
    assert rounds > 100
    assert moving == 0
    expect(players.locator(TOLD)).to_have_text(re.compile(f"^{re.escape(end)}"))
    context.close()
    assert visit.errors == []
