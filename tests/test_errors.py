"""Every message is one line that says what was wrong and what to do."""

import pickle

import pytest

from seesay.errors import ConfigError, InputError, OutputError, SeesayError, nearest

KINDS = [InputError, ConfigError, OutputError]


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_the_problem_and_then_the_remedy(kind: type[SeesayError]):
    assert str(kind("x.npy is empty", "Copy it again.")) == "x.npy is empty. Copy it again."


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_remedy_the_problem_stands_alone(kind: type[SeesayError]):
    assert str(kind("x.npy is empty")) == "x.npy is empty"


def test_a_message_is_one_line_whatever_a_library_said():
    error = InputError("x.wav cannot be read (Error in file:\n\n  bad   header\t)", "Save it\nagain.")
    assert str(error) == "x.wav cannot be read (Error in file: bad header ). Save it again."


def test_a_problem_that_ends_in_a_full_stop_has_one():
    assert str(InputError("it broke.", "Mend it.")) == "it broke. Mend it."


@pytest.mark.parametrize("name", ["\0", "\x1b[31mred", "\udcff"])
def test_a_name_cannot_command_the_terminal(name: str):
    assert str(InputError(f"{name}.png is empty")).isprintable()


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_them_are_caught_as_one(kind: type[SeesayError]):
    with pytest.raises(SeesayError):
        raise kind("no")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_from_another_process_as_it_was(kind: type[SeesayError]):
    error = pickle.loads(pickle.dumps(kind("x.npy is empty", "Copy it again.")))
    assert (type(error), str(error)) == (kind, "x.npy is empty. Copy it again.")


def test_a_misspelt_word_is_answered_with_the_nearest():
    assert nearest("dropuot", ["width", "layers", "dropout"]) == "Did you mean 'dropout'?"


def test_a_word_that_is_like_none_is_answered_with_all_of_them():
    assert nearest("xyz", ["width", "layers"]) == "Choose one of: width, layers."
