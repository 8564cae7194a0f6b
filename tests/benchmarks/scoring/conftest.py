"""Scores of hand-made frames."""

import numpy as np
import pytest
import torch

from benchmarks.scoring.counts import FrameScores, score_frames


@pytest.fixture(scope="session")
def make_scores():
    """make_scores([(clip, probabilities (H, W), mask (H, W)), ...], video=str, classes=...)."""

    def make(frames, video=lambda clip: clip, classes=lambda clip: "dog", **kwargs) -> FrameScores:
        parts = [
            score_frames(
                torch.as_tensor(np.asarray(probabilities, np.float32))[None],
                torch.as_tensor(np.asarray(mask, bool))[None],
                uid=[clip],
                video=[video(clip)],
                frame=[i],
                classes=[classes(clip)],
                **{"squash": 4, **kwargs},
            )
            for i, (clip, probabilities, mask) in enumerate(frames)
        ]
        return FrameScores.concatenate(parts)

    return make
