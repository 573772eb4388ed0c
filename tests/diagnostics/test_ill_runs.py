"""diagnose names what ill_runs are ill with, first and by its name, and nothing in their cured twins and healthy_runs.

Each run has 1 seed; with the environment variable PYNN_SEEDS=20 it has 20.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from healthy_runs import HEALTHY
from ill_runs import ILL, placeholders
from run_data import Builder, fit, numbers
from threadpoolctl import threadpool_limits

import pynn
from pynn.diagnostics import SEVERITIES, VOCABULARY, Verdict, Verdicts

SEEDS = range(int(os.environ.get("PYNN_SEEDS", "1")))
PAIRS = [(name, build) for name, builders in ILL.items() for build in builders]

# The figure that each verdict has to give: a pattern that its evidence contains.
NUMBER = r"-?\d[\d,.]*(?:e[+-]?\d+)?"
EVIDENCE = {
    "placeholders": rf"^\d+ rows of column \d+ hold {NUMBER}, the others lie between {NUMBER} and {NUMBER}",
    "labels_of_other_rows": rf"skill {NUMBER} of 1",
    "validated_on_training_rows": r"^100% of its rows",
    "validation_not_divided": rf"with 2\.5\de\+02|with 2[56]\d|{NUMBER} spreads from training",
    "sorted_digits": r"differ 9 times in 400 samples",
    "digits_as_numbers": r"targets are 10 whole numbers.*\d+% of them as classes, \d+% as rounded",
    "gradient_of_wrong_sign": r"differs from the slope of its value by 100%",
    "softmax_of_one": r"softmax over one output is always 1",
    "sentinels": r"98 % of the values of column 0 lie within|hold 1e\+07",
    "validation_of_some_classes": r"no sample of class [01], which makes up \d+% of training",
    "digits_as_standard_numbers": r"targets are 10 whole numbers.*\d+% of them as classes, \d+% as rounded",
    "several_answers_by_softmax": r"adds up to 0 over the outputs, .*but samples have 0 to 4",
    "sixes_and_nines": r"tells \d+% of the images right, and \d+% of the augmented ones",
    "stars_from_tanh": r"tanh gives -1 to 1, but targets go from 1 to 5",
    "spiral_without_activations": r"2 pairs of layers",
    "sine_without_activations": r"^1 pair of layers",
    "all_frozen": r"all 2 layers",
    "raw_table": rf"root mean square of x is 2\.\d+e\+03|spreads of columns go from 0\.01{NUMBER} to ",
    "pixels_into_sigmoids": r"root mean square of x is 1[12]\d",
    "prices_in_dollars": r"mean 2\.5e\+05, spread 9e\+04",
    "tiny_returns": r"spread 0\.0001",
    "equal_units": r"all its 16 units are equal",
    "wide_weights": r"first weights are 1[56]\.\d times 1/√64",
    "small_weights": r"4 layers are below|3 layers are below",
    "late_statistics": rf"at step 40 the loss on the same samples is {NUMBER}.*and {NUMBER} with the running ones",
    "tower_without_norm": rf"outputs spread by {NUMBER} after affine1 and {NUMBER} later",
    "softmax_inside": "its 64 outputs add up to 1",
    "deep_sigmoids": rf"is {NUMBER} times that of affine9",
    "biases_below_zero": r"\d+% of its units give 0 for all samples that were watched \(100% before",
    "negative_inputs": r"^100% of its units give 0 for all samples that were watched \(100% before",
    "steep_tanh": r"^[89]\d% of its outputs",
    "hot_adam": rf"of their size \(0\.001 is usual\), and the loss went from {NUMBER} over {NUMBER} to {NUMBER}",
    "hot_momentum": rf"of their size \(0\.001 is usual\), and the loss went from {NUMBER} over {NUMBER} to {NUMBER}",
    "cold_adam": rf"by {NUMBER} of their size.*in 195 steps the loss went from {NUMBER} to {NUMBER}",
    "clipped_to_nothing": r"^100% of the steps are clipped to 0\.001",
    "rare_answers": r"^[234]\.\d% of the samples have it, and \d% of these are found",
    "heavy_penalty": r"penalty is \d+% of the loss.*pulled the weights of affine1 from 0\.\d+ to",
    "two_units": r"skill on training rows is 0\.\d+, kernel regression reaches (1\.00|0\.9\d)",
    "learned_by_heart": rf"lowest in epoch \d+ \({NUMBER}\) and ended at {NUMBER}|skill is (1\.00|0\.9\d) on training",
    "two_epochs": rf"26 steps gave a skill of {NUMBER} on training rows, kernel regression reaches {NUMBER}",
}  # fmt: skip


@cache
def diagnosed(build: Builder, *arguments: Any) -> Verdicts:
    """The verdicts on a run; with one thread of BLAS, since two wait for each other where other programs run."""
    with threadpool_limits(1, "blas"):
        return pynn.diagnose(build(*arguments, [pynn.Monitor()]))


def named(build: Any) -> str:
    return getattr(build, "__name__", str(build))


pytestmark = [
    pytest.mark.filterwarnings("ignore:the model ends with (Softmax|Sigmoid):UserWarning"),
    pytest.mark.filterwarnings("ignore:the loss of the last 20 steps:UserWarning"),
]


def test_every_illness_has_a_run() -> None:
    assert list(ILL) == list(VOCABULARY)
    frequent = (
        "learning_rate_too_small", "learning_rate_too_large", "unscaled_inputs", "unscaled_targets", "wrong_last_layer",
        "wrong_loss", "missing_activation", "initialization", "dead_units",
    )  # fmt: skip
    assert [name for name in frequent if len(ILL[name]) < 2] == []
    assert EVIDENCE.keys() == {named(build) for _, build in PAIRS}
    assert len(HEALTHY) >= 14
    names = [named(build) for build in (*(build for _, build in PAIRS), *HEALTHY)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "build"), PAIRS, ids=named)
def test_an_illness_is_named_first(name: str, build: Builder, seed: int) -> None:
    verdicts = diagnosed(build, False, seed)
    assert verdicts.names[:1] == [name], verdicts


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "build"), PAIRS, ids=named)
def test_nothing_is_wrong_after_the_cure(name: str, build: Builder, seed: int) -> None:
    verdicts = diagnosed(build, True, seed)
    assert verdicts.names == [], verdicts


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("build", HEALTHY, ids=named)
def test_nothing_is_wrong_in_a_healthy_run(build: Builder, seed: int) -> None:
    verdicts = diagnosed(build, seed)
    assert verdicts.names == [], verdicts


# Evidence and cure


def faults(verdict: Verdict) -> Iterator[str]:
    """What is wrong with the sentences of a verdict."""
    evidence, cure = verdict.evidence, verdict.cure
    if verdict.severity not in SEVERITIES:
        yield f"severity {verdict.severity}"
    if not re.search(r"\d", evidence + verdict.where) and verdict.name not in ("wrong_last_layer", "wrong_loss"):
        yield f"no figure in {evidence!r}"
    if re.search(r"\b(nan|inf)\b", evidence):
        yield f"a number that is none in {evidence!r}"
    if not evidence or evidence != evidence.strip() or evidence.endswith((".", ":", ",", ";")) or "  " in evidence:
        yield f"the end of {evidence!r}"
    if not re.fullmatch(r"[A-Z].*[^ .]\.", cure) or "  " in cure:
        yield f"{cure!r} is no sentence"
    if re.search(r"[a-z)]\. [A-Z]", cure):
        yield f"{cure!r} is more than one sentence"
    if (
        str(verdict)
        != f"{verdict.severity}: {verdict.name}{verdict.where and f' ({verdict.where})'}: {evidence}. {cure}"
    ):
        yield f"{verdict} does not say all"


@pytest.mark.parametrize(("name", "build"), PAIRS, ids=named)
def test_the_evidence_has_the_figure_that_matters(name: str, build: Builder) -> None:
    verdicts = diagnosed(build, False, 1)
    assert [fault for verdict in verdicts for fault in faults(verdict)] == []
    found = next((verdict for verdict in verdicts if verdict.name == name), None)
    assert found is not None, verdicts
    assert re.search(EVIDENCE[named(build)], found.evidence), found
    assert str(found) in str(verdicts).splitlines()


def test_a_placeholder_is_given_as_it_is_in_the_data() -> None:
    (verdict,) = (one for one in diagnosed(placeholders, False, 1) if one.name == "bad_data")
    assert re.search(r"rows of column 0 hold -999, the others lie between -1\.\d+ and 1\.\d+", verdict.evidence)


@pytest.mark.parametrize("build", HEALTHY, ids=named)
def test_what_is_worth_knowing_of_a_healthy_run_is_said_properly(build: Builder) -> None:
    verdicts = diagnosed(build, 0)
    assert [fault for verdict in verdicts for fault in faults(verdict)] == []
    assert {verdict.severity for verdict in verdicts} <= {"info"}


def beyond_all_numbers(seed: int, callbacks: Any) -> pynn.Sequential:
    """A rate so large that the loss is not finite after some steps."""
    model = pynn.Sequential(pynn.Affine(16), pynn.ReLU(), pynn.Affine(1), seed=seed)
    return fit(model, numbers(seed, 100), callbacks, loss="l2", optimizer=pynn.SGD(1e9), epochs=5)


def test_a_loss_that_is_not_finite_may_be_said_to_be_so() -> None:
    verdicts = diagnosed(beyond_all_numbers, 0)
    assert verdicts.names == ["learning_rate_too_large"]
    assert verdicts[0].severity == "error"
    assert re.search(r"not finite after step \d+", verdicts[0].evidence)
