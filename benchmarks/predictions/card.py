"""Result cards: who made what, the figure that is reported, and counts to score it again from.

A card is a JSON file of the schema `SCHEMA`, which `cards/schema.json` publishes. Figures are 0 to
1. Counts are per frame at two thresholds, so that every rule of `scoring.rosetta` at the mask's own
size follows from them; F's histograms would take megabytes, so F is stated and not recomputed.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.common.files import write_atomic
from benchmarks.predictions.imported import NAME, Imported
from benchmarks.scoring.boxes import BoxScores, box_terms
from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.metrics import fscore, miou
from benchmarks.scoring.npz import Scores
from benchmarks.scoring.records import Stored
from benchmarks.scoring.rosetta import RULES
from gavs.reading import reading

SCHEMA = 1
FOLDER = Path("cards")
PUBLISHED = "schema.json"
FILL_IN = ""  # what a new card has where only its author knows
PER_FRAME = ("intersection", "union", "predicted")  # at each threshold
ONE_COUNT = ("frame", "target", "pixels")  # of a frame
BOXED = ("intersection", "predicted", "target")
BOX_FIGURES = ("mean_iou", "success", "auc")
SETTINGS = {"v3": ("0-shot",), "vggss": ("0-shot", "in-set")}  # of others: "train"
Share = Annotated[float, Field(ge=0, le=1)]
Mean = Annotated[float, Field(ge=0, le=1 + 1e-9)]  # that may pass 1 by its roundings
Pixels = Annotated[int, Field(ge=0, le=2**53)]
Row = Annotated[str, Field(pattern=f"^{NAME}$")]


class CardError(ValueError):
    """A card that can't be used: its file, what is wrong and what was expected."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Figure(_Part):
    """A figure as its source states it."""

    benchmark: str
    metric: str
    value: Share
    rule: str = ""  # of `scoring.rosetta`; empty: not known
    source: str = ""


class ClipCounts(_Part):
    """Pixel counts of a clip's frames, or of an image against boxes by the rule `fixed`."""

    uid: str
    video: str
    classes: str
    frame: list[Pixels] = []
    intersection: list[list[Pixels]]  # per frame, at each threshold; of boxes: mask, hull
    union: list[list[Pixels]] = []
    predicted: list[list[Pixels]]
    target: list[Pixels]
    pixels: list[Pixels] = []


class Result(_Part):
    """Predictions of one test, counted here."""

    benchmark: Literal["v1s", "v1m", "v2", "v3", "vggss"]
    setting: str
    seed: Annotated[int, Field(ge=0)]
    profile: str  # whose test; figures of two are never compared
    kind: Literal["trained", "probabilities", "masks"]
    data: str  # checksum of the tested clips and files; of a trained row of the clip index
    code: str  # checksum of the code that counted
    predictions: str = ""  # checksum of their files
    thresholds: list[float] = []
    clips: list[ClipCounts]
    rescored: dict[str, Mean]  # by rule, mIoU; of boxes by figure
    fscore: Mean | None = None  # by the tables' rule; none of binary masks

    @model_validator(mode="after")
    def _has_counts(self) -> Self:
        """Check that the tables' figure follows from the counts, and that there can be an F."""
        if self.setting not in (known := SETTINGS.get(self.benchmark, ("train",))):
            raise ValueError(f"setting {self.setting!r}, expected {' or '.join(known)}")
        if self.fscore is not None and (self.kind == "masks" or self.benchmark == "vggss"):
            raise ValueError("fscore: none of binary masks and of boxes")
        name = "tables" if self.benchmark != "vggss" else BOX_FIGURES[0]
        if name not in figures_of(scores_of(self)):
            raise ValueError(f"no counts that give {name}")
        return self


class ResultCard(_Part):
    """One system: who made it, what it learned from, what is reported and what was counted."""

    schema_version: int = Field(SCHEMA, alias="schema")
    name: Row
    who: str
    trained_on: str
    url: str = ""
    code: str = ""  # address and revision of what made the predictions
    note: str = ""
    reported: list[Figure] = []
    results: list[Result] = []


def card_of(name: str, stored: list[Stored], before: ResultCard | None = None) -> ResultCard:
    """A row's card from its records, with what an earlier one says of its author and has of
    other profiles.

    Only tests with the clips' own sound, of models trained in full, are on it.

    Raises:
        CardError: there is no such record.
    """
    results = [r for one in stored for r in _results(one)]
    if not results:
        raise CardError(
            f"{name}: no record to make a card of: `dvc repro` measures the tables' rows, "
            "`python -m benchmarks import` takes anyone's predictions"
        )
    said = before or ResultCard(schema=SCHEMA, name=name, who=FILL_IN, trained_on=FILL_IN)
    here = {result.profile for result in results}
    kept = [result for result in said.results if result.profile not in here]
    return said.model_copy(update={"results": [*kept, *results]})


def _results(stored: Stored) -> Iterator[Result]:
    record, scores = stored.record, stored.scores()
    tests = {"test", "unseen", "vggss"} & {*record.evaluations}
    if record.setting not in SETTINGS.get(record.benchmark, ("train",)) or not tests:
        return
    origin = record.imported if isinstance(record, Imported) else None
    for name in sorted(tests):
        counts = scores[name]
        masks = origin is not None and origin.kind == "masks"
        clips = _box_clips(counts) if isinstance(counts, BoxScores) else frame_clips(counts)
        yield Result(
            benchmark=record.benchmark,
            setting=record.setting,
            seed=record.seed,
            profile=record.profile,
            kind=origin.kind if origin else "trained",
            data=origin.data if origin else record.checksums.index,
            code=record.checksums.code,
            predictions=origin.files if origin else "",
            thresholds=[] if isinstance(counts, BoxScores) else counts.thresholds.tolist(),
            clips=clips,
            rescored=figures_of(counts),
            fscore=None if isinstance(counts, BoxScores) or masks else fscore(counts),
        )


def frame_clips(scores: FrameScores) -> list[ClipCounts]:
    """Counts by clip, in the order of their first frames."""
    clips = []
    for rows in _by_clip(scores):
        counts = {n: getattr(scores, n)[rows].tolist() for n in (*PER_FRAME, *ONE_COUNT)}
        clips.append(ClipCounts(**_names(scores, rows[0]), **counts))
    return clips


def _box_clips(scores: BoxScores) -> list[ClipCounts]:
    fixed = scores.rules.tolist().index("fixed")
    return [
        ClipCounts(
            **_names(scores, rows[0]),
            intersection=scores.intersection[rows, fixed].tolist(),
            predicted=scores.lit[rows, fixed].tolist(),
            target=scores.target[rows].tolist(),
        )
        for rows in _by_clip(scores)
    ]


def _by_clip(scores: Scores) -> list[np.ndarray]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, uid in enumerate(scores.uid):
        rows[str(uid)].append(row)
    return [np.array(numbers) for numbers in rows.values()]


def _names(scores: Scores, row: int) -> dict[str, Any]:
    return {name: str(getattr(scores, name)[row]) for name in ("uid", "video", "classes")}


def scores_of(result: Result) -> Scores:
    """The counts of a result; what a card leaves out is 0.

    Raises:
        ValueError: no frames, or counts of different lengths.
    """
    clips = result.clips
    _check_lengths(result)
    repeated = {
        name: np.repeat([getattr(clip, name) for clip in clips], [len(c.target) for c in clips])
        for name in ("uid", "video", "classes")
    }
    counts = {
        name: np.array([row for clip in clips for row in getattr(clip, name)], np.int64)
        for name in (*PER_FRAME, *ONE_COUNT)
    }
    n = len(counts["target"])
    if not result.thresholds:
        return BoxScores(
            **repeated,
            rules=np.array(["fixed"]),
            target=counts["target"],
            intersection=counts["intersection"][:, None],
            lit=counts["predicted"][:, None],
            confidence=np.zeros(n),
        )
    left_out = {f.name: np.zeros((n, 1), np.int64) for f in fields(FrameScores)}
    thresholds = np.array(result.thresholds)
    return FrameScores(**{**left_out, **repeated, **counts, "thresholds": thresholds})


def _check_lengths(result: Result) -> None:
    boxed = not result.thresholds
    columns = 2 if boxed else len(result.thresholds)
    for clip in result.clips:
        for name in BOXED if boxed else (*PER_FRAME, *ONE_COUNT):
            rows = getattr(clip, name)
            wide = name in PER_FRAME and {*map(len, rows)} - {columns}
            if wide or len(rows) != len(clip.target):
                raise ValueError(
                    f"{clip.uid}: {name} isn't of {len(clip.target)} frames"
                    + (f" at {columns} thresholds" if name in PER_FRAME and not boxed else "")
                )
    if not any(clip.target for clip in result.clips):
        raise ValueError("counts of no frame")


def figures_of(scores: Scores) -> dict[str, float]:
    """Figures that a card's counts give: mIoU by rule, or those of boxes."""
    if isinstance(scores, BoxScores):
        return {name: box_terms(scores, name).value for name in BOX_FIGURES}  # type: ignore[arg-type]
    values = {
        r.name: miou(scores, r.threshold, r.unit, r.empty)
        for r in RULES
        if r.resolution == "native" and r.threshold in scores.thresholds
    }
    return {name: value for name, value in values.items() if not np.isnan(value)}


def write_card(path: Path, card: ResultCard) -> None:
    """Write a card, one clip a line."""
    content, blocks = card.model_dump(by_alias=True), []
    for result in content["results"]:
        lines = [json.dumps(clip, separators=(",", ":")) for clip in result["clips"]]
        blocks.append("[\n" + ",\n".join(lines) + "\n]")
        result["clips"] = []
    key, empty = '"clips": ', "[]"  # no text of an author's holds a quote as it is
    first, *rest = json.dumps(content, indent=1, ensure_ascii=False).split(key + empty)
    parts = [key + block + part for block, part in zip(blocks, rest, strict=True)]
    write_atomic(path, "".join([first, *parts, "\n"]))


def read_card(path: Path) -> ResultCard:
    """Read a card.

    Raises:
        CardError: not JSON, of a schema that isn't known, or a wrong field, which is named.
    """
    with reading(path, CardError, "as a card"):
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(content, dict):
            raise ValueError(f"holds a {type(content).__name__}, expected keys and values")
    if (version := content.get("schema")) != SCHEMA:
        raise CardError(
            f"{path}: schema {version!r}, expected {SCHEMA}; a newer one needs a newer version of "
            "this suite"
        )
    try:
        return ResultCard.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5]]
        raise CardError(f"{path}: {'; '.join(lines)}") from None


def read_cards(folder: Path = FOLDER) -> list[ResultCard]:
    """All cards of a folder, by file name; none without it."""
    return [read_card(path) for path in card_paths(folder)]


def card_paths(folder: Path) -> list[Path]:
    """Files of a folder's cards."""
    return sorted(path for path in folder.glob("*.json") if path.name != PUBLISHED)


def schema_text() -> str:
    """The published schema."""
    return json.dumps(ResultCard.model_json_schema(by_alias=True), indent=1, sort_keys=True) + "\n"
