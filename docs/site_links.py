"""Hook of mkdocs: what pages of docs/ show and name of the folders beside it."""

import re
from pathlib import Path

from mkdocs.structure.files import File

PICTURE = "results/figures/miniature.png"


def on_files(files, config):
    """Add the picture to the site."""
    path = Path(config.config_file_path).parent / PICTURE
    files.append(File.generated(config, PICTURE, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, **_):
    """Turn links to the picture into the site's; name other files, which the site doesn't have."""
    markdown = markdown.replace(f"(../{PICTURE})", f"({PICTURE})")
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)]+)\)", r"\1 (`\2`)", markdown)
