"""Reports of known values, with something in every section."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.card import Card
from convert.quantization.op_widths import OpWidths
from verify.benchmark.delegation import Delegation
from verify.benchmark_document import BenchmarkDocument, BenchmarkRow
from verify.layers.diagnosis import Diagnosis, Layer
from verify.layers.rewriting import RewriteFinding
from verify.reference import Reference
from verify.report import CommandLine, Inside, JudgedFile, Report
from verify.report.audited import Audited
from verify.report.bit_sheet import BitSheet, make_bit_sheet
from verify.report.byte_map import make_byte_map
from verify.report.candidate import Candidate
from verify.report.contact_sheet import Cell, ContactSheet, SheetColumn, SheetRow
from verify.report.examined import Examined
from verify.report.lineage import trace
from verify.report.op_list import OpKind, OpList
from verify.report.page import render
from verify.report.pictures import Picture, png
from verify.report.plots import draw_plot
from verify.report.training import Said, Sample, SavedModel, StandingSign, TrainingPage
from verify.risks.findings import Finding, Part, RiskAudit
from verify.verdict import Check, Verdict, against_limit, skipped, yes_or_no
from verify.weight_map import WeightMap, WeightPart
from wrappers.registry import find_spec
from wrappers.spec import Contract, TensorSpec, at_least, at_most

_TENSOR = {
    "name": "latent",
    "shape": [1, 100],
    "layout": "features",
    "value_range": "N(0, 1)",
    "meaning": "noise",
    "dtype": "float32",
}


@dataclass(frozen=True)
class Made:
    """Values to be shown, and whole reports of them."""

    picture: Picture
    passing: tuple[Check, ...] = (
        yes_or_no("loads", "opens in the runtime", None),
        against_limit("psnr_db", "over all pictures", 58.9382, at_least("psnr_db", 35)),
        against_limit("max_abs_difference", "largest", 0.25, at_most("max_abs_difference", 0.5)),
    )
    failing: tuple[Check, ...] = (
        yes_or_no("loads", "opens in the runtime", None),
        against_limit("psnr_db", "over all pictures", 58.9382, at_least("psnr_db", 35)),
        against_limit("worst_psnr_db", "the worst", 20.5, at_least("worst_psnr_db", 35)),
        yes_or_no("range", "inside the range", "sample 3: 'image' holds NaN"),
        skipped("ssim", "likeness of structure", "the file did not run"),
    )

    def card(self, precision: str = "fp32", weights: str = "a") -> Card:
        return Card(
            model="gan-generator",
            precision=precision,
            variant="rewritten",
            contract={"inputs": [_TENSOR], "outputs": [{**_TENSOR, "name": "image"}]},
            checkpoint=self.checkpoint(weights),
            tools={"torch": "2.13.0", "ai-edge-quantizer": "0.10.0"},
        )

    def checkpoint(self, weights: str = "a") -> dict[str, Any]:
        chunks = [{"name": f"m.chunk_{i:03}.pth", "sha256": f"{weights}{i}" * 32} for i in range(2)]
        return {"sha256": weights * 64, "files": chunks}

    def judged(self, label: str, checks: tuple[Check, ...], card: Card | None) -> JudgedFile:
        precision = card.precision if card else "fp32"
        named = Path(label), "gan-generator", precision
        return JudgedFile(label, Verdict(*named, 8_146_008, "f" * 64, 32, 0, checks), card)

    def report(self, *files: JudgedFile, benchmark: BenchmarkDocument | None = None) -> Report:
        """A page of pictures, with nothing but verdicts, origin and perhaps a benchmark."""
        columns = tuple(SheetColumn(it.label, it.verdict.precision, 1000) for it in files)
        cells = tuple(Cell(self.picture, self.picture, 58.4, worst=True) for _ in files)
        rows = (SheetRow(18, self.picture, cells),)
        return Report(
            checkpoint="m/model.pth",
            models={"gan-generator": "fruit"},
            files=files,
            sheets=(ContactSheet("gan-generator", 32, 0, 2.0, columns, rows),),
            chains=trace(files, self.checkpoint()),
            benchmark=benchmark,
            commands=(CommandLine("judge them", "chunkport verify 'a b.tflite'"),),
        )

    def parsed(self, report: Report) -> ET.Element:
        """Its page, read strictly: every element closed, every special character escaped."""
        return ET.fromstring(render(report))  # noqa: S314 - our own page

    def text(self, element: ET.Element | None) -> str:
        assert element is not None
        return " ".join("".join(element.itertext()).split())

    def section(self, page: ET.Element, name: str) -> str:
        return self.text(page.find(f".//section[@id='{name}']"))

    def row(self, name: str, runtime: str = "litert", **figures: float) -> BenchmarkRow:
        keys = ["size_bytes", "latency_p50_ms", "latency_p90_ms", "latency_min_ms"]
        keys += ["peak_memory_bytes", "speed_vs_pytorch", "speed_vs_plain", "psnr_db"]
        return BenchmarkRow(
            name=name,
            precision="fp32",
            variant="rewritten",
            runtime=runtime,
            figures={**dict.fromkeys(keys), **figures},
            reason=None,
        )

    def full(self) -> Report:
        """A page with every section, of files with long names."""
        files = (
            self.judged("gan_generator_of_a_long_name_fp32.tflite", self.passing, self.card()),
            self.judged("int8.tflite", self.failing, self.card("int8-dynamic", weights="b")),
            self.judged("no_card.tflite", self.passing, None),
        )
        fast: dict[str, Any] = {"latency_p50_ms": 2.0, "latency_p90_ms": 2.5, "size_bytes": 8.1e6}
        slow: dict[str, Any] = {
            "latency_p50_ms": 8.0,
            "latency_p90_ms": 10.0,
            "peak_memory_bytes": 2e7,
        }
        rows = self.row("PyTorch", runtime="pytorch", **slow), self.row(files[0].label, **fast)
        return replace(
            self.report(*files, benchmark=BenchmarkDocument({"cpu": "Example"}, rows)),
            bits=(_bits(32), _bits(1024)),
            audits=(
                _audited(files[0].label, sound=False),
                _audited(files[1].label, sound=True),
                Audited("other", None, "lost"),
            ),
            examined=(_examined(files[1].label), Examined("other", None, "it did not run")),
            insides=tuple(_inside(file.label) for file in files[:2]),
        )


def _bits(nbits: int) -> BitSheet:
    """Three pictures of noise, read by a file that flips the bits that are least certain."""
    rng = np.random.default_rng(nbits)
    logits = rng.standard_normal((3, 1 + nbits)).astype(np.float32)
    contract = Contract(
        (TensorSpec("image", (1, 3, 64, 64), "nchw", "[0, 1]", "a picture"),),
        (TensorSpec("preds", (1, 1 + nbits), "features", "logits", "bits"),),
    )
    inputs: list[Any] = [{"image": rng.random((1, 3, 64, 64), np.float32)} for _ in logits]
    outputs: list[Any] = [{"preds": row[None]} for row in logits]
    shifted: list[Any] = [{"preds": row[None] + np.float32(0.1)} for row in logits]
    reference = Reference(find_spec("tinyseal"), contract, "a" * 64, inputs, outputs, seed=0)
    candidates = [
        Candidate("a.tflite", "fp32", outputs, Path("a.tflite")),
        Candidate("b.tflite", "int8-dynamic", shifted, Path("b.tflite")),
    ]
    title = (f"messages of {nbits} bits", "three pictures")
    return make_bit_sheet(reference, candidates, title, ["sample 0", "sample 1", "sample 2"])


def _inside(label: str) -> Inside:
    parts = tuple(
        WeightPart(
            name=f"w{place}",
            module=("detector", "encoder", f"stage{place // 4}", f"pwconv{place}"),
            op_kind="FULLY_CONNECTED",
            dtype="INT8" if place % 2 else "FLOAT32",
            values_bytes=400_000 // (1 + place),
            scale_bytes=0,
            tensors=1,
        )
        for place in range(16)
    )
    weights = WeightMap(sum(part.size_bytes for part in parts) + 900, parts, {"structure": 900})
    ops = tuple(
        OpWidths(
            kind="FULLY_CONNECTED",
            layer=".".join(part.module),
            scope="",
            role="computes",
            weights=part.dtype.lower(),
            activations="dynamic int8" if part.dtype == "INT8" else "float",
            integers=part.dtype == "INT8",
            weight_bytes=part.size_bytes,
            shape=(1, 8, 8, 64),
        )
        for part in parts
    )
    kinds = (OpKind("FULLY_CONNECTED", len(ops), 8, "float32, int8", weights.size_bytes - 900),)
    return Inside(
        label=label,
        precision="int8-dynamic",
        size_bytes=weights.size_bytes,
        bytes=make_byte_map(weights),
        ops=OpList(kinds, ops),
        delegation=Delegation(16, 13, 2, 10**9, 9 * 10**8, {"FULLY_CONNECTED": 3}),
    )


def _audited(label: str, *, sound: bool) -> Audited:
    finding = Finding(
        kind="overflow",
        severity="wrong",
        op="#12 MEAN",
        tensor="head",
        module="detector.head.norm",
        explanation="its values reach 199,013, which float16 cannot hold",
        rewrite="divide before the square",
        value=199_013,
        limit=65_504,
    )
    slow = replace(finding, kind="rank", severity="slow", value=None, limit=None)
    audit = RiskAudit(
        path=Path(label),
        inputs="4 samples, seed 0",
        samples=4,
        findings=() if sound else (slow, finding, finding),
        parts=(
            Part("rules", ran=True, note="43 ops"),
            Part("delegate", ran=False, note="no Vulkan"),
        ),
        float16={"rounded": (against_limit("psnr_db", "all", 80.5, at_least("psnr_db", 60)),)},
    )
    return Audited(label, audit)


def _examined(label: str) -> Examined:
    """Three layers, of which the second departs."""
    sound = Layer(
        name="up1",
        network=("deconv1", "norm1"),
        tensors=("deconv1.weight",),
        files=("m.chunk_000.pth",),
        op="CONV_2D",
        tensor="up1;1",
        between=("CONV_2D",),
        rewrite=1e-7,
        conversion=1e-7,
        quantization=0.012,
        delegate=1e-7,
        inherited=0.012,
    )
    wrong = replace(sound, name="up2", files=("m.chunk_001.pth",), conversion=0.5)
    wrong = replace(wrong, departs=("weights", "conversion"))
    layers = (sound, wrong, replace(sound, name="up3", network=None, files=None))
    rewriting = RewriteFinding((), {"image": 1e-7}, None, None)
    return Examined(
        label,
        Diagnosis(
            path=Path(label),
            precision="int8-dynamic",
            sample=7,
            float_file=None,
            float_made_anew=True,
            ran=True,
            layers=layers,
            rewriting=rewriting,
            bounds={},
            conclusion="up2 departs first: its weights are not the checkpoint's.",
        ),
    )


@pytest.fixture(scope="session")
def made() -> Made:
    """Values to be shown, and reports of them."""
    shades = np.arange(128 * 128).reshape(128, 128) % 256
    return Made(png(shades.astype(np.uint8)))


@pytest.fixture(scope="session")
def training(made: Made) -> TrainingPage:
    """A run in its second epoch of four, with something in every section."""
    losses = {"discriminator": [1.4, 1.2], "generator": [0.7, 0.8]}
    line = "chunkport train-gan --epochs 4 --resume models/latest_model.pth"
    return TrainingPage(
        command="train-gan", folder="fruit", state="running", epochs=4, done=1.4,
        left="about 3 min left", written="2025-01-18 14:30:45 UTC", refresh_seconds=15,
        facts={"images per second": "12.5", "memory": "440.1 MB"},
        signs=(StandingSign("mode-collapse", good=False, sentence="alike", remedy="another seed"),),
        said=(Said("D_loss near 0", 1, warning=True), Said("2 lines cut off.", 0, warning=False)),
        plots=(draw_plot("Losses", "nats", losses), draw_plot("Score", "of 1", {"all": [0.5]})),
        samples=tuple(Sample(n, made.picture, f"training_progress/{n}.png") for n in (1, 2)),
        metric="G_loss", best="best_model.pth",
        models=(SavedModel("best_model.pth", "best", 1, 4, 0.7, 940_000),),
        commands=(CommandLine("To go on", line),),
    )  # fmt: skip
