"""The command line: one function per command; its signature defines the options. Heavy imports wait until
a command runs."""

import os
import sys
from collections.abc import Callable

from seesay.cli.data import data_build, data_download, data_import, data_info, data_show
from seesay.cli.learn import adapt, train, tune
from seesay.cli.measure import compare, demo, embed, evaluate, reproduce
from seesay.cli.options import parse
from seesay.cli.serve import export, predict, serve, submit, verify
from seesay.cli.share import pull, push
from seesay.errors import InputError, SeesayError
from seesay.formats.source import check_inputs

COMMANDS: dict[str, Callable[..., int | None]] = {
    "demo": demo,
    "data build": data_build,
    "data import": data_import,
    "data download": data_download,
    "data info": data_info,
    "data show": data_show,
    "train": train,
    "adapt": adapt,
    "tune": tune,
    "evaluate": evaluate,
    "compare": compare,
    "predict": predict,
    "export": export,
    "verify": verify,
    "serve": serve,
    "embed": embed,
    "submit": submit,
    "push": push,
    "pull": pull,
    "reproduce": reproduce,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line. Returns the exit status: 0 done, 1 rows were skipped, 2 wrong input,
    130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Two threads on cores that others use too took 5 times the processor time of one, and 7 times as long
    # (docs/log.md).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    status = 0
    try:
        call = parse(COMMANDS, arguments)
        if call is not None:
            check_inputs(call.keywords)
            status = call() or 0
        sys.stdout.flush()  # here, and not when Python ends: the reader may have gone
    except SeesayError as error:
        print(f"seesay: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as head, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a file that may not be read, a name too long for any disk
        if error.filename is None:
            raise
        message = InputError(f"{error.filename} cannot be used: {error.strerror}", "Check the path.")
        print(f"seesay: {message}", file=sys.stderr)
        return 2
    return status
