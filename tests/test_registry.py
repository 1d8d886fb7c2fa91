"""Own parts from outside the package: a fusion, an encoder, a front end, named in a config or on the command
line, in a run folder that says which plug-in it needs and never imports one."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seesay import registry
from seesay.cli import main
from seesay.config import Config, EncoderConfig, FeaturesConfig, ModelConfig
from seesay.data.dataset import Dataset
from seesay.errors import ConfigError, InputError
from seesay.learn.run import Run
from seesay.model.classifier import build
from seesay.plain import from_dict, to_dict
from seesay.registry import register
from seesay.search.space import parse_space
from tiny import tiny_config, tiny_data, tiny_model, tiny_spec

PLUGIN = '''
"""Own parts: the product of experts, a linear encoder, the loudness of each frame, bytes upside down."""

import torch
from torch import nn

import seesay


class Product(nn.Module):
    def __init__(self, modalities, dim, classes, hidden, layers):
        super().__init__()
        self.trust = nn.Parameter(torch.ones(modalities))

    def forward(self, encodings, opinions, present):
        return (opinions * (self.trust * present)[:, :, None]).sum(1)


def linear(config, dim, shape):
    size = torch.Size(shape).numel()
    return nn.Sequential(nn.Flatten(), nn.Linear(size, dim))


class Loudness(nn.Module):
    def __init__(self, features, spec):
        super().__init__()
        self.frame = spec.rate // 40

    def forward(self, clips):
        frames = (clips.float() / 32768).unfold(1, self.frame, self.frame)
        return torch.stack([frames.square().mean(2), frames.abs().amax(2), frames.diff().abs().mean(2)], 2)


seesay.register("fusion", "product", Product)
seesay.register("encoder", "linear", linear)
seesay.register("front-end", "loudness", Loudness, kinds=["waveform"])
'''

FLAGS = ["--model.fusion", "product", "--model.audio.kind", "linear"]
FLAGS += ["--model.audio.features.kind", "loudness"]


@pytest.fixture(autouse=True)
def only_seesay_s_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers or imports is gone after it."""
    before = {family: dict(parts) for family, parts in registry.PARTS.items()}
    for name in ("_named", "_installed"):
        monkeypatch.setattr(registry, name, [])
    yield
    for family, parts in before.items():
        registry.PARTS[family].clear()
        registry.PARTS[family].update(parts)
    sys.modules.pop("own_parts", None)


def forget() -> None:
    """As in a new process, in which nobody has imported the plug-in."""
    sys.modules.pop("own_parts", None)
    for parts in registry.PARTS.values():
        for name in [name for name, part in parts.items() if part.module == "own_parts"]:
            del parts[name]
    registry._named.clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a plug-in and a data set."""
    (tmp_path / "own_parts.py").write_text(PLUGIN)
    tiny_data(each=24).save(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    return tmp_path


def train(*more: str) -> int:
    words = ["train", "--data", "data", "--out", "run", "--optim.epochs", "2", "--quiet", *FLAGS, *more]
    return main([*words, "--plugin", "own_parts"])


QUICK = ("evaluate run", "predict run --data data --out said.csv", "compare run run2")


@pytest.mark.long
def test_every_command_works_with_own_parts(folder: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    more = (
        "embed run --data data --out drawn --method pca",
        "export run --out model.onnx",
        "tune --data data --out search --space model.fusion=product|concat --optim.epochs 1",
    )
    run_all((*more, *QUICK), capsys)
    said = json.loads(Path("search/search.json").read_text())
    assert {trial["values"]["model.fusion"] for trial in said["trials"]} == {"product", "concat"}


@pytest.mark.usefixtures("folder")
def test_the_usual_commands_work_with_own_parts(capsys: pytest.CaptureFixture[str]):
    run_all(QUICK, capsys)


def run_all(commands: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A training and then these commands."""
    assert train() == 0, capsys.readouterr().err
    run = Run.open("run")
    assert run.plugins == ("own_parts",)
    model = run.model()
    assert [type(part).__name__ for part in (model.fusion, model.front_ends["audio"][1])] == [
        "Product",
        "Loudness",
    ]
    for command in commands:
        if "run2" in command:
            Path("run").rename("run2")
            assert train() == 0
        forget()
        assert main([*command.split(), "--plugin=own_parts"]) == 0, capsys.readouterr().err


def test_a_stopped_run_goes_on_with_its_plugin(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert train() == 0
    forget()
    capsys.readouterr()
    assert train("--resume") == 0, capsys.readouterr().err
    forget()
    assert main(["train", "--data", "data", "--out", "run", "--resume"]) == 2
    assert "needs the plug-in own_parts" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["evaluate run", "predict run --data data --out x.csv", "export run --out m.onnx"]
)
def test_a_run_says_which_plugin_it_needs_and_imports_none(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert train() == 0
    forget()
    assert main(command.split()) == 2
    said = capsys.readouterr().err
    assert "run needs the plug-in own_parts" in said
    assert "Add --plugin own_parts" in said
    assert "own_parts" not in sys.modules
    with pytest.raises(InputError, match="in Python, import it first"):
        Run.open("run")


def test_an_installed_package_names_its_plugin_by_an_entry_point(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.syspath_prepend(str(folder))
    info = folder / "own_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-parts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[seesay.plugins]\nown = own_parts\nbroken = no_such_module\n")
    assert any(point.value == "own_parts" for point in metadata.entry_points(group="seesay.plugins"))
    words = ["train", "--data", "data", "--out", "run", "--optim.epochs", "1", "--quiet", *FLAGS]
    assert main(words) == 0, capsys.readouterr().err
    assert "the plug-in no_such_module cannot be imported" in capsys.readouterr().err
    assert Run.open("run").plugins == ("own_parts",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "the plug-in own_parts cannot be imported (ModuleNotFoundError"),
        ("1 +", "cannot be imported (SyntaxError"),
        ("import seesay\nseesay.register('fusoin', 'x', int)", "there is no family of parts 'fusoin'"),
        ("import seesay\nseesay.register('fusion', 'a b', int)", "a fusion cannot be called 'a b'"),
        ("import seesay\nseesay.register('fusion', 'concat', int)", "there is already a fusion 'concat'"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_one_line(
    text: str | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "own_parts.py").write_text(text)
    importlib.invalidate_caches()
    assert main(["evaluate", "run", "--plugin", "own_parts"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["--plugin"], ["--plugin", "--quiet"], ["--plugin="]])
def test_plugin_needs_a_name(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "run", *words]) == 2
    assert "--plugin needs the name of a module" in capsys.readouterr().err


def test_help_shows_the_parts_of_a_plugin(folder: Path):
    script = "import sys; from seesay.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["train", "--help-all", "--plugin", "own_parts"]
    said = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    text = " ".join(said.stdout.replace("│", " ").split())
    assert "posterior-sum,product}" in text
    assert "loudness}" in text


# ------------------------------------------------------------------------------------------------- in Python


class Bad(nn.Module):
    def __init__(self, modalities: int, dim: int, classes: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.layer = nn.Linear(dim, 7)

    def forward(self, encodings: torch.Tensor, opinions: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        return self.layer(encodings.sum(1))


def test_a_fusion_that_gives_no_logits_is_refused_when_a_model_is_built():
    register("fusion", "bad", Bad)
    with pytest.raises(ConfigError, match=r"bad returns \(2, 7\) for 2 rows.*of shape \(2, 3\)"):
        build(tiny_model(fusion="bad"), tiny_spec())
    register("fusion", "none", lambda *sizes: 3)
    with pytest.raises(ConfigError, match=r"the fusion none must be a torch\.nn\.Module, got int"):
        build(tiny_model(fusion="none"), tiny_spec())


def test_the_same_part_may_be_registered_again_and_another_may_not():
    assert register("fusion", "bad", Bad) is Bad
    register("fusion", "bad", Bad)
    with pytest.raises(ConfigError, match="there is already a fusion 'bad'"):
        register("fusion", "bad", nn.Identity)


def test_register_is_a_decorator_too():
    @register("encoder", "flat", kinds=["picture"])
    def flat(config: EncoderConfig, dim: int, shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(dim))

    assert registry.find("encoder", "flat").load() is flat
    assert "flat" in registry.names("encoder", "picture")
    assert "flat" not in registry.names("encoder", "vector")
    with pytest.raises(ConfigError, match="the encoder flat is not for the kind waveform"):
        build(tiny_model(kinds={"waveform": EncoderConfig(kind="flat")}, named={}), tiny_spec(("audio",)))


def test_an_unknown_part_is_refused_when_the_config_is_built():
    for make in (
        lambda: ModelConfig(fusion="mien"),
        lambda: EncoderConfig(kind="mien"),
        lambda: FeaturesConfig(kind="mien"),
        lambda: from_dict(Config, {"model": {"audio": {"kind": "mien"}}}),
        lambda: parse_space("model.fusion=concat|mien", None, None),
    ):
        with pytest.raises(ConfigError, match=r"there is no .* 'mien'"):
            make()


def test_a_front_end_of_other_contents_is_refused():
    with pytest.raises(ConfigError, match="the front end mfcc does not apply to pictures"):
        build(tiny_model(named={"image": EncoderConfig(features=FeaturesConfig(kind="mfcc"))}), tiny_spec())


def test_an_own_front_end_of_pictures_is_given_bytes_and_changes_what_is_predicted(tmp_path: Path):
    class Dark(nn.Module):
        def __init__(self, features: FeaturesConfig, spec: object) -> None:
            super().__init__()

        def forward(self, contents: torch.Tensor) -> torch.Tensor:
            assert contents.dtype == torch.uint8
            return 1 - contents.float() / 255

    register("front-end", "dark", Dark, kinds=["picture"])
    encoder = EncoderConfig(width=4, layers=2, features=FeaturesConfig(kind="dark"))
    model = build(tiny_model(named={"image": encoder}), tiny_spec(("image",)))
    data = tiny_data(each=4, modalities=("image",))
    pixels = torch.from_numpy(data.contents["image"][:2])
    assert torch.equal(model.features({"image": pixels})["image"], 1 - pixels.float() / 255)


def test_a_run_folder_keeps_which_plugins_it_needs(tmp_path: Path):
    register("fusion", "bad", Bad)
    config = tiny_config(1, tiny_model(fusion="bad"))
    assert registry.plugins_of(config.parts()) == (Bad.__module__,)
    assert registry.plugins_of(tiny_config(1).parts()) == ()
    assert to_dict(config)["model"]["fusion"] == "bad"
    assert Dataset  # the data of a run never need a plug-in


def test_parts_that_do_not_fit_are_named_before_there_is_a_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    """Whatever is wrong with an own part: one line that names it, and nothing is left behind."""
    register(
        "encoder", "wide", lambda config, dim, shape: nn.Sequential(nn.Flatten(), nn.LazyLinear(dim + 1))
    )
    register("encoder", "raises", lambda config: None)
    register("front-end", "flat", lambda features, spec: nn.Flatten(0), kinds=["waveform"])
    register("front-end", "nan", lambda features, spec: NaN(), kinds=["waveform"])
    register("fusion", "other-arguments", lambda modalities: None)
    for flags, message in (
        ("--model.image.kind wide", r"wide returns \(2, 9\) for 2 rows.*encodings \(2, 8\)"),
        ("--model.image.kind raises", r"the encoder raises cannot be built \(TypeError"),
        (
            "--model.audio.features.kind flat",
            r"flat returns .* features \(2, frames, columns\)",
        ),
        ("--model.audio.features.kind nan", "the front-end nan returns NaN or infinite values"),
        ("--model.fusion other-arguments", r"the fusion other-arguments cannot be built \(TypeError"),
    ):
        words = ["train", "--data", "data", "--out", "run", "--model.dim", "8", *flags.split()]
        assert main(words) == 2
        error = capsys.readouterr().err
        assert re.search(message, error), error
        assert not Path("run").exists()


class NaN(nn.Module):
    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return torch.full((len(clips), 4, 3), torch.nan)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fusion", "v", 3), "must be a class or a function"),
        (("kind", "k", dict), "must be a subclass of seesay.spec.ContentSpec"),
    ],
)
def test_what_cannot_be_a_part_is_refused(arguments: tuple[Any, ...], message: str):
    with pytest.raises(ConfigError, match=message):
        register(*arguments)


def test_kinds_are_a_list():
    with pytest.raises(ConfigError, match="kinds must be a list, got 'picture'"):
        register("encoder", "mine", Bad, kinds="picture")


@pytest.mark.parametrize("module", ["my_parts.py", "../own_parts", "a b"])
def test_plugin_takes_the_name_of_a_module(module: str, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "run", "--plugin", module]) == 2
    assert "--plugin takes the name of a module" in capsys.readouterr().err


def test_another_lambda_is_another_part():
    """Lambdas share a name, so a second one is not the first defined again."""
    register("encoder", "short", lambda config, dim, shape: nn.Flatten())
    with pytest.raises(ConfigError, match="there is already a encoder 'short'"):
        register("encoder", "short", lambda config, dim, shape: nn.Identity())
