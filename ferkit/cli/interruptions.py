"""Ctrl-C ends a long command, whatever native code and other threads do."""

import os
import signal
import sys
from types import FrameType, TracebackType
from typing import Self

__all__ = ["Interruptions"]

# What shells report of a program that Ctrl-C ended.
_INTERRUPTED = 130


class Interruptions:
    """A block that Ctrl-C ends together with the process, as soon as the block is tidied up.

    What Python raises at Ctrl-C gets lost in some native code: TensorFlow drops it where it compares structures, as it
    traces a network. A loop that calls `raise_lost` once a turn ends all the same.
    """

    def __init__(self) -> None:
        self._came = False

    def __enter__(self) -> Self:
        # Whoever ignores Ctrl-C, as a shell makes what it starts in the background do, is left in peace.
        self._installed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._installed:
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if isinstance(error, KeyboardInterrupt):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(_INTERRUPTED)

    def raise_lost(self) -> None:
        """Interrupt again if Ctrl-C was pressed in the block.

        Raises
        ------
        KeyboardInterrupt
            If Ctrl-C was pressed.
        """
        if self._came:
            raise KeyboardInterrupt

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        self._came = True
        raise KeyboardInterrupt
