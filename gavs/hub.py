"""Trained methods on the Hugging Face Hub, where `huggingface_hub` is installed."""

from typing import Any

try:
    from huggingface_hub import ModelHubMixin, snapshot_download

    class HubMixin(
        ModelHubMixin,
        library_name="gavs",
        pipeline_tag="image-segmentation",
        license="apache-2.0",
        tags=["audio-visual-segmentation"],
        paper_url="https://arxiv.org/abs/2309.07929",
    ):
        """`save_pretrained`, `push_to_hub` and `from_pretrained` of huggingface_hub."""

except ImportError:
    HubMixin: Any = object  # type: ignore[no-redef]

    def snapshot_download(*_: Any, **__: Any) -> str:  # type: ignore[no-redef]
        """Stand in for huggingface_hub's.

        Raises:
            ImportError: always, with the remedy.
        """
        raise ImportError("a repository of the Hub needs `pip install huggingface_hub`")
