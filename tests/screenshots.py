"""Pictures of the page of results for the README: `python -m tests.screenshots`.

Needs what the tests in a browser need: `pip install '.[browser]'` and chromium.
"""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTH, MARGIN = 1100, 16  # pixels
ROWS = 9  # of the leaderboard
PAIR = ("gavs", "sam_fusion")


def leaderboard(page: Page, path: Path) -> None:
    """The first rows and the contests that fit, none cut."""
    edges = page.locator("#board thead th").evaluate_all(
        "cells => cells.map(cell => cell.getBoundingClientRect().right)"
    )
    width = max(edge for edge in edges if edge < WIDTH - MARGIN)
    take(page, path, page.locator("#board tbody tr").nth(ROWS), width)


def clips(page: Page, path: Path) -> None:
    """The clip of V2 where two rows differ most."""
    page.set_viewport_size({"width": 760, "height": 900})
    page.select_option("#theme", "dark")
    page.select_option("#pair-contest", "v2")
    for name, row in zip(("#first", "#second"), PAIR, strict=True):
        page.select_option(name, row)
    page.locator("#clip-list button").first.click()
    page.wait_for_timeout(500)
    take(page, path, page.locator("#claims"), 760)


def take(page: Page, path: Path, below: Locator, width: float) -> None:
    """A picture of the section of the file's name, down to what stands below, in 256 colours."""
    page.evaluate("scrollTo(0, 0)")  # boxes are of the window
    section = page.locator(f"#{path.stem.removeprefix('page_')}").bounding_box()
    end = below.bounding_box()
    assert section and end
    clip = {"x": 0, "y": section["y"], "width": width, "height": end["y"] - section["y"] - 1}
    content = page.screenshot(clip=clip, full_page=True)
    Image.open(io.BytesIO(content)).convert("RGB").quantize(256).save(path, optimize=True)


def main() -> None:
    """Take both from results/index.html."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.goto((ROOT / "results/index.html").as_uri())
        page.wait_for_selector("#clip-list button")
        leaderboard(page, ROOT / "docs/page_leaderboard.png")
        clips(page, ROOT / "docs/page_clips.png")
        browser.close()


if __name__ == "__main__":
    main()
