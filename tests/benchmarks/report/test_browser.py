"""The page in a real browser, opened from a file: Debian's chromium, driven by Playwright."""

import re
import shutil
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from benchmarks.common.publish import publish
from benchmarks.report.web import build as web  # the module
from benchmarks.report.web.beside import Beside
from benchmarks.report.web.masks import Drawn
from benchmarks.report.write import read, tables
from tests.benchmarks.report.conftest import Desk, filled, plan_with
from tests.benchmarks.report.test_qualitative import clip

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is missing: pip install '.[browser]'"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium for the page of results: apt-get install chromium"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folder of the page of `filled`, with two clips."""
    root = tmp_path_factory.mktemp("page")
    desk, left = filled(Desk(root)), np.tile(np.arange(8) < 4, (4, 1))
    index = pd.DataFrame(
        [clip(root / f"c{i}", f"clip{i}", "v1s", 5, 0) | {"heard": "dog"} for i in range(2)]
    )
    index.loc[1, "classes"] = "cat"
    masks = [
        Drawn(row, sound, f"clip{i}", left if (row, i) != ("avsbench", 1) else ~left)
        for row in ("gavs", "avsbench")
        for sound in ("own", "wrong", "silent")
        for i in range(2)
    ]
    plan = plan_with()
    below = {"miou": {("gavs_released", "v1s"): "its silent floor"}}
    with (
        patch.object(web, "drawn", lambda *parts: masks),
        patch("benchmarks.report.write.standings", lambda *parts: below),
    ):
        records, link = read(desk.records, plan), ("study/index.html", "The study")
        made = tables(records, plan, index=index, bench=object(), neighbour=Beside(link=link))
        publish(desk.results, made)
        # A profile with the same models: its page plays the clips from here.
        above = Beside({"v1s": "../page/v1s.js"}, ("../index.html", "The clips' page"))
        study = replace(plan, profile="study")
        publish(desk.results / "study", tables(records, study, index=index, neighbour=above))
    return desk.results


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--autoplay-policy=no-user-gesture-required"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser, results):
    """The opened page; a fault is what its console says."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    page, page.faults = context.new_page(), []
    page.on("console", lambda m: m.type == "error" and page.faults.append(m.text))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto((results / "index.html").as_uri())
    yield page
    assert page.faults == []
    context.close()


def names(page, selector="#board"):
    return page.locator(f"{selector} tbody th button").all_inner_texts()


def test_it_sorts_filters_opens_a_clip_and_plays_it(page):
    assert names(page)[0] == "gavs"  # V1S, the highest first
    assert page.locator("#board td .best").all_inner_texts()[0] == "70.0"
    page.locator("#board thead button").first.click()
    assert names(page) == sorted(names(page))
    page.locator("#board thead button").first.click()
    assert names(page) == sorted(names(page), reverse=True)
    page.fill("#name", "released")
    assert names(page) == ["gavs_released"]
    page.fill("#name", "")

    page.select_option("#first", "gavs")
    page.select_option("#second", "avsbench")
    assert "gavs 70.0, avsbench 50.0: +20.0 points [−40.8, +80.8]" in page.inner_text("#verdict")
    listed = page.locator("#clip-list button")
    assert [b.get_attribute("data-uid") for b in listed.all()] == ["clip1", "clip0"]  # 100 apart
    assert "clip1" in page.inner_text("#clip h3 >> nth=0")
    page.select_option("#clip-class", "dog")
    assert listed.count() == 1
    assert "clip0" in page.inner_text("#clip h3 >> nth=0")
    assert page.locator("#clip canvas").count() == 1 + 2 * 3
    page.click("#play-second")
    page.wait_for_function("player.currentTime > 0.2 && !player.paused")
    page.wait_for_function("player.paused && player.currentTime < 1.5")
    assert page.evaluate("player.error") is None


def test_a_page_beside_it_plays_the_same_clips_from_there(page, results):
    assert not list((results / "study").glob("page/*"))
    page.click("#beside a")
    page.wait_for_url("**/study/index.html")
    assert page.inner_text("#profile").startswith("Profile study")
    assert names(page)[0] == "gavs" and page.locator("#clip-list button").count() == 2
    page.select_option("#first", "gavs")
    page.select_option("#second", "avsbench")
    assert page.locator("#clip canvas").count() == 1 + 2 * 3
    page.click("#play-second")
    page.wait_for_function("player.currentTime > 0.2 && !player.paused")
    page.click("#beside a")
    page.wait_for_url((results / "index.html").as_uri())
    assert page.inner_text("#profile").startswith("Profile miniature")


def test_the_board_prints_what_the_front_page_prints(page, results):
    front = (results / "tables.md").read_text()
    for row in ("gavs", "avsbench", "gavs_released"):
        line = page.locator("#board tbody tr", has=page.get_by_role("button", name=row, exact=True))
        score = line.locator("td").first.inner_text().split()[0].rstrip("an")
        assert re.search(rf"\| `{row}` \| [^|]* \| \*{{0,2}}{score}\b", front)


def test_a_row_in_no_verdict_has_a_mark_and_is_never_best(page):
    button = page.get_by_role("button", name="gavs_released", exact=True)
    line = page.locator("#board tbody tr", has=button)
    assert line.locator("sup").first.inner_text() == "n"
    assert "avsbench 50.0" in page.locator("#best tbody tr").first.inner_text()  # the second
    page.fill("#name", "released")
    assert names(page) == ["gavs_released"] and page.locator("#board td .best").count() == 0


def test_no_zero_has_a_sign(page):
    numbers = "[fixed(-0.04), signed(-0.04), signed(0.06), fixed(-0.06), fixed(1234.5)]"
    assert page.evaluate(numbers) == ["0.0", "0.0", "+0.1", "−0.1", "1234.5"]


def test_masks_are_painted_in_their_colours(page):
    page.select_option("#first", "avsbench")
    page.locator('#clip-list [data-uid="clip1"]').click()
    page.wait_for_timeout(300)
    colours = page.evaluate(
        """[...document.querySelectorAll('#clip canvas')].slice(0, 2).map(c => {
            const d = c.getContext('2d').getImageData(0, 0, 8, 4).data;
            return [[...d.slice(0, 3)], [...d.slice(28, 31)]]; })"""
    )
    (truth_left, truth_right), (left, right) = colours
    blue, red, yellow = (int(np.argmax(c)) for c in (truth_left, right, left))
    assert truth_left[2] > truth_left[0] and max(truth_right) - min(truth_right) < 12  # hit; grey
    assert left[0] > left[2] and left[1] > left[2]  # a miss is yellow
    assert right[0] > right[1] > right[2]  # a false alarm is vermilion
    assert (blue, red, yellow) == (2, 0, 0)


def test_the_keyboard_reaches_a_clip_and_a_row(page):
    page.locator("#board tbody th button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#details h3").inner_text() == "gavs"
    point = page.locator("#scatter circle[role=button]").first
    point.focus()
    page.keyboard.press("Enter")
    assert page.locator('#clip-list [aria-pressed="true"]').count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_no_violation_of_accessibility_in_either_theme(page, theme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page.set_viewport_size({"width": width, "height": 800})
    page.select_option("#theme", theme)
    page.locator("#board tbody th button").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    faults = axe.Axe().run(page).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in faults] == []
