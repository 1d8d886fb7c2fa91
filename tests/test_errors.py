"""Every message is one line that says what was wrong and what to do."""

import pickle

import pytest

from seesay.errors import LONGEST, ConfigError, InputError, OutputError, SeesayError, listed, nearest

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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("problem", "remedy"), [(10**6, 10), (10, 10**6), (10**6, 10**6), (10**6, 0)])
def test_no_message_is_long_whatever_came(kind: type[SeesayError], problem: int, remedy: int):
    error = kind("a.csv holds " + "x" * problem, "Mend it, " + "y" * remedy if remedy else "")
    assert len(str(error)) <= LONGEST
    assert str(error).startswith("a.csv holds x")
    assert not remedy or ". Mend it, y" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_long_message_says_how_long_it_was():
    assert " ... (1,012 characters) ... " in str(InputError("a.csv holds " + "x" * 1_000))


def test_of_a_list_ten_are_shown_none_of_them_long():
    said = listed(["x" * 10_000, *"abcdefghijkl"])
    assert len(said) < 300
    assert said.endswith(", a, b, c, d, e, f, g, h, i and 3 more")
