"""Links in the committed pages lead to files of the repository."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTED = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
PAGES = subprocess.run(LISTED, capture_output=True, text=True, check=True).stdout.split()
LINK = re.compile(r"""\]\(([^)\s]+)\)|(?:src|href)="([^"]+)\"""")


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_to_files(page):
    targets = ["".join(found) for found in LINK.findall((ROOT / page).read_text())]
    files = [t.split("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    lost = [name for name in files if not (ROOT / page).parent.joinpath(name).exists()]
    assert not lost
