"""The report's recipes say what the report says, train end to end, and have the rows of one another."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from seesay.config import Config
from seesay.errors import InputError
from seesay.learn.fit import SCHEDULES
from seesay.learn.pretrain import Reconstruction
from seesay.learn.run import Run, begin, train
from seesay.measure.evaluate import evaluate, rows_for
from seesay.model.classifier import build
from seesay.model.fusion import Concat, FusionDropout
from seesay.model.report_cnn import ReportCnn
from seesay.plain import from_dict, to_json
from seesay.recipes import recipe
from tiny import FEATURES, tiny_data, tiny_spec

REPORTS = ["report", "report-image", "report-audio"]


def small(config: Config) -> Config:
    """The same recipe, of a few hundred weights and steps."""
    kinds = {
        kind: dataclasses.replace(encoder, width=4, fusion_dropout=0.1)
        for kind, encoder in config.model.kinds.items()
    }
    kinds["waveform"] = dataclasses.replace(kinds["waveform"], features=FEATURES)
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, dim=16, hidden=16, kinds=kinds),
        optim=dataclasses.replace(config.optim, epochs=12, batch=8, lr=1e-2),
        pretrain=dataclasses.replace(config.pretrain, epochs=min(2, config.pretrain.epochs), batch=8),
    )


def run_of(name: str, folder: Path) -> tuple[Run, list[object]]:
    run, data, splits = begin(tiny_data(each=48), "tiny", small(recipe(name)), name, folder)
    return run, list(train(run, data, splits))


# ------------------------------------------------------------------------------------ what the report says


@pytest.mark.parametrize("name", REPORTS)
def test_adam_at_a_constant_rate_on_batches_of_64(name: str):
    config = recipe(name)
    assert (config.optim.batch, config.optim.lr, config.optim.schedule) == (64, 1e-3, "constant")
    assert (config.optim.weight_decay, config.optim.label_smoothing, config.optim.average) == (0, 0, 0)
    assert (config.pretrain.batch, config.pretrain.lr) == (64, 1e-3)
    assert {SCHEDULES["constant"](done) for done in (0.0, 0.3, 1.0)} == {1.0}


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_is_augmented(name: str):
    assert not any(dataclasses.asdict(recipe(name).augment).values())


@pytest.mark.parametrize("name", REPORTS)
def test_encoders_are_within_the_reports_search(name: str):
    for kind in ("picture", "waveform", "matrix"):
        encoder = recipe(name).model.kinds[kind]
        assert (encoder.kind, encoder.stride) == ("report", 1)
        assert (encoder.layers in (2, 3), encoder.kernel in (3, 5), encoder.dropout in (0.2, 0.5)) == (
            True,
        ) * 3
        assert encoder.activation in ("relu", "sigmoid")


def test_fusion_is_two_linear_layers_on_frozen_encodings_side_by_side():
    config = recipe("report")
    assert config.pretrain.epochs > 0
    assert config.pretrain.freeze
    model = build(config.model, tiny_spec())
    assert all(isinstance(encoder, ReportCnn) for encoder in model.encoders.values())
    assert isinstance(model.fusion, FusionDropout)
    assert isinstance(model.fusion.fusion, Concat)
    assert [type(step) for step in model.fusion.fusion.layers] == [nn.Linear, nn.ReLU, nn.Linear]


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_a_cnn_of_one_modality_is_the_same_encoder_trained_with_labels(modality: str):
    alone, both = recipe(f"report-{modality}"), recipe("report")
    assert alone.modalities == (modality,)
    assert alone.model == both.model
    assert alone.pretrain.epochs == 0


# ------------------------------------------------------------------------------------------------- end to end


@pytest.mark.parametrize("name", REPORTS)
def test_it_trains_end_to_end_and_learns(name: str, tmp_path: Path):
    run, epochs = run_of(name, tmp_path / "run")
    assert any(isinstance(each, Reconstruction) for each in epochs) == (name == "report")
    assert run.finished
    data = tiny_data(each=48)
    found = evaluate(run.model(), data, rows_for(run, data, "test"))
    expected = {
        "report": {"image", "audio", "image+audio"},
        "report-image": {"image"},
        "report-audio": {"audio"},
    }
    assert set(found.results) == expected[name]
    for condition, result in found.results.items():
        assert result["accuracy"] > 0.6, f"{condition}: a guess is right in a third"


def test_models_of_one_modality_are_tested_on_the_rows_of_the_fusion(tmp_path: Path):
    data = tiny_data(each=48)
    rows = []
    for name in REPORTS:
        run, *_ = begin(data, "tiny", small(recipe(name)), name, tmp_path / name)
        rows.append(rows_for(run, data, "valid"))
    assert all(np.array_equal(rows[0], other) for other in rows[1:])


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_the_everyday_recipes_of_one_modality_see_nothing_else(modality: str, tmp_path: Path):
    config = recipe(f"{modality}-only")
    run, data, _ = begin(tiny_data(), "tiny", config, f"{modality}-only", tmp_path / "run")
    assert (run.spec.modalities, data.modalities) == ((modality,), (modality,))
    assert dataclasses.replace(config, modalities=()) == recipe("small")


# ------------------------------------------------------------------------------------------------- modalities


def test_modalities_go_through_json():
    config = recipe("report-audio")
    assert from_dict(Config, json.loads(to_json(config))) == config


def test_a_modality_of_another_name_is_refused_with_those_that_there_are(tmp_path: Path):
    """Only the data know what modalities are called."""
    config = dataclasses.replace(small(recipe("report")), modalities=("audoi",))
    with pytest.raises(InputError, match="tiny has no audoi, it has image and audio"):
        begin(tiny_data(), "tiny", config, "report", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_modality_that_the_data_lack_is_refused_before_a_folder_is_made(tmp_path: Path):
    config = small(recipe("report-audio"))
    with pytest.raises(InputError, match="tiny has no audio, it has image"):
        begin(tiny_data(modalities=("image",)), "tiny", config, "report-audio", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_keeps_rows_labels_and_splits_and_drops_the_rest():
    data = tiny_data(missing=True)
    one = data.only("audio")
    assert (one.modalities, list(one.contents), list(one.groups)) == (("audio",), ["audio"], ["audio"])
    assert data.only("image").groups == {}
    np.testing.assert_array_equal(one.pointers("audio"), data.pointers("audio"))
    np.testing.assert_array_equal(one.label, data.label)
    np.testing.assert_array_equal(one.split, data.split)
    assert data.only("audio", "image").modalities == data.modalities, "in the fixed order"
