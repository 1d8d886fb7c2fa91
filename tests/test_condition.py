"""Conditions: what they are called, what they are made of, and which rows they have."""

import json

import numpy as np
import pytest
import torch

from seesay.condition import Condition, conditions


def test_a_condition_is_its_own_text():
    both = Condition.of(["image", "audio"])
    assert (both, str(both), both.slug) == ("image+audio", "image+audio", "image_audio")
    assert {both: 1}["image+audio"] == 1
    assert json.loads(json.dumps({both: 0.5})) == {"image+audio": 0.5}


@pytest.mark.parametrize("names", [("image",), ("image", "audio"), ("a", "b", "c")])
def test_it_knows_its_modalities(names: tuple[str, ...]):
    assert Condition.of(names).modalities == names


def test_the_conditions_of_modalities():
    assert conditions(["image"]) == ("image",)
    assert conditions(["image", "audio"]) == ("image", "audio", "image+audio")
    assert conditions("abc") == ("a", "b", "c", "a+b+c")


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_several_have_the_rows_of_which_two_are_there(kind: type):
    rows = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
    present = {
        m: kind(column).bool() if kind is torch.tensor else np.array(column, bool)
        for m, column in zip("abc", zip(*rows, strict=True), strict=True)
    }
    assert Condition("b").has(present).tolist() == present["b"].tolist()
    assert Condition("a+b").has(present).tolist() == [False, False, True, False, False, True]
    assert Condition("a+b+c").has(present).tolist() == [False, False, True, True, True, True]
