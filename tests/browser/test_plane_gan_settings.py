"""Which games the GAN in the plane can play: its data, how players begin, and what its settings change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from advnotes import data, metrics
from advnotes.nets import mlp
from tests.browser.plane_gan import TOLD, choose, open_gan, play, press, slide, state, write_gan


@pytest.fixture
def gan(page: Page, tmp_path: Path) -> Page:
    return open_gan(page, write_gan(tmp_path))


def test_attributes_say_how_it_begins(page: Page, tmp_path: Path) -> None:
    attributes = (
        'data-data="grid" data-loss="minimax" data-moves="3" data-gamma="0.5" data-unroll="2" '
        'data-rate-d="0.005" data-rate-g="0.001" data-seed="7"'
    )
    gan = open_gan(page, write_gan(tmp_path, attributes))
    begun = state(gan)
    assert begun["seed"] == 7
    assert len(begun["centres"]) == 25
    shown = {
        "moves": "3", "gamma": "0.5", "unroll": "2", "rateD": "0.005", "rateG": "0.001",
    }  # fmt: skip
    for name, value in shown.items():
        assert begun["settings"][name] == float(value)
        expect(gan.locator(f'[data-slider="{name}"] + output')).to_have_text(value)
        expect(gan.locator(f'[data-slider="{name}"]')).to_have_attribute("aria-valuetext", value)
    for name, value in (("data", "grid"), ("loss", "minimax")):
        expect(gan.locator(f'[data-setting="{name}"]:checked')).to_have_value(value)


def test_a_cure_is_turned_while_the_game_stays(gan: Page) -> None:
    play(gan, 20)
    before = state(gan)
    slide(gan, "gamma", 1)
    expect(gan.locator(TOLD)).to_have_text("R₁ penalty γ: 1, from round 21 on.")
    after = state(gan)
    assert after["weights"] == before["weights"]
    assert (after["settings"]["gamma"], after["changes"]) == (1, [20])
    expect(gan.locator(".gan-change")).to_have_count(2)  # a line in each chart
    choose(gan, "loss", "minimax")
    expect(gan.locator(TOLD)).to_have_text("Loss of G: minimax, from round 21 on.")
    choose(gan, "data", "moons")  # other data are another game
    assert (state(gan)["rounds"], state(gan)["changes"]) == (0, [])
    expect(gan.locator(TOLD)).to_contain_text("of 24 parts covered")


@pytest.mark.parametrize(
    ("name", "value"), [("moves", 3), ("gamma", 1), ("unroll", 2), ("rateD", 0.005), ("rateG", 0.005)]
)
def test_every_slider_makes_another_game(gan: Page, name: str, value: float) -> None:
    press(gan, "step", 2)
    plain = state(gan)["weights"]
    press(gan, "reset")
    slide(gan, name, value)
    press(gan, "step", 2)
    assert state(gan)["weights"] != plain


def test_the_penalty_cures_the_collapse(gan: Page) -> None:
    """What the chapter lets the reader find, as a mean over starts: one dot of eight without it, nearly all with it."""
    covered = gan.evaluate(
        """() => [0, 1].map(gamma => [1, 2, 3].map(seed => {
            const game = new AdvnotesPlane.Game(AdvnotesPlane.DATA.ring, seed);
            const settings = { ...AdvnotesPlane.all[0].settings, gamma, minimax: false };
            while (game.rounds < 400) game.round(settings);
            return AdvnotesPlane.coverage(game.data, game.generate()).covered;
        }))"""
    )
    plain, damped = (sum(row) / len(row) for row in covered)
    assert plain + 3 < damped


def test_weights_begin_as_torchs(gan: Page) -> None:
    theta = torch.tensor(
        gan.evaluate("[...new AdvnotesPlane.Game(AdvnotesPlane.DATA.ring, 5).generator.theta]")
    )
    assert len(theta) == sum(weight.numel() for weight in mlp(2, 64, 64, 2).parameters())
    first, second = theta[: 3 * 64], theta[3 * 64 : 3 * 64 + 65 * 64]
    for part, bound in ((first, 2**-0.5), (second, 1 / 8)):
        assert 0.97 * bound < part.abs().max() <= bound
        assert float(part.std()) == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.parametrize("name", ["ring", "grid", "moons", "line"])
def test_the_data_are_equal_gaussians_within_the_plane(gan: Page, name: str) -> None:
    found = gan.evaluate(
        """name => {
            const data = AdvnotesPlane.DATA[name];
            return [data.centres, data.sigma, [...AdvnotesPlane.sample(data, 4000, AdvnotesPlane.chance(1))]];
        }""",
        name,
    )
    centres, sigma, points = torch.tensor(found[0]), found[1], torch.tensor(found[2]).view(-1, 2)
    assert points.abs().max() < 3
    assert float(torch.cdist(points, centres).min(dim=1).values.max()) < 5 * sigma
    torch.testing.assert_close(points.mean(dim=0), centres.mean(dim=0), rtol=0, atol=0.15)
    if name == "ring":
        torch.testing.assert_close(centres, data.ring_centres(), rtol=0, atol=1e-6)
        off = points - centres[torch.cdist(points, centres).argmin(dim=1)]
        assert float(off.std()) == pytest.approx(sigma, rel=0.1)


def test_coverage_is_the_packages(gan: Page) -> None:
    points = 1.5 * torch.randn(40, 2, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    ours = gan.evaluate(
        "points => AdvnotesPlane.coverage(AdvnotesPlane.DATA.grid, Float64Array.from(points))",
        points.flatten().tolist(),
    )
    centres, sigma = (gan.evaluate(f"AdvnotesPlane.DATA.grid.{name}") for name in ("centres", "sigma"))
    theirs = metrics.mode_coverage(points, torch.tensor(centres), 3 * sigma)
    assert 1 < theirs.modes < 25
    assert (ours["covered"], ours["share"]) == (theirs.modes, pytest.approx(theirs.share))


@pytest.mark.parametrize(
    ("name", "data_name", "gamma"), [("standard", "moons", 1), ("mode-collapse", "ring", 0)]
)
def test_it_stands_in_its_chapters(page: Page, site: Path, name: str, data_name: str, gamma: float) -> None:
    page.goto((site / "book" / "gan" / f"{name}.html").as_uri())
    page.wait_for_function("() => window.AdvnotesPlane?.all?.length === 1")
    settings = state(page)["settings"]
    assert (settings["data"], settings["gamma"]) == (data_name, gamma)
    press(page, "step")
    expect(page.locator(TOLD)).to_contain_text("Round 1: ")
