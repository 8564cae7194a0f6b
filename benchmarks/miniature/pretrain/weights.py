"""Weight files of the miniature: their cards, checksums, adoption and the page on them."""

import json
import platform
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.common.files import sha256, write_atomic
from benchmarks.common.tables import Grid, markdown
from benchmarks.miniature.config import WorldConfig
from benchmarks.miniature.pretrain.common import PretrainConfig
from gavs.configs import Config

CHECKSUMS = "checksums.json"


class Card(Config):
    """Description of one weight file; `checksums.json` holds one per file."""

    sha256: str
    bytes: int
    parameters: int
    config: PretrainConfig
    figures: dict[str, float]
    cpu_seconds: float
    made_by: str
    world: str = "2"  # version of the world whose scenes or sounds it has learned


def describe(
    path: Path, config: PretrainConfig, figures: Mapping[str, float], cpu_seconds: float
) -> Card:
    """Make the card of a weight file and write it beside the file."""
    state = load_file(path)
    card = Card(
        sha256=sha256(path),
        bytes=path.stat().st_size,
        parameters=sum(v.numel() for v in state.values() if v.is_floating_point()),
        config=config,
        figures={key: round(value, 4) for key, value in figures.items()},
        cpu_seconds=round(cpu_seconds),
        made_by=f"python -m benchmarks pretrain {path.stem}; torch {torch.__version__}, "
        f"{platform.machine()}",
        world=WorldConfig().version,
    )
    _write_json(path.with_suffix(".json"), card.model_dump())
    return card


def read_cards(folder: Path) -> dict[str, Card]:
    """Read the cards in a folder's `checksums.json`, by encoder.

    Raises:
        FileNotFoundError: there is none.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        raise FileNotFoundError(f"{path}: missing; restore it from git (git checkout -- {path})")
    return {name: Card(**card) for name, card in json.loads(path.read_text()).items()}


def verify(folder: Path) -> dict[str, Card]:
    """Check every weight file that `checksums.json` lists; returns the cards.

    Raises:
        FileNotFoundError: a file is absent.
        ValueError: a file's content is not what its card says.
    """
    cards = read_cards(folder)
    for name, card in cards.items():
        _check(folder / f"{name}.safetensors", card)
    return cards


def adopt(from_dir: Path, to_dir: Path, results_dir: Path) -> dict[str, Card]:
    """Copy the weights that `run` left in `from_dir` to `to_dir`, and write the page on them.

    Nothing is copied unless every file matches its card. Encoders that `from_dir` lacks stay as
    they are. Records made with the old weights no longer match the new checksums.

    Raises:
        FileNotFoundError: `from_dir` holds no weights.
        ValueError: a file's content is not what its card says.
    """
    new = {p.stem: Card(**json.loads(p.read_text())) for p in sorted(from_dir.glob("*.json"))}
    if not new:
        raise FileNotFoundError(f"{from_dir}: no weights; first run: python -m benchmarks pretrain")
    for name, card in new.items():
        _check(from_dir / f"{name}.safetensors", card)
    cards = read_cards(to_dir) if (to_dir / CHECKSUMS).is_file() else {}
    for name in new:
        write_atomic(
            to_dir / f"{name}.safetensors", (from_dir / f"{name}.safetensors").read_bytes()
        )
    cards |= new
    _write_json(to_dir / CHECKSUMS, {name: cards[name].model_dump() for name in sorted(cards)})
    write_report(verify(to_dir), results_dir)
    return cards


def write_report(cards: Mapping[str, Card], results_dir: Path) -> None:
    """Write `pretraining.json` and `pretraining.md`: the figures that the weights reach."""
    entries = {name: card.model_dump(exclude={"sha256"}) for name, card in cards.items()}
    _write_json(results_dir / "pretraining.json", entries)
    write_atomic(results_dir / "pretraining.md", page(cards))


def page(cards: Mapping[str, Card]) -> str:
    """Markdown page on a set of weights; figures are shares of 1, on data never trained on."""
    total = sum(card.bytes for card in cards.values()) / 1e6
    lines = []
    for name, card in cards.items():
        seen = f"{card.config.steps * card.config.batch:,} from {card.config.pool:,}"
        size = [f"{card.parameters:,}", f"{card.bytes / 1e6:.2f}"]
        lines.append([name, *size, seen, card.world, f"{card.cpu_seconds:.0f}"])
    header = ["encoder", "parameters", "MB", "seen in training", "world", "CPU-s"]
    parts = [PAGE.format(files=len(cards), total=total), markdown(Grid(header, lines))]
    for title, names, columns in _TABLES:
        lines = [
            [name, *(f"{cards[name].figures[key]:.3f}" for key in columns)]
            for name in names
            if name in cards
        ]
        parts += [f"## {title}", markdown(Grid(["encoder", *columns.values()], lines))]
    return "\n\n".join(parts) + "\n"


PAGE = """\
# Pretrained encoders of the miniature world

Made by `python -m benchmarks pretrain`, adopted by `python -m benchmarks weights adopt`.
{files} files, {total:.2f} MB in half precision, vggish_pca in single. Figures are of the
files as they are, on scenes and sounds of the pretraining style that were never trained
on. The encoders have seen all 24 classes, never a sound together with a picture. World 3
has the sounds of world 2, and larger objects beside its small ones."""
_TABLES = (
    (
        "SAM: IoU at full resolution, objects unless said",
        ("sam", "sam_aux0"),
        {
            "click_iou": "one random click",
            "click_share85": "share of clicks above .85",
            "box_iou": "box",
            "mask_iou": "coarse mask",
            "mask_prompt_iou": "the coarse mask itself",
            "furniture_click_iou": "one click on furniture",
        },
    ),
    (
        "VGGish: class tags of sounds",
        ("vggish",),
        {
            "map": "mean average precision",
            "single_top1": "top-1, one source",
            "mixture_recall": "recall of both of two in the top two",
        },
    ),
    (
        "VGGish's 8 bits after PCA: values from 0 to 255 of sounds",
        ("vggish_pca",),
        {"clipped": "share at 0 or 255", "mean": "mean", "deviation": "standard deviation"},
    ),
    ("Backbones: class tags of scenes", ("pvt", "resnet"), {"map": "mean average precision"}),
)


def _check(path: Path, card: Card) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: missing though its card is there; restore or rebuild it")
    if (checksum := sha256(path)) != card.sha256:
        raise ValueError(
            f"{path}: sha256 {checksum[:12]}, its card says {card.sha256[:12]}; restore the file "
            f"from git or make it again with: python -m benchmarks pretrain {path.stem}"
        )


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    write_atomic(path, json.dumps(content, indent=2) + "\n")
