"""Recipes: each is a complete config that builds, takes a step, and comes back from JSON as it was."""

import dataclasses
import json

import pytest
import torch

from seesay.config import Config
from seesay.data.batches import table
from seesay.errors import ConfigError
from seesay.learn.defaults import facts_of, settled
from seesay.learn.fit import Training, fresh
from seesay.model.features import features_of
from seesay.plain import from_dict, to_json
from seesay.recipes import RECIPES, recipe
from tiny import FEATURES, tiny_data

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


def few_filters(config: Config) -> Config:
    """The same with as many filters as the tiny tones have room for."""
    kinds = dict(config.model.kinds)
    kinds["waveform"] = dataclasses.replace(kinds["waveform"], features=FEATURES)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, kinds=kinds))


@recipes
def test_it_builds_and_takes_a_step(name: str):
    config, data = recipe(name), tiny_data(missing=True)
    data = data.only(*config.modalities) if config.modalities else data
    train = data.rows_of("train")
    config = settled(few_filters(config), facts_of(data, train, data.rows_of("valid")))
    model = fresh(config, data, train)
    rows = table(data, train, features_of(model, data))
    training = Training(model, config, 2)
    before = [parameter.clone() for parameter in model.parameters()]
    losses = [training.step(rows.take(torch.arange(len(rows)))) for _ in range(2)]
    assert all(torch.tensor(losses).isfinite())
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_another_name_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"there is no recipe 'smal'\. Did you mean 'small'"):
        recipe("smal")
