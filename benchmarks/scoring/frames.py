"""Which frames of a clip are scored: one answer for evaluation, submissions and feature stores."""


def scored_frames(frames: int, per_clip: int | None) -> list[int]:
    """Numbers of the scored ones among a clip's frames, evenly spaced; None: all."""
    n = min(frames, per_clip or frames)
    return [int((i + 0.5) * frames / n) for i in range(n)]
