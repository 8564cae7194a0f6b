"""Prompt against fusion: which paradigm is ahead in each track of Table 1, in words."""

from collections.abc import Sequence

from benchmarks.common.tables import signed
from benchmarks.report.measure import Table, decided
from benchmarks.report.plan import Plan


def rivals(plan: Plan, track: Sequence[str]) -> list[tuple[str, str]]:
    """Every prompt row with every fusion row of a track; of GAVS's variants, the base alone."""
    rows = [row for row in track if row == plan.base or row not in plan.tables.table1.gavs]
    by_kind = {
        kind: [row for row in rows if plan.paradigms.get(row) == kind]
        for kind in ("prompt", "fusion")
    }
    return [(prompt, fusion) for prompt in by_kind["prompt"] for fusion in by_kind["fusion"]]


def paradigms_in_words(plan: Plan, table: Table) -> str:
    """The ordering of paradigms in each track by its best rows, and whether the tracks agree."""
    # track -> benchmark -> (the two rows, which is ahead or "" if undecided)
    verdicts: dict[str, dict[str, tuple[tuple[str, str], str]]] = {}
    sentences = []
    for track, rows in (("P", plan.published), ("C", plan.controlled)):
        pairs, places = rivals(plan, rows), []
        verdicts[track] = {}
        for benchmark in plan.tables.table1.benchmarks:
            name = f"{benchmark} miou"
            found = [pair for pair in pairs if all((row, name) in table.cells for row in pair)]
            if not found:
                continue
            prompt, fusion = (
                max((pair[side] for pair in found), key=lambda r: table.cells[r, name].score.mean)
                for side in (0, 1)
            )
            lead = table.contrast(name, prompt, fusion)
            if lead is None:
                continue
            ahead = "prompt" if lead.mean > 0 else "fusion"
            sure = decided(lead)
            verdicts[track][benchmark] = ((prompt, fusion), ahead if sure else "")
            places.append(
                f"{benchmark.upper()} {ahead} ahead (`{prompt}` − `{fusion}` {signed(lead.mean)} "
                f"[{signed(lead.low)}, {signed(lead.high)}], {'decided' if sure else 'undecided'})"
            )
        if places:
            sentences.append(f"Track {track}: {'; '.join(places)}.")
    if not sentences:
        return ""
    return " ".join(
        [
            "**Prompt against fusion**, the best prompt row against the best fusion row of a track "
            "by mIoU; decided where p < 0.05 after Holm over every comparison of this table.",
            *sentences,
            _agreement(verdicts),
        ]
    )


def _agreement(verdicts: dict[str, dict[str, tuple[tuple[str, str], str]]]) -> str:
    both = [benchmark for benchmark in verdicts["P"] if benchmark in verdicts["C"]]
    kinds: dict[str, list[str]] = {"agree": [], "disagree": [], "open": [], "same": []}
    for benchmark in both:
        (p_rows, p), (c_rows, c) = verdicts["P"][benchmark], verdicts["C"][benchmark]
        kind = "open" if not (p and c) else "agree" if p == c else "disagree"
        if p_rows == c_rows:
            kind = "same"
        kinds[kind].append(benchmark.upper())
    words = {
        "agree": "The tracks agree on",
        "disagree": "The tracks disagree on",
        "open": "Whether they agree is open, since one or both are undecided, on",
        "same": "The same two rows lead both tracks, so that there is nothing to compare, on",
    }
    return " ".join(f"{words[kind]} {', '.join(names)}." for kind, names in kinds.items() if names)
