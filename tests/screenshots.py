"""Pictures of the page of results for the README: `python -m tests.screenshots`.

Needs what the tests in a browser need: `pip install '.[browser]'` and chromium.
"""

import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ROWS = 9  # of the leaderboard


def leaderboard(page: Page, path: Path) -> None:
    """The first rows, down to the end of one."""
    last = page.locator("#board tbody tr").nth(ROWS).bounding_box()
    first = page.locator("#leaderboard").bounding_box()
    assert first and last
    clip = first | {"height": last["y"] - first["y"]}
    page.screenshot(path=path, clip=clip, full_page=True)


def clips(page: Page, path: Path) -> None:
    """A clip of V2 where the two best rows differ."""
    page.select_option("#theme", "dark")
    page.select_option("#clip-contest", "v2")
    page.locator("#clip-list button").nth(1).click()
    page.wait_for_timeout(500)
    page.locator("#clips").screenshot(path=path)


def main() -> None:
    """Take both from results/index.html."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.goto((ROOT / "results/index.html").as_uri())
        page.wait_for_selector("#clip-list button")
        leaderboard(page, ROOT / "docs/page_leaderboard.png")
        clips(page, ROOT / "docs/page_clips.png")
        browser.close()


if __name__ == "__main__":
    main()
