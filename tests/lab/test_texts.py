"""Every experiment has its texts, in both languages, and is short enough to be read."""

from __future__ import annotations

import inspect
import re
from importlib.resources import files

import pytest

from pynn.lab import contents, texts, wording
from pynn.lab.experiment import read

HANGUL = re.compile("[가-힣]")
FORMULA = 62  # characters of a line, which fit a telephone
NAMES = contents.names()


def test_no_experiment_is_listed_twice_and_none_is_forgotten() -> None:
    modules = {file.name for file in files("pynn.lab.experiments").iterdir() if file.name.endswith(".py")}
    assert len(set(NAMES)) == len(NAMES)
    assert {f"{name.replace('-', '_')}.py" for name in NAMES} | {"__init__.py"} == modules


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_texts_stand_in_the_order_of_the_contents(language: str) -> None:
    assert tuple(texts.sections(language)) == NAMES
    assert all(wording.WORDS[language][chapter] for chapter in contents.CHAPTERS)


@pytest.mark.parametrize("name", NAMES)
def test_the_module_says_what_is_claimed(name: str) -> None:
    experiment = read(name)
    assert 1 <= len(experiment.claims) <= 5
    assert len({claim.key for claim in experiment.claims}) == len(experiment.claims)
    assert experiment.seeds >= 3
    assert experiment.data in (None, "mnist", "cifar10")
    for claim in experiment.claims:
        assert claim.text
        assert claim.source
        assert not claim.text.endswith(".")
    for text in (experiment.title, experiment.setting, experiment.picture):
        assert len(text) > 15
    assert len(inspect.getsource(experiment.module).splitlines()) <= 140


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_explanation_is_half_a_page_with_a_formula(name: str, language: str) -> None:
    text = texts.of(read(name), language)
    blocks = texts.blocks(text.explanation)
    formulas = [block for formula, block in blocks if formula]
    assert formulas, "no formula"
    assert all(len(line) <= FORMULA for block in formulas for line in block.splitlines())
    assert 70 < len(" ".join(block for formula, block in blocks if not formula).split()) < 400
    assert text.explanation.count("`") % 2 == 0


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_no_word_of_the_file_is_lost(language: str) -> None:
    words = []
    for name, (head, explanation) in texts.sections(language).items():
        words += ["#", name, *(f"{key}: {value}" for key, value in head.items()), explanation]
    written = (files("pynn.lab.texts") / f"{language}.md").read_text("utf-8")
    assert " ".join(words).split() == written.split()


@pytest.mark.parametrize("name", NAMES)
def test_the_korean_is_whole(name: str) -> None:
    text = texts.of(read(name), "ko")
    for sentence in (text.title, text.setting, text.picture, text.explanation, *text.claims.values()):
        assert HANGUL.search(sentence)


def test_both_languages_have_the_same_words() -> None:
    assert set(wording.WORDS["en"]) == set(wording.WORDS["ko"])
    for word, text in wording.WORDS["en"].items():
        fields = sorted(re.findall(r"{\w*", text))
        assert sorted(re.findall(r"{\w*", wording.WORDS["ko"][word])) == fields
