"""Hook of mkdocs: pictures that pages show from results/, which lies beside docs/."""

from pathlib import Path

from mkdocs.structure.files import File

PICTURE = "results/figures/miniature.png"


def on_files(files, config):
    """Add the picture to the site."""
    path = Path(config.config_file_path).parent / PICTURE
    files.append(File.generated(config, PICTURE, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, **_):
    """Turn links to it into those of the site."""
    return markdown.replace(f"(../{PICTURE})", f"({PICTURE})")
