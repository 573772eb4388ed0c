"""Model files that would eat the machine: reading one costs a small multiple of its size, whatever it speaks of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

SECONDS = 2.0  # of the processor
MEMORY, MULTIPLE = 8_000_000, 16  # bytes that any file may take, and how often its size: JSON as Python's objects
Case = tuple[str, dict[str, Any], dict[str, np.ndarray]]


def part(kind: str, *items: Any, **arguments: Any) -> dict[str, Any]:
    return {"kind": kind, "items": list(items), "arguments": arguments}


def description(*layers: Any, **change: Any) -> dict[str, Any]:
    return {
        "format": 1, "layers": list(layers), "input_shape": [4], "dtype": "float32", "seed": 0, "step": 0, "epoch": 0,
        "loss": part("SoftmaxCrossEntropy"), "notes": {}, **change,
    }  # fmt: skip


def nested(kind: str, depth: int) -> dict[str, Any]:
    found = part("ReLU")
    for _ in range(depth):
        found = part(kind, found)
    return found


def of_size(size: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Layers that make something of this size."""
    image, vector = {"input_shape": [size, size, 1]}, {"input_shape": [size]}
    for kind in ("MaxPool2d", "AvgPool2d"):
        yield kind, description(part(kind, 2), **image)
        yield f"{kind} same", description(part(kind, 2, padding="same"), **image)
        yield f"{kind} window", description(part(kind, size), **image)
        yield f"{kind} padding", description(part(kind, size, 1, size - 1), input_shape=[5, 5, 1])
        yield f"{kind} stride", description(part(kind, 2, size), input_shape=[5, 5, 1])
        one = kind.replace("2", "1")
        yield one, description(part(one, 2), input_shape=[size, 3])
        yield f"{one} padding", description(part(one, size, 1, size - 1), input_shape=[5, 1])
    for mode in ("random", "pseudorandom"):
        yield f"fractional {mode}", description(part("FractionalMaxPool2d", 1.5, mode=mode), **image)
    yield "upsample", description(part("Upsample", size), input_shape=[4, 4, 1])
    yield "global", description(part("GlobalAvgPool2d"), **image)
    yield "conv", description(part("Conv2d", 1, size), **image)
    yield "channels", description(part("Conv2d", size), input_shape=[5, 5, 1])
    yield "dilation", description(part("Conv2d", 1, 3, dilation=size, padding="same"), input_shape=[5, 5, 1])
    yield "groups", description(part("Conv1d", size, groups=size), input_shape=[5, size])
    yield "units", description(part("Affine", size))
    yield "inputs", description(part("Affine", 1), **vector)
    yield "pieces", description(part("Maxout", 1, size))
    yield "residual", description(part("Residual", part("Affine", size), shortcut="auto"))
    yield "batchnorm", description(part("BatchNorm"), **vector)
    yield "groupnorm", description(part("GroupNorm", size), **vector)
    yield "layernorm", description(part("LayerNorm"), **vector)
    yield "prelu", description(part("PReLU"), **vector)
    yield "scale", description(part("Scale"), **vector)
    yield "pselu", description(part("PSELU"), **vector)
    yield "ntk", description(part("Affine", 1, parametrization="ntk"), **vector)
    yield "reshape", description(part("Reshape", -1, 1), part("Flatten"), **vector)
    yield "embedding", description(part("Embedding", size))
    yield "embeddings", description(part("Embedding", [size] * 4))
    yield "vectors", description(part("Embedding", 3, size))
    yield "periodic", description(part("PeriodicEmbedding"), **vector)
    yield "frequencies", description(part("PeriodicEmbedding", size))
    yield "parallel", description(part("Parallel", None, part("ReLU")), **vector)
    every = {"kind": "slice", "items": [None, None, -1]}
    yield "columns", description(part("Parallel", None, columns=[every]), **vector)
    yield "last", description(part("Parallel", None, columns=[[size - 1]]), **vector)
    yield "transitions", description(part("Transitions", size), **vector)
    yield "tree", description(part("HierarchicalSoftmax", size))
    yield "sparse", description(part("Affine", 3, initializer=part("Sparse", size)), input_shape=[30_000])
    yield "constant", description(part("Affine", size, initializer=part("Constant", 3)))
    yield "raw shape", description(preprocessing=part("Standardization"), raw_shape=[size])
    yield "components", description(preprocessing=part("PCA", size), raw_shape=[size])
    yield "noise", description(part("GaussianNoise", size), part("Dropout", 0.5), **vector)


def cases() -> Iterator[Case]:
    for size in (10**5, 10**8, 10**12, 2**62, 10**30, 10**400):
        for name, found in of_size(size):
            yield f"{name} 10^{len(str(size)) - 1}", found, {}
    yield "alternating", description(*[part("Affine", units) for units in (99_999, 1) * 500], input_shape=[1]), {}
    yield "orthogonal", description(*[part("Affine", 316, initializer=part("Orthogonal"))], input_shape=[316]), {}
    yield "counts", description(part("HierarchicalSoftmax", 20_000, counts=list(range(20_000)))), {}
    yield "codes", description(part("HierarchicalSoftmax", 3, tree=["0", "1" + "0" * 10**6, "1" * 10**6])), {}
    chain = [*("1" * ones + "0" for ones in range(600)), "1" * 600]
    yield "a chain of codes", description(part("HierarchicalSoftmax", 601, tree=chain)), {}
    columns = [[0, 2, 3] * 100_000, None]
    yield "many columns", description(part("Parallel", None, part("ReLU"), columns=columns)), {}
    for kind in ("Residual", "Sequential", "Parallel"):
        for depth in (50, 100, 300):
            yield f"{kind} in {depth}", description(nested(kind, depth)), {}
    for kind in ("ReLU", "Flatten", "BatchNorm"):
        for count in (1500, 50_000):
            yield f"{count} {kind}", description(*[{"kind": kind}] * count), {}
    yield "passing activations", description(*[{"kind": "Dropout", "items": [0]}] * 1900), {}
    yield "steps", description(preprocessing=part("Pipeline", *[part("Standardization")] * 1500), raw_shape=[4]), {}
    yield "dimensions", description(part("ReLU"), input_shape=[1] * 1000), {}
    names = ["a" * 10**6, *(f"b{number}" for number in range(9_999))]
    yield "one long class", description(part("Affine", 10_000), targets={"classes": names}), {}
    whitening = {
        "preprocessing.mean": np.zeros(30_000), "preprocessing.components": np.zeros((1, 30_000)),
        "preprocessing.explained_variance": np.ones(1),
    }  # fmt: skip
    turned = {"preprocessing": part("Whitening", "zca"), "raw_shape": [30_000], "input_shape": [30_000]}
    yield "whitening", description(part("ReLU"), **turned), whitening
    yield "names", description(), {f"x{number}": np.zeros(0, np.float32) for number in range(5_000)}
    yield "deep notes", description(notes="DEEP"), {}
    yield "seed of digits", description(seed=10**4000), {}
    yield "an exponent", description(seed=1e308 * 10), {}


HOSTILE = "\x1b]0;title\x07\x1b[2J"


def hostile() -> Iterator[Case]:
    """Texts that a terminal would obey, or that would flood it."""
    for text in (HOSTILE, HOSTILE * 10_000, "y" * 300_000):
        yield "kind", description({"kind": text}), {}
        yield "key", description(**{text: 1}), {}
        yield "argument", description(part("Affine", 3, **{text: 1})), {}
        yield "value", description(part("Affine", text)), {}
        yield "name", description({**part("Affine", 3), "name": text}), {}
        yield "name twice", description(*[{"kind": "ReLU", "name": text}] * 2), {}
        yield "frozen", description({**part("Affine", 3), "train": {"frozen": [text]}}), {}
        yield "loss", description(loss=text), {}
        yield "dtype", description(dtype=text), {}
        yield "tensor", description(), {text: np.zeros(1)}
        yield "classes", description(part("ReLU"), targets={"classes": [text, text]}), {}
        yield "inputs", description(part("ReLU"), inputs={"images": text}), {}
        yield "format", description(format=text), {}
        yield "step", description(part("ReLU"), step=text), {}
    yield "a long number", description(part("Affine", 10**4000)), {}


def read(path: Path, case: Case) -> list[str]:
    """What is wrong with how the file of this case is read."""
    import safetensors.numpy

    name, found, tensors = case
    text = json.dumps(found).replace('"DEEP"', '{"a": ' + "[" * 900 + "]" * 900 + "}")
    path.write_bytes(safetensors.numpy.save(tensors, {"pynn": text}))
    tracemalloc.start()
    begun, wrong = time.process_time(), []
    try:
        pynn.load(path)
    except ValueError as error:
        shown = "".join(traceback.format_exception(error))
        if len(str(error)) > 1000 or len(shown) > 20_000 or not shown.replace("\n", "").isprintable():
            wrong = [f"{name}: says {shown[-200:]!r}"]
    except Exception as error:
        wrong = [f"{name}: {type(error).__name__} {str(error)[:100]}"]
    seconds, memory = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if seconds > SECONDS or memory > max(MULTIPLE * path.stat().st_size, MEMORY):
        wrong.append(f"{name}: {seconds:.1f} s, {memory:,} bytes for a file of {path.stat().st_size:,}")
    return wrong


def main() -> None:
    """All cases, in a process of little memory."""
    if sys.platform == "linux":  # macOS refuses such a limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        print(json.dumps([wrong for case in (*cases(), *hostile()) for wrong in read(path, case)]))


@pytest.mark.slow
def test_no_file_takes_more_than_a_small_multiple_of_its_size(backend: str) -> None:
    pytest.importorskip("safetensors")
    env = {**os.environ, "PYNN_BACKEND": backend}
    done = subprocess.run([sys.executable, __file__], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_check_finds_a_file_that_takes_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pynn.load", lambda path: np.ones(2_000_000).sum())
    (wrong,) = read(tmp_path / "m", ("a bomb", description(), {}))
    assert wrong.startswith("a bomb: ")
    assert "16,0" in wrong


@pytest.mark.parametrize(
    "layer",
    [
        pynn.MaxPool2d(2), pynn.AvgPool2d(3, 2, "same"), pynn.Upsample(2), pynn.FractionalMaxPool2d(1.5),
        pynn.FractionalMaxPool2d(1.3, "pseudorandom"),
    ],
)  # fmt: skip
def test_windows_are_laid_out_with_the_first_batch(layer: pynn.Layer, backend: str, rng: np.random.Generator) -> None:
    """Each build lays them out anew."""
    for shape in ((9, 9, 2), (12, 7, 2), (9, 9, 2)):
        model = pynn.Sequential(layer)
        shape_after = model.build(shape)
        x = rng.standard_normal((3, *shape))
        for training in (False, True, False):
            assert model.forward(x, training).shape == (3, *shape_after)
        model.unbuild()


def test_a_narrow_whitening_turns_as_the_whole_matrix_does(rng: np.random.Generator, backend: str) -> None:
    """With far fewer directions than features x is turned there and back, without a matrix (D, D)."""
    x = rng.standard_normal((4, 100))
    found = pynn.Whitening("zca").fit(x)
    v, scale = found.components_, np.sqrt(found.explained_variance_ + found.epsilon)
    whole = (v.T / scale) @ v
    np.testing.assert_allclose(found.transform(x), (x - found.mean_) @ whole, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.back(x), x @ whole.T, rtol=1e-9, atol=1e-9)
    assert found._matrix_.shape == (100, 4)


if __name__ == "__main__":
    main()


def test_more_layers_than_load_accepts_are_not_saved(tmp_path: Path) -> None:
    model = pynn.Sequential(*(pynn.ReLU() for _ in range(2100)))
    model.build((3,))
    with pytest.raises(ValueError, match=r"2101 layers and parts of layers, but only 0 tensors.*at most 2000"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())
