"""The GAN in the plane as it plays: what it shows and says, when it pauses, and what its settings do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visit, watched
from tests.browser.plane_gan import (
    TOLD,
    at,
    choose,
    open_gan,
    play,
    press,
    state,
    write_gan,
)

COUNT = ".gan-count"


@pytest.fixture
def gan(page: Page, tmp_path: Path) -> Page:
    """It begins with the plain game on the ring."""
    return open_gan(page, write_gan(tmp_path))


@pytest.fixture
def still(page: Page, tmp_path: Path) -> Page:
    """The same with a clock that the test turns, so that no test waits, and none is too late."""
    page.clock.install(time=0)
    opened = open_gan(page, write_gan(tmp_path))
    opened.clock.pause_at(3_600_000)
    return opened


def test_it_waits_then_a_round_moves_both_players_and_says_so(gan: Page) -> None:
    before = state(gan)
    assert (before["rounds"], before["playing"]) == (0, False)
    expect(gan.locator(TOLD)).to_have_text(
        re.compile(r"^Seed 1, before the first round: \d of 8 dots covered; ")
    )
    expect(gan.locator(TOLD)).to_have_attribute("role", "status")  # which is a polite live region
    press(gan, "step")
    after = state(gan)
    assert after["rounds"] == 1
    for old, new in zip(before["weights"], after["weights"], strict=True):
        assert old != new
    expect(gan.locator(TOLD)).to_have_text(re.compile(r"^Round 1: .* where 1 means real\."))
    expect(gan.locator(COUNT)).to_have_text("Seed 1 · round 1")


def test_a_seed_is_a_game(gan: Page) -> None:
    first = state(gan)
    press(gan, "step", 3)
    third = state(gan)
    press(gan, "reset")
    assert state(gan) == first
    press(gan, "step", 3)
    assert state(gan) == third
    press(gan, "reseed")
    expect(gan.locator(COUNT)).to_have_text("Seed 2 · round 0")
    assert state(gan)["weights"] != first["weights"]


def test_the_words_count_what_is_drawn(gan: Page) -> None:
    play(gan, 40)
    found = state(gan)
    points, centres = found["generated"], found["centres"]
    said = gan.evaluate(
        """() => {
            const { game, real, generated } = AdvnotesPlane.all[0];
            const mean = values => values.reduce((a, b) => a + b, 0) / values.length;
            return [real, generated].map(points => mean(game.believe(points)));
        }"""
    )
    near = [
        [((points[i] - x) ** 2 + (points[i + 1] - y) ** 2) ** 0.5 <= 3 * 0.07 for x, y in centres]
        for i in range(0, len(points), 2)
    ]
    covered, share = sum(map(any, zip(*near, strict=True))), sum(map(any, near)) / len(near)
    told = gan.locator(TOLD).inner_text()
    assert told.startswith(f"Round 40: {covered} of 8 dots covered; {round(100 * share)}% of the generated")
    assert f"D says {said[0]:.2f} of real points and {said[1]:.2f} of generated ones" in told
    label = gan.locator(".gan-plane").get_attribute("aria-label") or ""
    assert told in label


def test_the_map_is_what_d_says(gan: Page) -> None:
    gan.locator("[data-sheet]").uncheck()
    play(gan, 60)
    seen = gan.evaluate(
        """() => {
            const { game, canvas, real, generated } = AdvnotesPlane.all[0];
            AdvnotesPlane.paint(canvas, game, new Float64Array(0), new Float64Array(0), false);
            const context = canvas.getContext("2d");
            return [-2.7, -1, 0.9, 2.8].flatMap(x => [-2.5, 0.4, 2.2].map(y => {
                const place = [AdvnotesPlane.across(x), AdvnotesPlane.down(y)].map(Math.round);
                return [game.believe(Float64Array.of(x, y))[0], ...context.getImageData(...place, 1, 1).data];
            }));
        }"""
    )
    sure = [2 * share - 1 for share, *_ in seen]
    assert max(map(abs, sure)) > 0.3
    assert min(sure) < 0 < max(sure)
    for signed, (_, red, _, blue, opacity) in zip(sure, seen, strict=True):
        assert opacity == pytest.approx(150 * abs(signed), abs=12)
        if abs(signed) > 0.1:
            assert (blue > red) == (signed > 0)


def test_the_charts_show_what_was_measured(gan: Page) -> None:
    play(gan, 100)
    entries = state(gan)["entries"]
    assert [entry["round"] for entry in entries] == list(range(0, 101, 10))
    lines = {
        kind: [
            float(point.split(",")[1])
            for point in (gan.locator(f".gan-chart .{kind}").get_attribute("points") or "").split()
        ]
        for kind in ("gan-covered", "gan-of-d", "gan-of-g")
    }
    assert len(lines["gan-covered"]) == 11
    for kind, player in (("gan-of-d", "discriminator"), ("gan-of-g", "generator")):
        losses = [entry[player] for entry in entries[1:]]
        heights = lines[kind]
        # y counts downwards, and is linear in the loss
        slope = (heights[1] - heights[0]) / (losses[1] - losses[0])
        assert slope < 0
        for loss, height in zip(losses, heights, strict=True):
            assert height == pytest.approx(heights[0] + slope * (loss - losses[0]), abs=1.5)
    label = gan.locator('[data-chart="losses"]').get_attribute("aria-label")
    assert label == f"Losses, by round: {losses_text(entries[-1])} now."
    merged = gan.evaluate(
        """() => {
            const history = new AdvnotesPlane.History(0);
            for (let n = 1; n <= 300; n++)
                history.add({ round: 10 * n, covered: n / 300, discriminator: n, generator: -n });
            return history.entries;
        }"""
    )
    assert (len(merged), merged[0]["round"], merged[1]["round"], merged[-1]["round"]) == (181, 0, 20, 3000)
    assert (merged[1]["discriminator"], merged[1]["generator"]) == (
        1.5,
        -1.5,
    )  # of a long game, means of stretches


def losses_text(entry: dict[str, float]) -> str:
    return f"{entry['discriminator']:.2f} of D, {entry['generator']:.2f} of G"


def test_it_plays_speaks_seldom_and_pauses(still: Page) -> None:
    button, told = still.locator('[data-do="play"]'), still.locator(TOLD)
    expect(button).to_have_text("Play")
    button.click()
    expect(button).to_have_text("Pause")
    still.evaluate(
        """() => {
            window.sentences = [];
            new MutationObserver(() => sentences.push(document.querySelector(".gan-told").textContent))
                .observe(document.querySelector(".gan-told"), { childList: true, characterData: true, subtree: true });
        }"""
    )
    still.clock.run_for(1000)
    rounds = state(still)["rounds"]
    assert 100 < rounds <= 250  # at most 200 a second, and a frame more
    assert still.evaluate("sentences") == []  # of a game that runs, every thousandth round is told
    expect(still.locator(COUNT)).to_have_text(f"Seed 1 · round {rounds}")
    button.click()
    expect(button).to_have_text("Play")
    still.clock.run_for(1000)
    assert state(still)["rounds"] == rounds
    expect(told).to_have_text(re.compile(f"^Round {rounds}: "))
    assert len(still.evaluate("sentences")) == 1


def test_every_thousandth_round_is_told_and_a_game_ends_by_itself(still: Page) -> None:
    still.evaluate("AdvnotesPlane.all[0].game.rounds = 990")
    press(still, "play")
    still.clock.run_for(500)
    expect(still.locator(TOLD)).to_have_text(re.compile("^Round 1,000: "))
    assert state(still)["playing"]
    still.evaluate("AdvnotesPlane.all[0].game.rounds = 6980")
    still.clock.run_for(1000)
    expect(still.locator(TOLD)).to_have_text(re.compile("^Round 6,990: "))  # 6000 after it began
    assert not state(still)["playing"]


def test_the_page_answers_while_rounds_are_slow(still: Page) -> None:
    still.evaluate(
        """() => {
            let now = 0;
            performance.now = () => now;
            const { game } = AdvnotesPlane.all[0];
            const round = game.round.bind(game);
            game.round = settings => { now += 50; return round(settings); };  // milliseconds
        }"""
    )
    done = still.evaluate(
        "AdvnotesPlane.all[0].play(), AdvnotesPlane.all[0].playFor(6), AdvnotesPlane.all[0].game.rounds"
    )
    assert done == 1


def test_without_motion_pictures_come_in_leaps(browser: Browser, tmp_path: Path) -> None:
    visit, context = Visit(), browser.new_context(reduced_motion="reduce")
    page = watched(context, visit)
    page.clock.install(time=0)
    gan = open_gan(page, write_gan(tmp_path))
    gan.clock.pause_at(3_600_000)
    assert not state(gan)["playing"]
    gan.evaluate(
        """() => {
            window.shown = [];
            const gan = AdvnotesPlane.all[0];
            const show = gan.show.bind(gan);
            gan.show = () => { shown.push(gan.game.rounds); show(); };
        }"""
    )
    press(gan, "play")
    gan.clock.run_for(3000)
    assert state(gan)["rounds"] > 400
    assert gan.evaluate("shown") == [200, 400]
    moving = gan.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => getComputedStyle(e).transitionDuration !== '0s').length"
    )
    assert moving == 0
    context.close()
    assert visit.errors == []


def test_clearing_the_plane_pauses_the_game(still: Page) -> None:
    choose(still, "data", "own")
    still.mouse.click(*at(still, 1, 1))
    press(still, "play")
    still.clock.run_for(100)
    assert state(still)["playing"]
    press(still, "clear")
    still.clock.run_for(100)
    assert not state(still)["playing"]
