"""Contact sheet of a miniature world: frames, masks or boxes, and spectrograms of test clips."""

import json
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec

from benchmarks.data.files import SAMPLE_RATE, read_audio, read_frame
from gavs.vggish import log_mel

from .clips import SECONDS, Clip, clip_keys, draw_clip
from .config import AVSBENCH, Benchmark, WorldConfig
from .folder import read_world
from .scenes import Frame
from .vggss import MIDDLE, middle_frame

COLUMNS = 10
WIDTH, TITLE = 7.2, 0.36  # inches: the page, the title of a block
HEIGHTS = {"frame": 0.7, "mask": 0.7, "log-mel": 0.42}  # inches
GREEN, RED = "#14c850", "#ff3b30"
TITLES = {
    "v1s": "V1S: one of the objects sounds",
    "v1m": "V1M: two of the objects sound, the mask is their union",
    "v2": "V2: one clip, second by second; the mask is empty when nothing sounds",
    "vggss": "VGG-SS: another domain, boxes (white) for masks, the middle frame of 10 s",
}


def contact_sheet(root: Path, path: Path, vggss: Path | None = None) -> None:
    """Draw the world in `root` to a picture: the first test clips, and one V2 clip in full.

    Frames, masks, boxes and spectrograms are read from disk; only the outlines come from the
    generator. `vggss` is the folder of VGG-SS's part, shown below the others.
    """
    parts: list[tuple[Benchmark, Path]] = [(b, root) for b in AVSBENCH]
    parts += [("vggss", vggss)] if vggss else []
    blocks = [(b, home, read_world(home)) for b, home in parts]
    blocks = [block for block in blocks if block[2].clips.get(block[0], {}).get("test")]
    heights = [sum(_rows(b).values()) + TITLE for b, _, _ in blocks]
    with matplotlib.rc_context({"font.family": "sans-serif", "font.size": 7}):
        figure = Figure(figsize=(WIDTH, sum(heights)), dpi=200)
        top = 1.0
        for (benchmark, home, config), height in zip(blocks, heights, strict=True):
            bottom = top - height / sum(heights)
            area = figure.add_gridspec(
                1, 1, left=0.025, right=0.998,
                top=top - TITLE / sum(heights), bottom=bottom + 0.004,
            )[0]  # fmt: skip
            draw = _draw_boxes if benchmark == "vggss" else _draw_block
            draw(figure, area, home, benchmark, config)
            top = bottom
        figure.text(0.998, 0.995, "silent", color=RED, ha="right", va="top", weight="bold")
        figure.text(0.95, 0.995, "sounding", color=GREEN, ha="right", va="top", weight="bold")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Software": None})  # no version: the same bytes again


def _rows(benchmark: str) -> dict[str, float]:
    """Heights of a block's rows in inches; boxes are drawn on the frames."""
    return {k: v for k, v in HEIGHTS.items() if (benchmark, k) != ("vggss", "mask")}


def _choose(config: WorldConfig, benchmark: str) -> list[Clip]:
    """Choose the first test clip of each video; for v2 the one whose sounds come and go most."""
    test = [key for key in clip_keys(config) if key[:2] == (benchmark, "test") and key.take == 0]
    clips = [draw_clip(config, key) for key in test[: 4 * COLUMNS]]
    if benchmark == "v2":
        on_screen = [clip for clip in clips if not clip.facts["off_screen"]] or clips
        return [max(on_screen, key=lambda clip: len({*map(bytes, clip.on.T)}))]
    return clips[:COLUMNS]


def _grid(block: SubplotSpec, benchmark: str) -> GridSpecFromSubplotSpec:
    heights = list(_rows(benchmark).values())
    return GridSpecFromSubplotSpec(
        len(heights), COLUMNS, block, height_ratios=heights, wspace=0.05, hspace=0.04
    )


def _draw_block(
    figure: Figure, block: SubplotSpec, root: Path, benchmark: Benchmark, config: WorldConfig
) -> None:
    """Draw rows of frames, masks, log-mels; a column is a clip, or a second of the only clip."""
    grid, clips = _grid(block, benchmark), _choose(config, benchmark)
    whole = len(clips) == 1
    seconds = range(SECONDS[benchmark]) if whole else [SECONDS[benchmark] // 2]
    columns = [(clip, second) for clip in clips for second in seconds]
    for column, (clip, second) in enumerate(columns):
        folder = root / benchmark / clip.uid
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(read_frame(folder / "frames" / f"{second}.jpg"))
        frame = next(f for k, (f, _) in enumerate(clip.frames()) if k == second)
        _draw_outlines(axes, frame, clip.sounding(second))
        name = clip.classes.replace("_", "\n")
        _name(axes, f"{second} s" if whole else name)
        masks = figure.add_subplot(grid[1, column])
        colours = read_frame(folder / "labels_rgb" / f"{second}.png")
        colours = np.where(colours.any(-1, keepdims=True), 110 + colours // 2, 0)  # dark on black
        masks.imshow(colours, interpolation="nearest")
        every = [axes, masks]
        if not whole:
            every.append(figure.add_subplot(grid[2, column]))
            _draw_log_mel(every[-1], folder / "audio.wav", second, 1)
        for each, label in zip(every, HEIGHTS, strict=False):
            _bare(each, label if column == 0 else "")
    if whole:
        axes = figure.add_subplot(grid[2, :])
        _draw_log_mel(axes, folder / "audio.wav", 0, len(seconds))
        for second in seconds[1:]:
            axes.axvline(100 * second, color="white", lw=0.4, ls=(0, (2, 2)))
        _bare(axes, "log-mel")
    sounding = f". Sounding: {clips[0].classes.replace('_', ', ')}" if whole else ""
    _title(figure, block, benchmark, config, sounding)


def _draw_boxes(
    figure: Figure, block: SubplotSpec, root: Path, benchmark: Benchmark, config: WorldConfig
) -> None:
    """Draw rows of frames with the boxes of vggss.json, and of log-mels; a column is a clip."""
    grid = _grid(block, benchmark)
    entries = json.loads((root / "vggss.json").read_text())
    clips = [draw_clip(config, key) for key in clip_keys(config, ["vggss"])[: 20 * COLUMNS]]
    # Several objects and several boxes are the exception: half of the columns show them.
    order = sorted(range(len(clips)), key=lambda k: (-len(clips[k].heard), k))[:2]
    order += [k for k, c in enumerate(clips) if c.facts["n_objects"] > len(c.heard)][:3]
    order += [k for k in range(len(clips)) if k not in order]
    for column, number in enumerate(order[:COLUMNS]):
        entry, clip = entries[number], clips[number]
        frames = figure.add_subplot(grid[0, column])
        frames.imshow(read_frame(root / "frames" / f"{entry['file']}.jpg"))
        _draw_outlines(frames, middle_frame(clip), clip.sounding(MIDDLE))
        for box in entry["bbox"]:
            left, top, right, bottom = config.size * np.array(box) - 0.5  # centres of pixels
            frames.plot(
                [left, right, right, left, left], [top, top, bottom, bottom, top],
                color="white", lw=0.8, ls=(0, (3, 1)), clip_on=True,
            )  # fmt: skip
        frames.set(xlim=(-0.5, config.size - 0.5), ylim=(config.size - 0.5, -0.5))
        adjective, noun, sound = entry["class"].split()
        _name(frames, f"{adjective} {noun}\n{sound}")
        sounds = figure.add_subplot(grid[1, column])
        _draw_log_mel(sounds, root / "audio" / f"{entry['file']}.wav", MIDDLE, 1)
        for each, label in zip((frames, sounds), _rows(benchmark), strict=True):
            _bare(each, label if column == 0 else "")
    _title(figure, block, benchmark, config)


def _draw_outlines(axes: Axes, frame: Frame, sounding: list[bool]) -> None:
    for thing, loud, mask in zip(frame.things, sounding, frame.visible, strict=True):
        if thing.label >= 0:
            axes.contour(mask, [0.5], colors=GREEN if loud else RED, linewidths=0.9)


def _name(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=4.6, pad=1.5, linespacing=0.95)


def _title(
    figure: Figure, block: SubplotSpec, benchmark: Benchmark, config: WorldConfig, more: str = ""
) -> None:
    box = block.get_position(figure)
    text = f"{TITLES[benchmark]} ({config.regime[benchmark]}){more}"
    above = box.y1 + 0.17 / figure.get_figheight()
    figure.text(box.x0, above, text, weight="bold", va="bottom")


def _draw_log_mel(axes: Axes, path: Path, second: int, seconds: int) -> None:
    samples = torch.from_numpy(read_audio(path))
    bands = log_mel(samples[SAMPLE_RATE * second :], 0.96, seconds)
    image = bands.flatten(0, 1).T.numpy()  # (64, 96 * seconds)
    axes.imshow(
        image, origin="lower", aspect="auto", cmap="magma", vmin=np.log(0.01), vmax=2.5,
        extent=(0, image.shape[1], 0, 64), interpolation="nearest",
    )  # fmt: skip


def _bare(axes: Axes, label: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_linewidth(0.3)
    axes.set_ylabel(label, fontsize=5.5, labelpad=2)
