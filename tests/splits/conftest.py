"""Rows of metadata.csv for tests."""

import pandas as pd
import pytest

COLUMNS = ["vid", "uid", "s_min", "s_sec", "a_obj", "split", "label"]


@pytest.fixture(scope="session")
def build():
    """build([(video, a_obj[, label[, split]]), ...]): metadata; clips of a video 10 s apart.

    A video's name is padded to 11 characters; V1M's vid and uid append _k, as AVSBench's do.
    """
    return _build


def _build(clips) -> pd.DataFrame:
    rows, count = [], {}
    for name, a_obj, *more in clips:
        label, split = [*more, *("v2", "train")[len(more) :]]
        video = name.ljust(11, "-")
        k = count[video] = count.get(video, -1) + 1
        if label == "v1m":
            rows.append((f"{video}_{k}", f"{video}_{k}", "0", "0", a_obj, split, label))
        else:
            end = 10 * k + (5 if label == "v1s" else 10)
            uid = f"{video}_{10000 * k}_{1000 * end}"
            rows.append((video, uid, str(10 * k // 60), str(10 * k % 60), a_obj, split, label))
    return pd.DataFrame(rows, columns=COLUMNS, dtype=str)


@pytest.fixture(scope="session")
def hand(build) -> pd.DataFrame:
    """Seen cat and dog, unseen fox and owl; small enough to work the protocol out on paper."""
    return build(
        [
            *((f"cat{i}", "cat") for i in range(10)),
            *((f"dog{i}", "dog", "v1m") for i in range(10)),
            ("cat0", "cat_fox"),  # mixed: in neither set
            ("single", "cat", "v1s"),  # V1S isn't part of AVS-V3
            ("fox", "fox"),
            ("fox", "fox"),
            ("fox", "fox"),
            *((f"owl{i}", "owl") for i in range(4) for _ in range(2)),
            ("fox", "fox_owl"),
            ("both", "owl_fox"),
        ]
    )
