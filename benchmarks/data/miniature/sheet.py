"""Contact sheet of a miniature world: what is seen, what is to be segmented, what is heard."""

from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec

from benchmarks.data.files import SAMPLE_RATE, read_audio, read_frame
from gavs.vggish import log_mel

from .clips import SECONDS, Clip, WorldConfig, draw_clip, jobs
from .world import read_world

COLUMNS = 10
WIDTH, BLOCK, TITLE = 7.2, 2.2, 0.36  # inches: the page, a benchmark's block, its title
GREEN, RED = "#14c850", "#ff3b30"
TITLES = {
    "v1s": "V1S: one of the objects sounds",
    "v1m": "V1M: two of the objects sound, the mask is their union",
    "v2": "V2: one clip, second by second; the mask is empty when nothing sounds",
}


def contact_sheet(root: Path, path: Path) -> None:
    """Draw the world in `root` to a picture: the first test clips, and one V2 clip in full.

    Frames, masks and spectrograms are read from disk; only the outlines come from the generator.
    """
    config = read_world(root)
    clips = {b: _choose(config, b) for b in SECONDS if config.clips.get(b, {}).get("test")}
    with matplotlib.rc_context({"font.family": "sans-serif", "font.size": 7}):
        figure = Figure(figsize=(WIDTH, BLOCK * len(clips)), dpi=200)
        blocks = figure.add_gridspec(
            *(len(clips), 1), hspace=TITLE / (BLOCK - TITLE), left=0.025, right=0.998,
            top=1 - TITLE / (BLOCK * len(clips)), bottom=0.004,
        )  # fmt: skip
        for block, (benchmark, chosen) in zip(blocks, clips.items(), strict=True):
            _draw_block(figure, block, root, benchmark, chosen, config.regime[benchmark])
        figure.text(0.998, 0.995, "silent", color=RED, ha="right", va="top", weight="bold")
        figure.text(0.95, 0.995, "sounding", color=GREEN, ha="right", va="top", weight="bold")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Software": None})  # no version: the same bytes again


def _choose(config: WorldConfig, benchmark: str) -> list[Clip]:
    """The first test clip of each video; for v2 the one whose sounds come and go most."""
    test = [job for job in jobs(config) if job[:2] == (benchmark, "test") and job.take == 0]
    clips = [draw_clip(config, job) for job in test[: 4 * COLUMNS]]
    if benchmark == "v2":
        on_screen = [clip for clip in clips if not clip.facts["off_screen"]] or clips
        return [max(on_screen, key=lambda clip: len({*map(bytes, clip.on.T)}))]
    return clips[:COLUMNS]


def _draw_block(
    figure: Figure, block: SubplotSpec, root: Path, benchmark: str, clips: list[Clip], regime: str
) -> None:
    """Rows of frames, masks and log-mels; a column is a clip, or a second of the only clip."""
    grid = GridSpecFromSubplotSpec(
        3, COLUMNS, block, height_ratios=(1, 1, 0.6), wspace=0.05, hspace=0.04
    )
    whole = len(clips) == 1
    seconds = range(SECONDS[benchmark]) if whole else [SECONDS[benchmark] // 2]
    cells = [(clip, second) for clip in clips for second in seconds]
    for column, (clip, second) in enumerate(cells):
        folder = root / benchmark / clip.uid
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(read_frame(folder / "frames" / f"{second}.jpg"))
        frame = next(f for k, (f, _) in enumerate(clip.frames()) if k == second)
        for thing, loud, mask in zip(
            frame.things, clip.sounding(second), frame.visible, strict=True
        ):
            if thing.label >= 0:
                axes.contour(mask, [0.5], colors=GREEN if loud else RED, linewidths=0.9)
        name = clip.classes.replace("_", "\n")
        axes.set_title(f"{second} s" if whole else name, fontsize=4.6, pad=1.5, linespacing=0.95)
        masks = figure.add_subplot(grid[1, column])
        colours = read_frame(folder / "labels_rgb" / f"{second}.png")
        colours = np.where(colours.any(-1, keepdims=True), 110 + colours // 2, 0)  # dark on black
        masks.imshow(colours, interpolation="nearest")
        every = [axes, masks]
        if not whole:
            every.append(figure.add_subplot(grid[2, column]))
            _draw_log_mel(every[-1], folder, second, 1)
        for each, label in zip(every, ("frame", "mask", "log-mel"), strict=False):
            _bare(each, label if column == 0 else "")
    if whole:
        axes = figure.add_subplot(grid[2, :])
        _draw_log_mel(axes, folder, 0, len(seconds))
        for second in seconds[1:]:
            axes.axvline(100 * second, color="white", lw=0.4, ls=(0, (2, 2)))
        _bare(axes, "log-mel")
    title = f"{TITLES[benchmark]} ({regime})"
    if whole:
        title += f". Sounding: {clips[0].classes.replace('_', ', ')}"
    box = block.get_position(figure)
    top = box.y1 + 0.17 / figure.get_figheight()
    figure.text(box.x0, top, title, weight="bold", va="bottom")


def _draw_log_mel(axes, folder: Path, second: int, seconds: int) -> None:
    samples = torch.from_numpy(read_audio(folder / "audio.wav"))
    bands = log_mel(samples[SAMPLE_RATE * second :], 0.96, seconds)
    image = bands.flatten(0, 1).T.numpy()  # (64, 96 * seconds)
    axes.imshow(
        image, origin="lower", aspect="auto", cmap="magma", vmin=np.log(0.01), vmax=2.5,
        extent=(0, image.shape[1], 0, 64), interpolation="nearest",
    )  # fmt: skip


def _bare(axes, label: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_linewidth(0.3)
    axes.set_ylabel(label, fontsize=5.5, labelpad=2)
