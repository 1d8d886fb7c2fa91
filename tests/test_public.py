"""What `import seesay` offers: as many names as it says, each of them found, none of them by accident."""

import ast
import inspect
from importlib.metadata import version
from pathlib import Path

import pytest

import seesay

SOURCE = Path(seesay.__file__)


def typed_names() -> set[str]:
    """The names that the source declares under `if TYPE_CHECKING`, where editors and type checkers look."""
    block = next(node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    imports = [line for line in block.body if isinstance(line, ast.ImportFrom)]
    declared = [line.target for line in block.body if isinstance(line, ast.AnnAssign)]
    return {name.name for line in imports for name in line.names} | {ast.unparse(name) for name in declared}


def test_the_version_is_that_of_the_installed_package():
    assert seesay.__version__ == version("seesay")


def test_all_is_what_can_be_seen():
    assert seesay.__all__ == sorted(set(seesay.__all__))
    assert dir(seesay) == seesay.__all__


def test_all_is_what_has_a_home():
    assert {"__version__", *seesay._HOME} == set(seesay.__all__)


def test_all_is_what_type_checkers_see():
    assert typed_names() == set(seesay.__all__)


@pytest.mark.parametrize("name", seesay.__all__)
def test_every_public_name_is_found_and_says_what_it_promises(name: str):
    found = getattr(seesay, name)
    assert name == "__version__" or inspect.getdoc(found)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = seesay.fitt


def test_the_package_says_that_it_is_typed():
    assert (SOURCE.parent / "py.typed").is_file()
