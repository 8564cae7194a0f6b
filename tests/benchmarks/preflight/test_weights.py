"""What `python -m benchmarks weights` finds."""

import hashlib
import re
from pathlib import Path

import pytest
import torch

from benchmarks.params import load
from benchmarks.preflight.published import PUBLISHED, Published
from benchmarks.preflight.weights import examine, expected, find_weights, weights_text

ALL = [(size, published) for size, files in PUBLISHED.items() for published in files]


def test_the_committed_encoders_are_right() -> None:
    findings = find_weights(load())
    assert {f.encoder for f in findings} >= {"sam", "vggish", "resnet"}
    assert {f.state for f in findings} == {"right"}
    assert "missing" not in weights_text(findings)


@pytest.mark.parametrize(("size", "published"), ALL, ids=[f"{s}-{p.file}" for s, p in ALL])
def test_the_table_agrees_with_itself(size, published) -> None:
    """torch.hub's file names end with the SHA-256's first digits; a file is its floats, the
    classifier's among them, and little more."""
    if digits := re.search(r"-([0-9a-f]{8})\.pth$", published.file):
        assert published.sha256.startswith(digits[1])
    if published.sha256:
        assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", published.sha256)
    assert published.url.endswith(published.file) and published.licence
    if published.bytes and size != "pca":  # whose doubles are pickled as text
        heads = {"resnet18": 513_000, "resnet50": 2_049_000}
        encoder = {"full": "vggish", "vit_b": "sam", "vit_l": "sam", "vit_h": "sam"}.get(size, "")
        module, _ = expected(encoder, size)
        floats = sum(v.numel() for v in module.state_dict().values() if v.is_floating_point())
        surplus = published.bytes - 4 * (floats + heads.get(size, 0))
        assert 0 < surplus < 500 * len(module.state_dict())


@pytest.fixture
def vggish(weights_file, monkeypatch):
    """A file of VGGish's keys and shapes that the table knows in place of the real one."""
    module, _ = expected("vggish", "full")
    path, _ = weights_file(module.state_dict(), "vggish-10086976.pth")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = Published(path.name, "https://x/y", "https://x", "free", path.stat().st_size, digest)
    monkeypatch.setitem(PUBLISHED, "full", (known,))
    return path


def test_the_published_file_is_right_under_any_name(vggish) -> None:
    renamed = vggish.rename(vggish.with_name("mine.pth"))
    finding = examine("vggish", "full", renamed)
    assert finding.state == "right" and "vggish-10086976.pth" in finding.detail


def test_a_file_that_fits_but_is_not_the_published_one(vggish) -> None:
    torch.save({k: v + 1 for k, v in torch.load(vggish).items()}, vggish.with_name("mine.pth"))
    finding = examine("vggish", "full", vggish.with_name("mine.pth"))
    assert finding.state == "unknown" and finding.usable
    vggish.with_name("mine.pth").replace(vggish)  # under the published name it is no such thing
    finding = examine("vggish", "full", vggish)
    assert finding.state == "wrong"
    assert re.search(r"expected [\d,]+ bytes, sha256 [0-9a-f]{12}; download", finding.detail)


def test_half_a_file(vggish) -> None:
    content = vggish.read_bytes()
    vggish.write_bytes(content[: len(content) // 2])
    finding = examine("vggish", "full", vggish)
    half = f"half-downloaded: {len(content) // 2:,} of {len(content):,} bytes"
    assert finding.state == "wrong" and half in finding.detail
    assert "https://x/y" in weights_text([finding]) and str(vggish) in weights_text([finding])


def test_another_encoders_file_is_recognised_by_its_length(vggish) -> None:
    finding = examine("sam", "vit_b", vggish)
    assert finding.state == "wrong"
    assert re.search(r"18 tensors.*this Sam.*\(as long as vggish-10086976.pth\)", finding.detail)


def test_what_is_missing_is_told_with_its_source_and_its_place() -> None:
    findings = [
        examine("sam", "vit_b", Path("weights/sam_vit_b_01ec64.pth")),
        examine("pvt", "pvt_v2_b5", Path("weights/pvt_v2_b5.pth")),
    ]
    assert [f.state for f in findings] == ["missing"] * 2 and not findings[0].usable
    text = weights_text(findings)
    for known in (*PUBLISHED["vit_b"], *PUBLISHED["pvt_v2_b5"]):
        assert known.url in text and known.licence in text
    assert "375,042,383 bytes" in text and "None" not in text
    assert "put it at weights/pvt_v2_b5.pth" in text and "encoders.pvt.weights" in text
    assert text.endswith("2 weight files are asked for: 2 missing")


def test_an_unknown_size() -> None:
    finding = examine("sam", "vit_x", Path("sam.pth"))
    assert finding.state == "wrong" and "'vit_x'; expected one of mini, vit_b" in finding.detail
    assert "swin_base" in examine("pvt", "pvt_v2_b9", Path("pvt.pth")).detail


def _by_the_releases_name(key: str) -> str:
    key = re.sub("^patch_embed", "patch_embed1", key).replace(".dwconv.", ".dwconv.dwconv.")
    parts = {"downsample": "patch_embed", "blocks": "block", "norm": "norm"}
    return re.sub(r"^stages\.(\d)\.(\w+)", lambda m: f"{parts[m[2]]}{int(m[1]) + 1}", key)


def test_segformers_encoder_is_no_pvt(weights_file) -> None:
    """Same names, same shapes; its code makes all patch embeddings first."""
    module, _ = expected("pvt", "pvt_v2_mini")
    pvt = {_by_the_releases_name(key): value for key, value in module.state_dict().items()}
    path, _ = weights_file(pvt, "pvt.pth")
    assert examine("pvt", "pvt_v2_mini", path).state == "unknown"
    path, _ = weights_file({k: v for k, v in pvt.items() if "patch_embed" in k} | pvt, "mit.pth")
    finding = examine("pvt", "pvt_v2_mini", path)
    assert finding.state == "wrong" and "SegFormer's MiT" in finding.detail


def test_the_pca_file(weights_file) -> None:
    state = {"pca_eigen_vectors": torch.eye(128), "pca_means": torch.zeros(128)}
    path, _ = weights_file(state)
    assert examine("vggish_pca", "pca", path).state == "unknown"
    missing = examine("vggish_pca", "pca", path.with_name("absent.pth"))
    assert PUBLISHED["pca"][0].url in weights_text([missing])


@pytest.mark.parametrize("content", ["{", "[]", '{"w": {"sha256": 3}}'])
def test_a_damaged_list_of_checksums_is_named(vggish, content) -> None:
    (vggish.parent / "checksums.json").write_text(content)
    finding = examine("vggish", "full", vggish)
    assert finding.state == "wrong" and "checksums.json: can't be read" in finding.detail
