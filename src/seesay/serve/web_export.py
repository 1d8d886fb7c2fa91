"""Write a model as a web page that needs no server: it runs in the browser, and nothing leaves the device.

The folder holds the page (serve/web/), the graph, what model.json says of it, and three files of ONNX Runtime
Web. These come from its package in npm's registry, by the user's own `npm pack`, or from a folder; either way
they must be the very files that the page was tested with.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from seesay.errors import InputError
from seesay.files import cache_folder, check_new_folder, new_file, new_folder
from seesay.learn.run import PACKAGED, Run
from seesay.serve.export import checked_graph
from seesay.serve.graph import GRAPH, InputType
from seesay.signal.image import LARGEST
from seesay.signal.sound_files import LONGEST
from seesay.spec import Modality, Spec, content_to_dict

RUNTIME = "onnxruntime-web@1.30.0"

INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""SHA-512 of the package, in base64 as npm's registry writes it."""

RUNTIME_FILES = {
    "ort.wasm.min.mjs": "02779f420972927b9fe109e8c8bf0715be78b3582b5b1eeae85eafd94651afb4"
    "7155bb0979777f93ab228978f59a59109a9c871270c8049cf1d41b5adc9dd90a",
    "ort-wasm-simd-threaded.mjs": "21ba108743f06fed82bd495a1258e50552c95a515f1940b10aab94ea48f2c205"
    "beaa3f7e0d9b4961253da6e786638038bd3d96e6b43c66de0234d2032fc29fd6",
    "ort-wasm-simd-threaded.wasm": "1adeded62203219fcf5c484cfce5657aa5875689b490423f86cf1ca1dd1cad77"
    "15f630c6337f41db71ee42794e3a00ce0b7c78939a71220b5d83368bf6ea7730",
}
"""SHA-512 of the files of the package's entry `onnxruntime-web/wasm`, in hexadecimal. All other entries bring
twice as much."""

SECONDS = 300
"""How long `npm pack` may take."""

MODEL = "model.json"

ENGINE = 'data-engine="server"'
"""In index.html: which of its two engines the page uses."""


def write_web(
    run: Run | Path | str | None,
    folder: Path | str,
    runtime: Path | str | None = None,
    overwrite: bool = False,
) -> None:
    """Write the run's model as a folder that any static host can serve as a web page.

    `run` None: the model that comes with seesay. `runtime`: folder with the files of ONNX Runtime Web, or its
    package (.tgz); None: fetched by npm, once. OutputError, and no folder, if it exists without `overwrite`,
    or if graph and torch differ. InputError if the runtime is absent or not the expected one.
    """
    check_new_folder(folder, overwrite, delete=False)
    contents = runtime_files(runtime)
    run = run if isinstance(run, Run) else Run.open(run)
    written, graph = checked_graph(run, folder)
    described = description(graph.spec, graph.types, _name(run), graph.encoders)
    with new_folder(folder, overwrite) as new:
        write_page(new, written, described, contents)
        (new / "README.md").write_text(_readme(new, described["name"]))


def write_page(
    folder: Path, graph: bytes, described: Mapping[str, Any], runtime: Mapping[str, bytes]
) -> None:
    """Write the page's files into a folder: with a graph, its `description` and the `runtime_files`."""
    _copy_page(folder)
    (folder / GRAPH).write_bytes(graph)
    (folder / MODEL).write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    (folder / "runtime").mkdir()
    for name, content in runtime.items():
        (folder / "runtime" / name).write_bytes(content)


def description(
    spec: Spec, types: Mapping[Modality, InputType], name: str = "", encoders: str = ""
) -> dict[str, Any]:
    """What the page needs to know of a model: what `GET /model` says, and how its inputs are read."""
    inputs = [
        content_to_dict(each)
        | {"name": m, "noun": spec.noun(m), "shape": list(types[m].shape), "dtype": types[m].dtype}
        for m, each in spec.contents.items()
    ]
    return {
        "seesay": version("seesay"),
        "name": name,
        "classes": list(spec.classes),
        "modalities": inputs,
        "encoders": encoders,
        "limits": {"seconds": LONGEST, "pixels": LARGEST},
    }


def _name(run: Run) -> str:
    """What the model is called on the page: its folder's name; that which comes with seesay, "digits"."""
    return "digits" if run.folder == PACKAGED else run.folder.resolve().name


def runtime_files(source: Path | str | None) -> dict[str, bytes]:
    """The files of ONNX Runtime Web by name, from a folder, a package or npm. Absent or not the expected
    ones: InputError."""
    source = _package() if source is None else Path(source)
    if not source.exists():
        raise InputError(f"{source} does not exist", f"Give the folder or package of {RUNTIME}.")
    found = _from_folder(source) if source.is_dir() else _from_package(source)
    for name, expected in RUNTIME_FILES.items():
        if hashlib.sha512(found[name]).hexdigest() != expected:
            problem = f"{name} in {source} is not that of {RUNTIME}, which the page was tested with"
            raise InputError(problem, f"Run `npm pack {RUNTIME}` and give the file that it writes.")
    return found


def _from_folder(folder: Path) -> dict[str, bytes]:
    """The files in a folder, in its `dist`, or in `onnxruntime-web/dist`, as npm installs it."""
    for place in (folder, folder / "dist", folder / "onnxruntime-web" / "dist"):
        if all((place / name).is_file() for name in RUNTIME_FILES):
            return {name: (place / name).read_bytes() for name in RUNTIME_FILES}
    names = ", ".join(RUNTIME_FILES)
    raise InputError(
        f"{folder} lacks the files of ONNX Runtime Web ({names})", f"Give the folder of {RUNTIME}."
    )


def _from_package(path: Path) -> dict[str, bytes]:
    """The files in a package as npm packs it."""
    try:
        with tarfile.open(path) as package:
            members = {name: package.extractfile(f"package/dist/{name}") for name in RUNTIME_FILES}
            return {name: member.read() for name, member in members.items() if member is not None}
    except (tarfile.TarError, KeyError, OSError, EOFError) as error:
        problem = f"{path} is not the package of {RUNTIME} ({error})"
        raise InputError(problem, f"Run `npm pack {RUNTIME}` and give the file that it writes.") from None


def _package() -> Path:
    """The package in the cache, fetched by npm if it is not there yet."""
    cached = cache_folder() / f"{RUNTIME.replace('@', '-')}.tgz"
    if cached.is_file() and _integrity(cached.read_bytes()) == INTEGRITY:
        return cached
    remedy = (
        f"Run `npm pack {RUNTIME}` where npm and a network are, and give the file that it writes: "
        "--runtime FILE."
    )
    npm = shutil.which("npm")
    if npm is None:
        problem = f"the page runs the model by {RUNTIME}, which npm brings, and npm is not installed"
        raise InputError(problem, remedy)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [npm, "pack", RUNTIME, "--silent", "--pack-destination", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        except subprocess.TimeoutExpired:
            said = [f"no answer within {SECONDS} seconds"]
        packed = next(folder.glob("*.tgz"), None)
        if packed is None:
            raise InputError(
                f"npm could not fetch {RUNTIME} ({said[-1] if said else 'no reason given'})", remedy
            )
        content = packed.read_bytes()
    if _integrity(content) != INTEGRITY:
        raise InputError(f"what npm fetched as {RUNTIME} has another hash than its registry gave us", remedy)
    with new_file(cached, "wb") as file:
        file.write(content)
    return cached


def _integrity(content: bytes) -> str:
    return base64.b64encode(hashlib.sha512(content).digest()).decode()


def _copy_page(folder: Path) -> None:
    """The page's files, with its engine set to the browser's own."""
    with_page = files("seesay.serve") / "web"
    shutil.copytree(str(with_page), folder, dirs_exist_ok=True)
    index = folder / "index.html"
    page = index.read_text()
    assert ENGINE in page
    index.write_text(page.replace(ENGINE, 'data-engine="local"'))


README = """\
# {title}

This folder is a web page: a model of [what is seen and said](index.html) that runs in the browser. What is
drawn, shown or spoken never leaves the device; the page's own content security policy forbids requests to
other places.

## Host it

Any web server or static host will do: copy the folder, keep the names. To try it here:

```console
$ python -m http.server --bind 127.0.0.1
```

and open port 8000 of this machine. Opening `index.html` as a file does not work: browsers load modules by
http only.

- **https**: browsers give the microphone and the camera to https and localhost alone.
- **Types**: `.js` and `.mjs` as `text/javascript`, `.wasm` as `application/wasm`; nearly every host does.
- **Compression**: gzip or Brotli shrinks the runtime from 14 MB to under 4 MB.
- **Threads** (optional): with the two headers `Cross-Origin-Opener-Policy: same-origin` and
  `Cross-Origin-Embedder-Policy: require-corp` the page may share memory between threads and uses up to four.
  Without them it uses one, which is enough for small models.

## What is in it

| file | what |
|---|---|
| `index.html`, `*.js`, `style.css`, `icon.svg`, `examples/` | the page ({page:.1f} MB) |
| `model.onnx` | the model as one graph ({model:.1f} MB) |
| `model.json` | its classes, inputs and limits |
| `runtime/` | ONNX Runtime Web, from the npm package {runtime}, MIT licence, Microsoft ({wasm:.1f} MB) |

Written by seesay {version}.
"""


def _readme(folder: Path, name: str) -> str:
    """How to host the folder."""
    sizes = {file: file.stat().st_size / 1e6 for file in folder.rglob("*") if file.is_file()}
    model = sizes[folder / GRAPH]
    wasm = sum(size for file, size in sizes.items() if file.parent.name == "runtime")
    return README.format(
        title=name or "A model in a page",
        page=sum(sizes.values()) - model - wasm,
        model=model,
        runtime=RUNTIME,
        wasm=wasm,
        version=version("seesay"),
    )
