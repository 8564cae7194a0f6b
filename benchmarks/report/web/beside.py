"""Pages that stand beside each other: the default's, and those of profiles that use its models.

Their cells of the first seed are the same by fingerprint, so the clips are drawn and kept once, by
the profile whose models they are of; the other's page loads them from there.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.params import DEFAULT_PROFILE, Params
from benchmarks.report.study import FOLDER, MANIFEST, Study, read_manifest
from benchmarks.report.table3 import IN_SET, ZERO_SHOT

log = logging.getLogger(__name__)
PAGE = "index.html"
DRAWN = ("train", ZERO_SHOT, IN_SET)  # settings whose masks the page shows


@dataclass(frozen=True)
class Beside:
    """Scripts of clips by contest, and a link (path, words) to the page they are of or to the
    study's: both from the page that they stand on."""

    clips: Mapping[str, str] = field(default_factory=dict)
    link: tuple[str, str] | None = None


ALONE = Beside()


def beside(params: Params, recipes: Mapping[str, str]) -> Beside:
    """Find what stands beside a profile's page; nothing that isn't there is linked.

    A contest whose clips there are of other code or parameters than these `recipes` has none.

    Raises:
        RecordError: the manifest of the results above can't be read.
    """
    if params.work_of is None:
        path = params.results / FOLDER / PAGE
        words = "The same cells with more seeds: the study's page"
        there = params.profile == DEFAULT_PROFILE and path.is_file()
        return Beside(link=(f"{FOLDER}/{PAGE}", words) if there else None)
    above = params.results.parent
    if not (above / MANIFEST).is_file() or not (above / PAGE).is_file():
        return ALONE
    profile, others = read_manifest(above / MANIFEST)
    if profile != params.work_of:
        return ALONE
    older = {tuple(place.split(" ")[1:]) for place in Study(recipes=others).beside(recipes).older}
    names = {path.stem for path in above.glob("page/*.js")}
    if stale := sorted(name for name in names for kind in DRAWN if (name, kind) in older):
        log.warning(
            "%s: clips of %s are of other code or parameters than these records, and not on this "
            "page; write the report of profile %s first",
            *(above, ", ".join(dict.fromkeys(stale)), profile),
        )
    clips = {name: f"../page/{name}.js" for name in sorted(names - {*stale})}
    return Beside(clips, (f"../{PAGE}", f"The clips' own page, of profile {profile}"))
