"""Recipes: each is a complete config that builds, takes a step, and comes back from JSON as it was."""

import json

import pytest
import torch

from seesay.config import Config, from_dict, to_json
from seesay.data.batches import table
from seesay.data.normaliser import normalised
from seesay.errors import ConfigError
from seesay.learn.train import Training
from seesay.model.classifier import build, features_of
from seesay.recipes import RECIPES, recipe
from tiny import tiny_data

recipes = pytest.mark.parametrize("name", list(RECIPES))


@recipes
def test_it_says_what_it_is_for(name: str):
    assert (RECIPES[name].__doc__ or "").strip()


@recipes
def test_it_is_the_same_config_every_time(name: str):
    assert isinstance(recipe(name), Config)
    assert recipe(name) == recipe(name)


@recipes
def test_it_comes_back_from_json(name: str):
    assert from_dict(Config, json.loads(to_json(recipe(name)))) == recipe(name)


@recipes
def test_it_builds_and_takes_a_step(name: str):
    config, data = recipe(name), tiny_data(missing=True)
    data = normalised(data.only(*config.modalities) if config.modalities else data, data.rows_of("train"))
    model = build(config.model, data.spec, seed=config.seed)
    rows = table(data, data.rows_of("train"), features_of(model, data))
    training = Training(model, config, 2)
    before = [parameter.clone() for parameter in model.parameters()]
    losses = [training.step(rows.take(torch.arange(len(rows)))) for _ in range(2)]
    assert all(torch.tensor(losses).isfinite())
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_another_name_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"there is no recipe 'smal'\. Did you mean 'small'"):
        recipe("smal")
