"""Command line of the suite: `python -m benchmarks --help`."""

import argparse
import io
import logging
import os
import resource
import signal
import sys

from benchmarks.cli.parser import command_parser
from benchmarks.cli.stages import stage_line
from benchmarks.common.remedy import in_use, spelled
from gavs.extras import missing_extra
from gavs.reading import shown

# Before torch, whatever the environment says: a training has other bits on several threads, and
# commands such as `export` and `predict` train in this very process.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


class _Spelled(logging.Formatter):
    """The message alone, its commands for the parameter file in use."""

    def format(self, record: logging.LogRecord) -> str:
        return spelled(super().format(record))


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):  # names and dashes, in whatever encoding
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    args = command_parser().parse_args(arguments)
    with in_use(args.copy_of or args.params):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    """Run a parsed command; returns the exit status."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, force=True)
    logging.getLogger().handlers[0].setFormatter(_Spelled())
    logging.getLogger("benchmarks").setLevel(logging.DEBUG if args.verbose else logging.INFO)
    if stage := stage_line():
        print(stage, file=sys.stderr, flush=True)
    # A store keeps its shards open: 2,316 in the paper profile, where the usual limit is 1,024.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    from concurrent.futures.process import BrokenProcessPool

    from benchmarks.common.memory import free_memory, ran_out
    from benchmarks.common.workers import AGAIN

    try:
        status = args.command(args) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (OSError, ValueError) as error:  # the suite's own are of the second kind
        full = isinstance(error, OSError) and error.errno is None  # NumPy's, of a short write
        lines = spelled(f"error: {error}" + "; is the disk full?" * full).split("\n")
        print("\n".join(map(shown, lines)), file=sys.stderr)  # names with ESC clear no screen
        return 1
    except (MemoryError, ImportError) as error:  # a library that can't be loaded for its size
        if extra := missing_extra(error):
            print(f"error: {extra}", file=sys.stderr)
            return 1
        if not ran_out(error):
            raise
        print(f"error: memory ran out; {free_memory()}", file=sys.stderr)
        return 1
    except BrokenProcessPool as error:
        print(spelled(f"error: {error}"), file=sys.stderr)
        return AGAIN
    except KeyboardInterrupt:
        again = "continues where it stopped" if args.resumed else "begins again"
        print(f"interrupted; the same command {again}", file=sys.stderr)
        return 130
