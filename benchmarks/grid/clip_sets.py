"""Clip sets by name, such as `v2/train` or `v3/5-shot-0` (draw 0): rows of the clip index."""

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from benchmarks.data.avsbench import indexed_metadata
from benchmarks.data.index import DataError
from benchmarks.data.vggss import indexed_annotations
from benchmarks.grid.protocol import Cell
from benchmarks.params import Params
from benchmarks.training.audio import Heard, audio_from
from splits import audit, avs_v3, fractions, vggss_sub
from splits.files import read_table
from splits.tables import videos
from splits.vggsound import read_heard

log = logging.getLogger(__name__)


class ClipSets:
    """Rows of the clip index by the name of a set; the protocol's splits are drawn when needed."""

    def __init__(self, params: Params, index: pd.DataFrame) -> None:
        self.params, self.index = params, index
        self._sets: dict[str, pd.DataFrame] = {}  # a table asks for each a hundred times
        self._heard: dict[tuple[str, str], Heard] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Rows in the index's order, not to be changed.

        Raises:
            DataError: there are none, or the name stands for no set.
        """
        if name not in self._sets:
            self._sets[name] = self._rows(name)
        return self._sets[name]

    def heard(self, name: str, audio: str) -> Heard:
        """Where the clips of a set take a kind of audio from (`audio_from`), not to be changed."""
        if (name, audio) not in self._heard:
            self._heard[name, audio] = audio_from(audio, self[name])
        return self._heard[name, audio]

    def _rows(self, name: str) -> pd.DataFrame:
        benchmark, part = name.split("/")
        if benchmark == "v3":
            chosen = self.index.uid.isin(self._v3(part))
        elif benchmark == "vggss":
            chosen = self.index.benchmark == "vggss"
        elif benchmark == "vggss_sub":
            chosen = (self.index.benchmark == "vggss") & self.index.uid.isin(self._sub(part))
        elif part.startswith("fraction-"):
            chosen = self.index.uid.isin(self._fraction(benchmark, part))
        else:
            chosen = (self.index.benchmark == benchmark) & (self.index.split == part)
        if not chosen.any():
            raise DataError([f"no clips in {name}: the index has none, or the split is empty"])
        return self.index[chosen].reset_index(drop=True)

    @cached_property
    def classes(self) -> list[str]:
        """AVSBench's class tokens that the index holds, in the order of `Batch.classes`."""
        names = self.index.classes[self.index.mask_path != ""]
        return sorted({token for joined in set(names) for token in joined.split("_")})

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """metadata.csv of the indexed AVSBench clips with the index's splits."""
        return indexed_metadata(self.params.data.root, self.index)

    @cached_property
    def v3(self) -> avs_v3.AvsV3:
        """AVS-V3's split: the released one, or drawn by the protocol."""
        protocol = self.params.protocol
        strings, classes = avs_v3.read_unseen(protocol.unseen)
        if protocol.official:
            folder, shots = protocol.official, protocol.shots
            excluded = self.params.data.exclude
            split, repairs = avs_v3.official(
                folder, self.metadata, strings, classes, shots, excluded
            )
            for repair in repairs:
                log.info("%s", repair)
        else:
            draws = self._draws("v3")
            hidden = () if protocol.seen_shows_unseen else self._show(classes)
            split = avs_v3.split(
                self.metadata[~self.metadata.uid.isin(hidden)],
                strings,
                classes,
                draws,
                protocol.shots,
                test_folds=protocol.seen_test_folds,
            )
        return avs_v3.strict(split) if protocol.strict else split

    def _show(self, unseen: Sequence[str]) -> pd.Series:
        """Uids of the seen clips that show, or play off screen, one of the `unseen` classes.

        Nothing where the data set doesn't say what is in view.
        """
        if "shown" not in self.index:
            return pd.Series(dtype=str)
        clips = self.index[self.index.benchmark.isin(("v1m", "v2"))]
        named, present = (
            names.str.split("_").map({*unseen}.isdisjoint)
            for names in (clips.classes, clips.heard + "_" + clips.shown)
        )
        return clips.uid[named & ~present]

    @cached_property
    def annotations(self) -> pd.DataFrame:
        """file, label, boxes, empty of the indexed VGG-SS clips."""
        root = self.params.data.vggss
        if root is None:
            raise DataError(["data.vggss is null: VGG-SS needs vggss.json, frames and audio"])
        return indexed_annotations(root, self.index)

    @cached_property
    def sub(self) -> vggss_sub.VggssSub:
        """VGG-SS-Sub's split: novel and mapped classes, shots and test clips."""
        annotations = self.annotations
        labels = read_table(self.params.protocol.vggss_labels, ["label", "class"])
        v2 = set(self.metadata.vid[self.metadata.label == "v2"].str[:11])
        draws, shots = self._draws("vggss_sub"), self.params.protocol.shots
        return vggss_sub.split(annotations, labels, v2, draws, shots)

    def _draws(self, benchmark: str) -> list[Any]:
        return sorted({draw for _, draw in self.params.draws(benchmark)})

    def _v3(self, part: str) -> Sequence[str]:
        if part in ("train", "val"):
            return getattr(self.v3, f"seen_{part}").uid
        if part in ("seen_test", "unseen", "pool"):
            return getattr(self.v3, part).uid
        kind, draw = part.rsplit("-", 1)
        key = draw if draw == avs_v3.OFFICIAL else int(draw)
        if kind == "test":
            return self.v3.test[key].uid
        drawn = self.v3.control if kind.endswith("-control") else self.v3.shots
        return drawn[key][int(kind.split("-")[0])].uid

    def _sub(self, part: str) -> Sequence[str]:
        clips = self.sub.clips
        if part == "novel":
            return clips.file[clips.group == "novel"]
        if part == "seen":  # which no control is tested on
            return clips.file[clips.group == "mapped"]
        kind, draw = part.rsplit("-", 1)
        if kind == "test":
            return self.sub.test[int(draw)].file
        drawn = self.sub.control if kind.endswith("-control") else self.sub.shots
        return drawn[int(draw)][int(kind.split("-")[0])].file

    def _fraction(self, benchmark: str, part: str) -> Sequence[str]:
        _, share, draw = part.split("-")
        rows = self.metadata[(self.metadata.label == benchmark) & (self.metadata.split == "train")]
        protocol = self.params.protocol
        clips = fractions.split(rows, protocol.fractions, int(draw))[float(share)]
        if (count := videos(clips).nunique()) < protocol.fraction_videos:
            raise DataError(
                [
                    f"protocol.fractions: {share} of {benchmark}'s {len(rows)} training clips has "
                    f"{count} videos, expected {protocol.fraction_videos} or more: take a larger "
                    "share, or lower protocol.fraction_videos"
                ]
            )
        return clips.uid

    def leaks(self) -> str:
        """The leakage audit of every set that the tables use, as Markdown."""
        if self.params.data.vggss is None:
            return audit.markdown(audit.audit(self.metadata, {"AVS-V3": self.v3}))
        findings = audit.audit(self.metadata, {"AVS-V3": self.v3}, self.annotations, self.sub)
        return audit.markdown(findings)

    def subsets(self, cell: Cell) -> dict[str, list[str]]:
        """Parts of a cell's clips by name: those that few-shot cells are tested on, and whether
        the localisers' training clips sound their class."""
        if cell.benchmark == "vggss":
            return self._sounding
        if cell.stage != "zero_shot" or cell.benchmark not in ("v3", "vggss_sub"):
            return {}
        return self._v3_tests if cell.benchmark == "v3" else self._sub_tests

    @cached_property
    def _sounding(self) -> dict[str, list[str]]:
        if self.params.protocol.vggss_heard is None:
            return {}
        groups, clips = read_heard(self.params.protocol.vggss_heard), self["vggss/all"]
        return {
            name: sorted(clips.uid[clips.classes.isin(labels)]) for name, labels in groups.items()
        }

    @cached_property
    def _v3_tests(self) -> dict[str, list[str]]:
        tests = {f"test-{d}": sorted(self.v3.test[d].uid) for d in self._draws("v3")}
        return {"pool": sorted(self.v3.pool.uid), **tests}

    @cached_property
    def _sub_tests(self) -> dict[str, list[str]]:
        return {f"test-{d}": sorted(self.sub.test[d].file) for d in self._draws("vggss_sub")}
