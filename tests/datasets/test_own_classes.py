"""Classes in an order that the user gives, and names of data sets as people spell them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pynn import datasets

COLOURS = {"cat": 10, "dog": 20, "emu": 30}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures of each class, all pixels of the class's colour."""
    image = pytest.importorskip("PIL.Image")
    for name, colour in COLOURS.items():
        (tmp_path / name).mkdir()
        for number in range(2):
            image.new("RGB", (3, 2), (colour, colour, colour)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def names_of(samples: datasets.Samples) -> list[str]:
    """The class of each picture by its colour."""
    by_colour = {colour: name for name, colour in COLOURS.items()}
    return [by_colour[colour] for colour in samples.x[:, 0, 0, 0].tolist()]


@pytest.mark.parametrize("kind", [list, tuple, np.array, iter])
def test_labels_follow_the_order_of_the_classes_argument(kind: Any, pictures: Path) -> None:
    order = ["emu", "cat", "dog"]
    samples = datasets.image_folder(pictures, classes=kind(order))
    assert samples.classes == tuple(order)
    assert [samples.classes[label] for label in samples.y] == names_of(samples)
    assert samples.y.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_test_folder_that_lacks_a_class_gets_the_labels_of_the_training_folder(pictures: Path) -> None:
    """Without classes the emus of the test folder would be label 1, which is the dogs' of the training folder."""
    train = datasets.image_folder(pictures)
    for file in (pictures / "dog").iterdir():
        file.unlink()
    (pictures / "dog").rmdir()
    assert datasets.image_folder(pictures).y.tolist() == [0, 0, 1, 1]
    test = datasets.image_folder(pictures, classes=train.classes)
    assert (test.y.tolist(), test.classes) == ([0, 0, 2, 2], ("cat", "dog", "emu"))


def test_folders_of_numbers(pictures: Path) -> None:
    for number, name in enumerate(COLOURS):
        (pictures / name).rename(pictures / str(number))
    assert datasets.image_folder(pictures, 2, classes=range(3)).classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["cat", "dog"], r"emu: its name is not among the classes \(cat, dog\); add it to them, or move"),
        (["Cat", "dog", "emu"], r"cat: its name is not among the classes"),
        (["cat", "dog", "emu", "cat"], r"classes: expected each class once, got \['cat', 'dog', 'emu', 'cat'\]"),
        ([], "classes: expected at least one name, got none"),
        ("cat", "classes: expected a list of names in the order of their labels, got 'cat'"),
        (3, "classes: expected a list of names in the order of their labels, got 3"),
    ],
)
def test_classes_that_do_not_fit(classes: Any, message: str, pictures: Path) -> None:
    with pytest.raises(ValueError, match=message):
        datasets.image_folder(pictures, classes=classes)


@pytest.mark.parametrize("classes", ["ab", 2, b"ab"])
def test_csv_takes_no_text_for_a_list_of_letters(classes: Any, tmp_path: Path) -> None:
    """It took "ab" for the classes "a" and "b"."""
    (tmp_path / "t.csv").write_text("x,y\n1,a\n2,b\n")
    with pytest.raises(ValueError, match="classes: expected a list of names in the order of their labels, got"):
        datasets.csv(tmp_path / "t.csv", "y", classes=classes)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("CIFAR-10", "cifar10"), ("cifar_100", "cifar100"), ("Cifar 10", "cifar10"), ("Fashion MNIST", "fashion_mnist"),
        ("FashionMNIST", "fashion_mnist"), ("fashion-mnist", "fashion_mnist"), ("MNIST", "mnist"), ("Digits", "digits"),
    ],
)  # fmt: skip
def test_names_as_people_spell_them(spelled: str, name: str) -> None:
    assert datasets.find(spelled) == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cifar", r"; did you mean cifar10 or cifar100\?$"),
        ("minst", r"; did you mean mnist\?$"),
        ("fashion", r"; did you mean fashion_mnist\?$"),
        ("imagenet", r"cifar100$"),
        ("", r"cifar100$"),
        (
            "flowers.csv",
            r"'flowers\.csv'; read your own files and folders in Python, with pynn\.datasets\.csv and",
        ),
        (str(Path(__file__).parent), r"read your own files and folders"),
    ],
)
def test_other_names_are_answered(name: str, hint: str) -> None:
    for function in (datasets.find, datasets.load):
        with pytest.raises(ValueError, match=hint) as caught:
            function(name)
        assert str(caught.value).startswith(f"there is no data set {name!r}; ")
