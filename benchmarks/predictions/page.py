"""The page of an import: its figures, and every clip with its frames, masks and sound.

The pictures lie in a folder beside the page. The sound is the data set's own file, which the page
names by relative path: copies of it would be larger than everything else, and under its licence.
"""

import io
import os
import shutil
from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.common.files import write_atomic
from benchmarks.common.overlay import COLOURS, colour_mask
from benchmarks.common.tables import PERCENT, Grid, latex_line, share
from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import read_frame
from benchmarks.predictions.compare import UNITS, by_clip, metrics_of
from benchmarks.predictions.imported import Scored
from benchmarks.predictions.truth import truth_of
from benchmarks.scoring.decoding import Resized, read_prediction
from benchmarks.scoring.files import mapped
from benchmarks.scoring.statistics import interval, sample

SIDE = 160  # pixels of a frame's longer side
QUALITY = 82  # of JPEG
CHUNK = 8  # clips of a task
THRESHOLD = 0.5
TITLES = {"miou": "mIoU", "fscore": "F", "mean_iou": "mean IoU", "success": "success"}
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.4 system-ui, sans-serif; max-width: 75rem; margin: 1rem auto }}
td, th {{ padding: .2rem .8rem; text-align: right }}
pre {{ overflow-x: auto }}
h2 {{ font-size: 1rem; margin: 1.5rem 0 .2rem }}
img {{ display: block; max-width: 100% }}
b {{ display: inline-block; width: 1em; height: 1em; vertical-align: -.1em; border: 1px solid }}
</style>
<h1>{title}</h1>
<p>{what}</p>
<table>{rows}</table>
<pre>{line}</pre>
<p>Scored frames at threshold 0.5: {legend}. Clips are in the order of their score, the lowest
first.</p>
{clips}
</html>
"""


class Value(NamedTuple):
    """A figure as text, in its unit."""

    name: str
    title: str
    value: str
    interval: str


class _Picture(NamedTuple):
    clip: Any  # as a row of the clip index
    frames: list[tuple[int, Path]]  # that are scored, with their predictions
    path: Path


def figures_of(scored: Scored) -> list[Value]:
    """The figures of a folder of predictions with their 95 % intervals over videos.

    Binary masks have no F, which is the maximum over 255 thresholds.
    """
    figures = []
    for name, metric in metrics_of(scored.scores).items():
        if name == "fscore" and scored.origin.kind == "masks":
            continue
        unit = UNITS.get(name, PERCENT)
        by_video = interval(sample([metric(scored.scores)]))
        low, high = share(by_video.low, unit), share(by_video.high, unit)
        title = f"{TITLES[name]} ({unit.name})" if unit.name else TITLES[name]
        figures.append(Value(name, title, share(by_video.mean, unit), f"[{low}, {high}]"))
    return figures


def grid_of(name: str, figures: Sequence[Value]) -> Grid:
    """The figures as a table of one row."""
    header = [cell for figure in figures for cell in (figure.title, "95 % interval")]
    values = [cell for figure in figures for cell in (figure.value, figure.interval)]
    return Grid(["method", *header], [[name, *values]])


def write_page(path: Path, test: str, scored: Scored, grid: Grid, workers: int = 1) -> None:
    """Write the page, and its pictures into the folder of its name, both or neither.

    An earlier import's record and table go first: whatever kills this one, none is left that
    another's page contradicts. One process at a time may write a page.

    Args:
        test: words on what it is of.
        grid: the row's figures, as `grid_of` makes it.

    Raises:
        ClipFileError, MediaError: a frame isn't the one that was indexed, or can't be read.
    """
    folder = path.with_suffix("")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of an import that was killed
    part.mkdir(parents=True)
    try:
        articles = _pictures(path, part, scored, workers)
        for suffix in (".json", ".tex", ".html"):
            path.with_suffix(suffix).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    cells = [*zip(grid.header[1:], grid.rows[0][1:], strict=True)]
    legend = ", ".join(
        f'<b style="background: {colour}"></b> {what}' for what, colour in COLOURS.items()
    )
    write_atomic(
        path,
        PAGE.format(
            title=escape(f"{grid.rows[0][0]}, {test}"),
            what=f"{len(scored.scores)} frames of {len(articles)} clips and "
            f"{scored.clips.video.nunique()} videos, {scored.origin.kind}.",
            rows="".join(f"<tr><th>{k}</th><td>{v}</td></tr>" for k, v in cells),
            line=escape(latex_line(grid.rows[0])),
            legend=legend,
            clips="\n".join(articles),
        ),
    )


def _pictures(page: Path, folder: Path, scored: Scored, workers: int) -> list[str]:
    """Draw every clip into a folder that will lie beside the page by its name; their articles."""
    frames: dict[str, list[tuple[int, Path]]] = {}
    for (uid, number), file in scored.files.items():
        frames.setdefault(uid, []).append((number, file))
    score = by_clip(scored.scores)
    clips = [SimpleNamespace(**row) for row in scored.clips.to_dict("records")]
    clips.sort(key=lambda clip: (score[clip.uid], clip.uid))
    pictures = [
        _Picture(clip, frames[clip.uid], folder / f"{number:05}.jpg")
        for number, clip in enumerate(clips)
    ]
    tasks = [pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK)]
    with tqdm(total=len(pictures), desc="page", disable=None, leave=False) as bar:
        for drawn in mapped(partial(_draw, resized=scored.resized), tasks, workers):
            bar.update(drawn)
    return [_article(page, picture, score[picture.clip.uid]) for picture in pictures]


def _draw(pictures: Sequence[_Picture], resized: Resized) -> int:
    """Write some pictures, each clip's frames side by side; how many."""
    for picture in pictures:
        frames = [_frame(picture.clip, number, file, resized) for number, file in picture.frames]
        buffer = io.BytesIO()
        Image.fromarray(np.concatenate(frames, axis=1)).save(buffer, "JPEG", quality=QUALITY)
        picture.path.write_bytes(buffer.getvalue())
    return len(pictures)


def _frame(clip: Any, number: int, file: Path, resized: Resized) -> np.ndarray:
    """One frame with its mask over it, (h, w, 3) uint8."""
    image = Image.fromarray(read_frame(clip_file(clip, "frame", number)))
    truth = truth_of(clip, number)
    lit = read_prediction(file, truth.shape, resized)[0] > THRESHOLD
    image.thumbnail((SIDE, SIDE))
    masks = (
        np.asarray(Image.fromarray(mask).convert("L").resize(image.size, Image.Resampling.BOX))
        for mask in (lit, truth)
    )
    over = colour_mask(np.asarray(image), *(mask > 127 for mask in masks))
    return (255 * over).round().astype(np.uint8)


def _article(page: Path, picture: _Picture, score: float) -> str:
    """One clip: its name, its picture and its sound."""
    clip = picture.clip
    words = f"{clip.classes.replace('_', ', ')}; {share(score)} %"
    strip = quote(f"{page.stem}/{picture.path.name}")
    sound = quote(os.path.relpath(clip.audio_path, page.parent))
    player = f'<audio controls preload="none" src="{sound}"></audio>'
    if clip.audio_path.endswith(".pkl"):
        player = "<p>No sound: the data set has its log-mels.</p>"
    numbers = ", ".join(str(number) for number, _ in picture.frames)
    return (
        f"<article><h2>{escape(clip.uid)} ({escape(words)})</h2>"
        f'<img loading="lazy" alt="frames {numbers}" src="{strip}">{player}</article>'
    )
