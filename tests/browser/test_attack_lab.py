"""The attack lab as a reader meets it: by mouse, by touch, by keyboard alone, aloud, and without motion."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.attack_lab import SMALL, STATIC, TOLD, open_lab, state, write_lab
from tests.browser.conftest import DESKTOP, PHONE, SETTLED, WIDE, Visit, axe, watched

NARROW = {"width": 360, "height": 780}


@pytest.fixture
def lab(page: Page, tmp_path: Path) -> Page:
    """The full lab; it begins with PGD of 0.3 in Linf on the natural network, and the first seven."""
    return open_lab(page, write_lab(tmp_path))


def press(lab: Page, what: str, times: int = 1) -> None:
    for _ in range(times):
        lab.locator(f'[data-do="{what}"]').click()


def choose(lab: Page, setting: str, value: str) -> None:
    lab.locator(f'[data-setting="{setting}"][value="{value}"]').check(force=True)  # its label lies upon it


def test_a_step_moves_the_digit_and_says_so(lab: Page) -> None:
    before = state(lab)
    assert (before["steps"], before["said"], before["norm"]) == (0, 7, 0)
    expect(lab.locator(TOLD)).to_have_text(re.compile(r"^The digit as it is\. The network reads 7 "))
    expect(lab.locator(TOLD)).to_have_attribute("role", "status")  # which is a polite live region
    sentences = []
    for _ in range(6):
        press(lab, "step")
        sentences.append(lab.locator(TOLD).inner_text())
    after = state(lab)
    assert after["steps"] == 6
    assert after["norm"] == pytest.approx(0.18)
    assert after["loss"] > 1 > before["loss"]
    assert [sentence.split(":")[0] for sentence in sentences] == [f"Step {n}" for n in range(1, 7)]
    (turn,) = [sentence for sentence in sentences if "The network is fooled" in sentence]
    assert f"reads {after['said']} " in turn
    assert "and not 7 " in turn
    assert "0.18 of at most 0.3" in sentences[-1]
    press(lab, "reset")
    assert state(lab) == before


def test_what_is_drawn_is_what_was_computed(lab: Page) -> None:
    press(lab, "step", 6)
    lab.evaluate(
        "document.querySelectorAll('.lab-bar-fill').forEach(bar => { bar.style.transition = 'none'; })"
    )
    shares = lab.evaluate("[...AdvnotesLab.labs[0].attack.now.probabilities]")
    tracks, fills = (
        [box.bounding_box() for box in lab.locator(f".lab-bar-{part}").all()] for part in ("track", "fill")
    )
    for share, track, fill in zip(shares, tracks, fills, strict=True):
        assert track is not None
        assert fill is not None
        assert fill["width"] == pytest.approx(max(share * track["width"], 1), abs=1)
    # The change of the pixel that gained most is red, that of the one that lost most is blue.
    point, x = (state(lab)[key] for key in ("point", "x"))
    delta = [after - before for after, before in zip(point, x, strict=True)]
    for pixel, strongest in ((delta.index(max(delta)), 0), (delta.index(min(delta)), 2)):
        colour = lab.evaluate(
            """pixel => {
                const [x, y] = [pixel % 28, Math.floor(pixel / 28)].map(place => 10 * place + 5);
                const canvas = document.querySelector('[data-picture="change"]');
                return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data];
            }""",
            pixel,
        )
        assert colour.index(max(colour[:3])) == strongest
        assert colour[3] == pytest.approx(255 * abs(delta[pixel]) / 0.3, abs=2)
    points = (lab.locator(".lab-loss .lab-line").get_attribute("points") or "").split()
    heights = [float(point.split(",")[1]) for point in points]
    assert len(heights) == 7
    assert heights == sorted(
        heights, reverse=True
    )  # the loss rises at each of these steps, and y counts downwards
    assert lab.locator(".lab-loss circle").count() == 7
    assert lab.locator(".lab-more tbody tr").count() == 7
    label = lab.locator(".lab-loss").get_attribute("aria-label")
    assert label is not None
    assert re.search(r"First fooled at step \d\.$", label)


def test_another_network_or_size_takes_the_same_steps_again(lab: Page) -> None:
    press(lab, "step", 8)
    natural = state(lab)
    choose(lab, "network", "robust")
    robust = state(lab)
    assert robust["steps"] == natural["steps"] == 8
    assert robust["said"] == 7 != natural["said"]
    assert robust["x"] == natural["x"]
    choose(lab, "network", "natural")
    assert state(lab) == natural
    size = lab.locator('[data-slider="eps"]')
    size.fill("0.02")
    expect(lab.locator(TOLD)).to_contain_text("of at most 0.02")
    assert state(lab)["norm"] == pytest.approx(0.02 * 8 / 10)
    assert state(lab)["said"] == 7


@pytest.mark.parametrize(("threat", "words"), [("l2", "Euclidean length"), ("l1", "sum of all changes")])
def test_other_threats(lab: Page, threat: str, words: str) -> None:
    press(lab, "step", 20)
    choose(lab, "threat", threat)
    reached = state(lab)
    eps = float(lab.locator('[data-slider="eps"]').input_value())
    assert 0.8 * eps < reached["norm"] <= eps + 1e-9
    assert reached["said"] != 7
    expect(lab.locator(TOLD)).to_contain_text(words)


def test_fgsm_is_one_step_to_the_edge(lab: Page) -> None:
    press(lab, "step", 5)
    choose(lab, "method", "fgsm")
    reached = state(lab)
    assert (reached["steps"], reached["norm"]) == (1, pytest.approx(0.3))
    for gone in ('[data-do="run"]', '[data-slider="share"]', "[data-start]"):
        expect(lab.locator(gone)).to_be_hidden()
    press(lab, "step")
    expect(lab.locator(TOLD)).to_have_text(re.compile("FGSM has taken its one step"))
    assert state(lab) == reached


def test_random_starts_differ_and_a_reset_draws_another(lab: Page) -> None:
    lab.locator("[data-start]").check()
    starts = []
    for _ in range(3):
        starts.append(state(lab))
        press(lab, "reset")
    assert len({tuple(start["point"]) for start in starts}) == 3
    assert all(0.29 < start["norm"] <= 0.3 + 1e-9 for start in starts)
    expect(lab.locator(TOLD)).to_have_text(re.compile(r"^At a random point of the ball\."))
    lab.locator("[data-start]").uncheck()
    assert state(lab)["norm"] == 0


def test_a_run_can_be_paused_and_is_announced_at_its_end(page: Page, tmp_path: Path) -> None:
    page.clock.install(time=0)  # so that no test waits, and none is too late
    lab = open_lab(page, write_lab(tmp_path))
    lab.clock.pause_at(3_600_000)
    run, told = lab.locator('[data-do="run"]'), lab.locator(TOLD)
    run.click()
    lab.clock.run_for(3 * 160)
    expect(told).to_have_text(re.compile("^Step 3:"))
    expect(told).to_have_attribute("aria-busy", "true")
    expect(run).to_have_text("Pause")
    run.click()
    lab.clock.run_for(1000)
    assert state(lab)["steps"] == 3
    run.click()
    lab.clock.run_for(30 * 160)
    expect(told).to_have_text(re.compile("^Step 23:"))
    expect(told).not_to_have_attribute("aria-busy", "true")
    expect(run).to_have_text("Run 20 steps")


def test_without_motion_a_run_is_there_at_once(browser: Browser, tmp_path: Path) -> None:
    visit, context = Visit(), browser.new_context(reduced_motion="reduce")
    lab = open_lab(watched(context, visit), write_lab(tmp_path))
    steps = lab.evaluate("document.querySelector('[data-do=run]').click(), AdvnotesLab.labs[0].attack.steps")
    moving = lab.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => getComputedStyle(e).transitionDuration !== '0s').length"
    )
    assert steps == 20
    assert moving == 0
    expect(lab.locator(TOLD)).to_have_text(re.compile("^Step 20:"))
    context.close()
    assert visit.errors == []


# By hand


def test_a_digit_drawn_by_mouse_is_centred_read_and_attacked(lab: Page) -> None:
    box = lab.locator(".lab-pad").bounding_box()
    assert box is not None
    left, top, unit = box["x"], box["y"], box["width"] / 28
    lab.mouse.move(left + 4 * unit, top + 3 * unit)  # a one, in the corner and too small
    lab.mouse.down()
    lab.mouse.move(left + 4 * unit, top + 12 * unit, steps=6)
    lab.mouse.up()
    expect(lab.locator(TOLD)).to_have_text(re.compile(r"^Drawn\. The network reads 1\."))
    lab.evaluate("new Promise(requestAnimationFrame)")
    drawn = state(lab)
    assert (drawn["steps"], drawn["y"], drawn["said"]) == (0, 1, 1)
    inked = [n for n, ink in enumerate(drawn["x"]) if ink > 0.05]
    rows, columns = {n // 28 for n in inked}, {n % 28 for n in inked}
    assert (min(rows), max(rows)) in {(3, 24), (4, 23), (4, 24), (3, 23)}
    assert abs(min(columns) + max(columns) - 27) <= 1
    assert lab.locator('[data-setting="digit"]:checked').count() == 0
    lab.locator("[data-truth]").select_option("7")  # it was meant as a seven
    assert state(lab)["y"] == 7
    expect(lab.locator(TOLD)).to_contain_text("reads 1 ")
    lab.locator("[data-truth]").select_option("1")
    press(lab, "step", 10)
    assert state(lab)["said"] != 1
    assert "my_digit" in (lab.locator(".lab-more pre").text_content() or "")
    press(lab, "undo")
    expect(lab.locator(TOLD)).to_contain_text("The pad is empty")
    lab.evaluate("new Promise(requestAnimationFrame)")
    assert (state(lab)["y"], state(lab)["said"]) == (7, 7)
    expect(lab.locator(".lab-truth")).to_be_hidden()


def test_a_digit_drawn_by_finger_does_not_scroll_the_page(browser: Browser, tmp_path: Path) -> None:
    visit = Visit()
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)  # type: ignore[arg-type]
    lab = open_lab(watched(context, visit), write_lab(tmp_path))
    box = lab.locator(".lab-pad").bounding_box()
    assert box is not None
    touch = context.new_cdp_session(lab)
    x, y = box["x"] + box["width"] / 2, box["y"] + 0.8 * box["height"]

    def send(kind: str, *points: tuple[float, float]) -> None:
        where = [{"x": left, "y": top} for left, top in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    send("touchStart", (x, y))
    for n in range(1, 11):
        send("touchMove", (x, y - n * 0.06 * box["height"]))
    send("touchEnd")
    expect(lab.locator(TOLD)).to_have_text(re.compile(r"^Drawn\. The network reads 1\."))
    assert lab.evaluate("scrollY") == 0
    assert len(lab.evaluate("AdvnotesLab.labs[0].pad.strokes[0]")) >= 5
    context.close()
    assert visit.errors == []


def focused(lab: Page) -> str:
    """What has the focus, in a word."""
    word: str = lab.evaluate(
        """() => {
            const { dataset, className, tagName } = document.activeElement;
            const name = dataset.setting ?? dataset.slider ?? dataset.do;
            return name ?? (dataset.start === "" ? "start" : className || tagName);
        }"""
    )
    return word


def tab_to(lab: Page, wanted: str) -> None:
    for _ in range(30):
        if focused(lab) == wanted:
            return
        lab.keyboard.press("Tab")
    raise AssertionError(f"the tabulator does not reach {wanted}")


def test_everything_can_be_done_by_keyboard(lab: Page) -> None:
    order = []
    lab.keyboard.press("Tab")
    while focused(lab) not in order:
        order.append(focused(lab))
        lab.keyboard.press("Tab")
    parts = ["digit", "lab-pad", "undo", "clear", "network", "method", "threat", "eps", "share", "start"]
    assert order[: len(parts) + 3] == [*parts, "step", "run", "reset"]

    lab.reload()
    open_lab(lab, Path(lab.url.removeprefix("file://")))
    tab_to(lab, "digit")
    lab.keyboard.press("ArrowRight")
    assert state(lab)["y"] == 8
    tab_to(lab, "network")
    lab.keyboard.press("ArrowRight")
    assert lab.evaluate("AdvnotesLab.labs[0].network") == "robust"
    lab.keyboard.press("ArrowLeft")
    tab_to(lab, "eps")
    lab.keyboard.press("ArrowLeft")
    tab_to(lab, "share")
    lab.keyboard.press("ArrowLeft")
    tab_to(lab, "start")
    lab.keyboard.press("Space")
    lab.keyboard.press("Space")
    tab_to(lab, "step")
    lab.keyboard.press("Enter")
    lab.keyboard.press("Space")
    assert focused(lab) == "step"
    assert (state(lab)["steps"], state(lab)["norm"]) == (2, pytest.approx(2 * 0.29 / 20))
    tab_to(lab, "reset")
    lab.keyboard.press("Enter")
    assert state(lab)["steps"] == 0


def test_what_has_the_focus_is_seen_to_have_it(lab: Page) -> None:
    seen: dict[str, Any] = {}
    lab.keyboard.press("Tab")
    while focused(lab) not in seen:
        seen[focused(lab)] = lab.evaluate(
            """() => {
                const e = document.activeElement;
                const marked = [e, e.closest("label")].filter(Boolean).map(getComputedStyle);
                return marked.some(style => `${style.outlineStyle} ${style.outlineWidth}` === "solid 3px");
            }"""
        )
        lab.keyboard.press("Tab")
    seen.pop("BODY", None)
    assert len(seen) >= 13
    assert all(seen.values()), seen


def test_a_digit_can_be_drawn_by_keyboard(lab: Page) -> None:
    tab_to(lab, "lab-pad")
    told = lab.locator(TOLD)
    lab.keyboard.press("ArrowDown")
    expect(told).to_have_text("Row 8, column 15, pen up.")
    lab.keyboard.press("Space")
    expect(told).to_have_text("Pen down: the arrow keys draw.")
    for _ in range(4):
        lab.keyboard.press("Shift+ArrowDown")
    expect(told).to_have_text("Row 24, column 15, pen down.")
    lab.keyboard.press("Space")
    expect(told).to_have_text(re.compile(r"^Drawn\. The network reads 1\."))
    lab.evaluate("new Promise(requestAnimationFrame)")
    assert state(lab)["said"] == 1
    assert lab.evaluate("scrollY") == 0
    lab.keyboard.press("Backspace")
    expect(told).to_contain_text("The pad is empty")


# In every view


@pytest.mark.parametrize("attributes", ["", SMALL], ids=["full", "small"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    browser: Browser, tmp_path: Path, attributes: str, theme: str
) -> None:
    visit, path = Visit(), write_lab(tmp_path, attributes, theme)
    for view in (DESKTOP, NARROW):
        context = browser.new_context(viewport=view)  # type: ignore[arg-type]
        lab = open_lab(watched(context, visit), path)
        press(lab, "step", 6)
        for details in lab.locator("summary").all():
            details.click()
        lab.evaluate(SETTLED)
        visit.violations[str(view)] = axe(lab)
        visit.sideways += lab.evaluate(WIDE)
        context.close()
    assert visit.violations == {str(DESKTOP): [], str(NARROW): []}
    assert visit.sideways == []
    assert visit.errors == []
    assert visit.requests == []


def test_a_small_lab_has_stored_digits_and_loads_the_other_network_when_it_is_asked_for(
    page: Page, tmp_path: Path
) -> None:
    lab = open_lab(
        page, write_lab(tmp_path, f'{SMALL} data-network="robust" data-digit="844" data-eps="0.25"')
    )
    for absent in (".lab-pad", '[data-setting="threat"]', '[data-setting="method"]'):
        expect(lab.locator(absent).locator("visible=true")).to_have_count(0)
    assert state(lab)["y"] == 8
    assert lab.evaluate("AdvnotesLab.labs[0].attack.eps") == 0.25
    loaded = "[...document.scripts].map(({ src }) => src.split('/').at(-1)).filter(name => /natural|robust/.test(name))"
    assert lab.evaluate(loaded) == ["robust.js"]
    choose(lab, "network", "natural")
    expect(lab.locator("[data-other]")).to_have_text(", dashed: the robust network")
    assert lab.evaluate(loaded) == ["robust.js", "natural.js"]


def test_weights_that_are_missing_are_told(browser: Browser, tmp_path: Path) -> None:
    visit, context = Visit(), browser.new_context()
    lab = watched(context, visit)
    lab.route("**/robust.js", lambda route: route.abort())
    lab.goto(write_lab(tmp_path, f'{SMALL} data-network="robust"').as_uri())
    expect(lab.locator(TOLD)).to_have_text("Sorry, the weights of the robust network could not be loaded.")
    press(lab, "step")  # does nothing, and is no error
    context.close()
    assert [error for error in visit.errors if "robust.js" not in error and "ERR_FAILED" not in error] == []


def test_a_page_without_a_lab_does_not_load_it(page: Page, tmp_path: Path) -> None:
    path = write_lab(tmp_path)
    path.write_text(
        path.read_text(encoding="utf-8").replace("advnotes-attack-lab", "advnotes-other"), "utf-8"
    )
    page.goto(path.as_uri())
    page.wait_for_load_state()
    assert page.evaluate("[...document.scripts].filter(({ src }) => src.includes('attack-lab')).length") == 0
    assert (
        page.evaluate("[...document.styleSheets].filter(({ href }) => href?.includes('attack-lab')).length")
        == 0
    )
    assert (STATIC / "attack-lab" / "lab.js").is_file()
