"""Records of predictions that were made elsewhere: as a cell's, and marked."""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.common import closure
from benchmarks.common.files import sha256
from benchmarks.params import Params, method_names
from benchmarks.predictions.layouts import LAYOUTS
from benchmarks.predictions.submission import (
    TESTS,
    SubmissionError,
    content_checksum,
    data_checksum,
    files_of,
)
from benchmarks.scoring.boxes import BoxScores, box_terms
from benchmarks.scoring.decoding import Resized
from benchmarks.scoring.files import Item, count_boxes, count_files
from benchmarks.scoring.metrics import miou
from benchmarks.scoring.npz import Scores, save_scores
from benchmarks.scoring.records import (
    REMEDY,
    SCHEMA,
    Key,
    Record,
    RecordError,
    Stored,
    read_record,
    write_record,
)

NAME = r"[^\W_][\w.+-]{0,99}"  # of a row: fits a file's name
AGAIN = "import the predictions again"
REPLACE = f"delete it and {AGAIN}"


class Origin(BaseModel):
    """Where imported predictions come from."""

    model_config = ConfigDict(frozen=True)
    layout: str
    kind: Literal["probabilities", "masks"]  # masks: their F isn't the tables'
    resized: dict[str, int]  # files by size, "height x width", where it isn't their mask's
    files: str  # checksum of their contents
    data: str  # checksum of the tested clips


class Imported(Record):
    """Record of predictions that were made elsewhere."""

    imported: Origin


class StoredImport(Stored):
    """A record of predictions that were made elsewhere, and the file it came from."""

    def scores(self) -> dict[str, Scores]:
        """Scores by evaluation, as of any record.

        Raises:
            RecordError: as of any record, with the remedy of imports.
        """
        try:
            return super().scores()
        except (FileNotFoundError, RecordError) as error:  # no stage of DVC makes it
            raise RecordError(str(error).replace(REMEDY, AGAIN)) from None


class Scored(NamedTuple):
    """Counts of a folder of predictions and what they are of."""

    scores: Scores
    origin: Origin
    files: Mapping[tuple[str, int], Path]  # that were counted, by clip and frame
    resized: Resized  # how they were read and, of another size, resized
    clips: pd.DataFrame  # that are tested, rows of the index
    index: pd.DataFrame


def score_submission(
    params: Params,
    folder: Path,
    benchmark: str,
    layout: str = "suite",
    masks: bool = False,
    workers: int = 1,
) -> Scored:
    """Check a folder against the clip index and count it.

    Args:
        layout: of LAYOUTS.
        masks: the predictions are binary masks, as those of other layouts always are. Numbers of
            0 and 1 alone count as masks too.

    Raises:
        SubmissionError: the folder isn't the predictions of this test.
        ScoreError, DataError: a file can't be read or scored; there is no clip index.
    """
    # Here, since who only reads imported records needs no library for sound or sparse tables.
    from benchmarks.data.clip_files import clip_file
    from benchmarks.data.index import load_index
    from benchmarks.grid.clip_sets import ClipSets

    index = load_index(params.shared / "index.csv")
    clips = ClipSets(params, index)[TESTS[benchmark].clips]
    names = LAYOUTS[layout]
    files = files_of(folder, names, clips, index, params.scoring.frames_per_clip)
    rows = {row.uid: row for row in clips.itertuples()}
    as_masks = masks or names.masks
    how: Resized = "mask" if as_masks else "map"
    binary, sizes = as_masks, {}
    if benchmark == "vggss":
        chosen = [rows[uid] for uid, _ in files]
        scores: Scores = count_boxes(
            list(files.values()),
            [json.loads(row.boxes) for row in chosen],
            uid=[row.uid for row in chosen],
            video=[row.video for row in chosen],
            classes=[row.classes for row in chosen],
            masks=as_masks,
        )
    else:
        items = [
            Item(path, clip_file(rows[uid], "mask", f), uid, rows[uid].video, f, rows[uid].classes)
            for (uid, f), path in files.items()
        ]
        counted = count_files(items, workers, how)
        scores, binary, sizes = counted.scores, as_masks or counted.binary, counted.resized
    origin = Origin(
        layout=layout,
        kind="masks" if binary else "probabilities",
        resized={f"{height} x {width}": n for (height, width), n in sorted(sizes.items())},
        files=content_checksum(list(files.values())),
        data=data_checksum(clips),
    )
    return Scored(scores, origin, files, how, clips, index)


def read_imported(root: Path, profile: str) -> dict[Key, Stored]:
    """Imported records below a folder, by place; none without it.

    Raises:
        RecordError: a file isn't one of an import into this profile, or two are of one place.
    """
    records: dict[Key, Stored] = {}
    for path in sorted(root.rglob("*.json")):
        record = read_import(path)
        if record.profile != profile:
            raise RecordError(
                f"{path}: profile {record.profile!r}, expected {profile!r}; {REPLACE}"
            )
        if record.key in records:
            raise RecordError(
                f"{path} and {records[record.key].path} are both {record.key}; delete one"
            )
        records[record.key] = StoredImport(record, path)
    return records


def read_import(path: Path) -> Imported:
    """Read an imported record.

    Raises:
        RecordError: it isn't as `import` writes it.
    """
    try:
        read_record(path)  # its schema and seal
        return Imported.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise RecordError(f"{path}: {where}: not as `import` writes it; {REPLACE}") from None
    except RecordError as error:  # no stage of DVC makes it
        raise RecordError(str(error).replace(REMEDY, REPLACE)) from None


def place_of(params: Params, name: str, benchmark: str, seed: int) -> Path:
    """The record's path of a row's predictions of a test."""
    stem = f"{benchmark}-{TESTS[benchmark].setting}-seed{seed}"
    return params.work / "imported" / name / f"{stem}.json"


def write_imported(params: Params, name: str, benchmark: str, seed: int, scored: Scored) -> Stored:
    """Write the record of a row's predictions of a test."""
    from benchmarks.features.layout import frames_checksum

    evaluation, setting = TESTS[benchmark].evaluation, TESTS[benchmark].setting
    path = place_of(params, name, benchmark, seed)
    npz, scores, clips = path.with_suffix(".npz"), scored.scores, scored.clips
    save_scores(npz, {evaluation: scores})
    boxed = isinstance(scores, BoxScores)
    value = box_terms(scores, "mean_iou").value if isinstance(scores, BoxScores) else miou(scores)
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "profile": params.profile,
        "variant": name,
        "benchmark": benchmark,
        "setting": setting,
        "seed": seed,
        "draw": None,
        "checksums": {"index": frames_checksum(scored.index), "code": _counting_code(boxed)},
        "counts": {
            "trainable_parameters": 0,
            "test_clips": len(clips),
            "test_videos": int(clips.video.nunique()),
        },
        "history": [],
        "evaluations": [evaluation],
        "headline": {"name": f"{evaluation} {'mean IoU' if boxed else 'mIoU'}", "value": value},
        "files": {"scores.npz": sha256(npz)},
        "imported": scored.origin.model_dump(),
        "run": {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())},
    }
    write_record(path, content)
    return StoredImport(Imported.model_validate(content), path)


def _counting_code(boxed: bool) -> str:
    root = "benchmarks.scoring.boxes" if boxed else "benchmarks.scoring.counts"
    return closure.project().checksum((root,), ("benchmarks.common",))


def check_name(params: Params, name: str) -> None:
    """Raise SubmissionError for a row's name that the suite has, or that is no name for a file."""
    taken = {*method_names(), *params.variants}
    taken |= {variant for group in params.ablations.values() for variant in group}
    if name.casefold() in {own.casefold() for own in taken}:  # on some disks one file's name
        raise SubmissionError(f"--as {name}: the suite trains a row of this name; take another")
    if not re.fullmatch(NAME, name):
        raise SubmissionError(
            f"--as {name!r}: expected at most 100 letters, digits, and any of _ . + -"
        )
