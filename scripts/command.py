"""What the command lines of the scripts share: any mistake is one line and exit status 2.

    class MyError(Mistake)                    one line: what, where, what to do
    parser = Parser(description=__doc__)      argparse, in one line where it complains
    sys.exit(ended("name.py", work))          work() returns the exit status, or None for 0
"""

import argparse
import os
import sys

INTERRUPTED = 130


class Mistake(Exception):
    """One line: what is wrong, where, what to do."""


class Parser(argparse.ArgumentParser):
    """Shows the text at the head of a script as it is written."""

    def __init__(self, **options):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help says what there is\n")


def positive(text):
    """A whole number of at least one, as the type of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number above zero")
    return int(text)


def ended(program, work, advice="name another place by --out", stopped="stopped"):
    """The exit status of work(); `advice` where a file cannot be read or written, `stopped` after control-C."""
    try:
        status = work() or 0
        sys.stdout.flush()
        return status
    except Mistake as mistake:
        said = str(mistake)
    except BrokenPipeError:
        # Whoever reads has seen enough (| head); the flush at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        said = f"{error.filename or 'output'}: {error.strerror or error}; {advice}"
    except KeyboardInterrupt:
        print(f"\n{program}: {stopped}", file=sys.stderr)
        return INTERRUPTED
    print(f"{program}: {said}", file=sys.stderr)
    return 2
