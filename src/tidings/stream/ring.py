"""Many sockets written to with one system call: Linux's io_uring, as far as a fan-out needs it.

`write` is a system call a socket, whatever loop makes it; here the kernel is handed a whole audience at once and answers how much each
took, before the call returns (every send is MSG_DONTWAIT, so none is left to the kernel: nothing happens behind the loop's back, and no
buffer has to live on). What a socket did not take is the caller's to write the usual way.

The layout is that of <linux/io_uring.h>, and is part of the kernel's stable interface. The fields of all entries are set at once, as
columns of an array: a loop over them in Python would cost more than the system calls that it saves.
"""

import ctypes
import errno
import mmap
import os
import socket
import struct
from array import array
from collections.abc import Iterator, Sequence

from loguru import logger

SETUP, ENTER = 425, 426  # the same numbers on every architecture that Python runs on
SETUP_SUBMIT_ALL = 1 << 7  # one send that fails does not hold up those behind it; Linux 5.18
FEATURE_SINGLE_MMAP = 1 << 0
ENTER_GETEVENTS = 1 << 0
OFFSET_RINGS, OFFSET_ENTRIES = 0, 0x10000000
SEND = 26
ENTRIES = 1024
ENTRY_BYTES, ANSWER_BYTES = 64, 16
PARAMETERS = struct.Struct("10I 8IQ 8IQ")
# What goes out in one system call.
MOST_BYTES = 256 * 1024

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

Short = tuple[int, int]


class Ring:
    """Not for several threads. Raises OSError where the kernel has no io_uring, or lets nobody have it."""

    def __init__(self) -> None:
        parameters = bytearray(PARAMETERS.pack(*(0, 0, SETUP_SUBMIT_ALL), *(0,) * 25))
        self.descriptor = set_up(parameters)
        try:
            self.lay_out(PARAMETERS.unpack(parameters))
        except BaseException:
            os.close(self.descriptor)
            raise

    def lay_out(self, parameters: tuple[int, ...]) -> None:
        entries, answers, features = parameters[0], parameters[1], parameters[5]
        if entries != ENTRIES or answers != 2 * ENTRIES or not features & FEATURE_SINGLE_MMAP:
            raise OSError(errno.ENOSYS, "io_uring of another form than this is written for")
        _, tail, _, _, _, _, order, *_ = parameters[10:19]
        answer_head, answer_tail, _, _, _, first_answer, *_ = parameters[19:28]
        self.rings = mmap.mmap(self.descriptor, max(order + 4 * entries, first_answer + ANSWER_BYTES * answers), offset=OFFSET_RINGS)
        self.entries = mmap.mmap(self.descriptor, ENTRY_BYTES * entries, offset=OFFSET_ENTRIES)
        self.data = mmap.mmap(-1, MOST_BYTES)
        self.address = address_of(self.data)
        of_rings, of_entries = memoryview(self.rings), memoryview(self.entries)
        self.tail = of_rings[tail : tail + 4].cast("I")
        self.answer_head = of_rings[answer_head : answer_head + 4].cast("I")
        self.answer_tail = of_rings[answer_tail : answer_tail + 4].cast("I")
        of_answers = of_rings[first_answer : first_answer + ANSWER_BYTES * answers]
        self.names = of_answers.cast("Q")[0 :: ANSWER_BYTES // 8]
        self.taken = of_answers.cast("i")[2 :: ANSWER_BYTES // 4]
        self.sockets = of_entries.cast("i")[1 :: ENTRY_BYTES // 4]
        self.addresses = of_entries.cast("Q")[2 :: ENTRY_BYTES // 8]
        self.lengths = of_entries.cast("I")[6 :: ENTRY_BYTES // 4]
        of_entries[0::ENTRY_BYTES] = bytes([SEND]) * entries
        of_entries.cast("I")[7 :: ENTRY_BYTES // 4] = array("I", [socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT]) * entries
        # What an answer is named by: its entry's place.
        of_entries.cast("Q")[4 :: ENTRY_BYTES // 8] = array("Q", range(entries))
        of_rings[order : order + 4 * entries].cast("I")[:] = array("I", range(entries))

    def close(self) -> None:
        """The mappings go with the views of them."""
        os.close(self.descriptor)

    def send_to_all(self, sockets: Sequence[int], data: bytes) -> list[Short]:
        """The same to each of these descriptors; at most MOST_BYTES. Answers as `send_each`."""
        self.data[: len(data)] = data
        count = len(sockets)
        return self.send(array("i", sockets), array("Q", [self.address]) * count, array("I", [len(data)]) * count)

    def send_each(self, sockets: Sequence[int], pieces: Sequence[bytes]) -> list[Short]:
        """To each descriptor its own piece; together at most MOST_BYTES.

        Answers (which, how many bytes it took) for those that did not take all; 0 for one that failed too: a write the usual way finds the
        same failure, and deals with it.
        """
        together = b"".join(pieces)
        self.data[: len(together)] = together
        lengths = array("I", map(len, pieces))
        return self.send(array("i", sockets), array("Q", starts(self.address, lengths)), lengths)

    def send(self, sockets: "array[int]", addresses: "array[int]", lengths: "array[int]") -> list[Short]:
        short: list[Short] = []
        for begin, end in self.rounds(len(sockets)):
            of_round = self.send_round(sockets[begin:end], addresses[begin:end], lengths[begin:end])
            short += [(begin + which, took) for which, took in of_round]
        return short

    def rounds(self, count: int) -> Iterator[tuple[int, int]]:
        """What fits between the tail and the end of the array, so that neither entries nor their answers wrap around."""
        begin = 0
        while begin < count:
            end = min(count, begin + ENTRIES - self.tail[0] % ENTRIES)
            yield begin, end
            begin = end

    def send_round(self, sockets: "array[int]", addresses: "array[int]", lengths: "array[int]") -> list[Short]:
        count, tail = len(sockets), self.tail[0]
        first = tail % ENTRIES
        self.sockets[first : first + count] = sockets
        self.addresses[first : first + count] = addresses
        self.lengths[first : first + count] = lengths
        self.tail[0] = (tail + count) % 2**32
        submitted = max(0, enter(self.descriptor, count, count))
        # What the kernel would not take (it may be short of memory for a moment) is not to be there at the next call.
        self.tail[0] = (tail + submitted) % 2**32
        answers = self.answers(submitted)
        taken = self.taken[answers].tolist()
        # In whatever order they came: since none takes more than it is given, all took all.
        if taken == lengths.tolist():
            return []
        return fallen_short([name - first for name in self.names[answers]], taken, lengths)

    def answers(self, count: int) -> slice:
        """Where they lie until the next call."""
        head = self.answer_head[0]
        # All have been given by now; it is not to depend on it.
        while (self.answer_tail[0] - head) % 2**32 < count:
            enter(self.descriptor, 0, count)
        begin = head % (2 * ENTRIES)
        self.answer_head[0] = (head + count) % 2**32
        return slice(begin, begin + count)


def fallen_short(which: Sequence[int], taken: Sequence[int], lengths: Sequence[int]) -> list[Short]:
    """Those that took less than their length, in order. Answers come in none: Linux 6.1 tells of failures first.

    which: whom each answer is of; who got none took nothing.   taken: by each answer; negative for an error.
    """
    took = dict(zip(which, taken, strict=True))
    return [(one, max(0, took.get(one, 0))) for one, length in enumerate(lengths) if took.get(one, 0) != length]


def starts(address: int, lengths: Sequence[int]) -> Iterator[int]:
    for length in lengths:
        yield address
        address += length


def address_of(memory: bytearray | mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def set_up(parameters: bytearray) -> int:
    descriptor: int = libc.syscall(SETUP, ENTRIES, ctypes.c_void_p(address_of(parameters)))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def enter(ring: int, entries: int, answers: int) -> int:
    """How many entries the kernel took; negative when none and something is wrong. Returns when there are so many answers."""
    taken: int = libc.syscall(ENTER, ring, entries, answers, ENTER_GETEVENTS, None, ctypes.c_long(0))
    return taken


def open_ring(wanted: str) -> Ring | None:
    """wanted: `off`, or `auto` for wherever the kernel lets us have it (containers often do not)."""
    if wanted == "off":
        return None
    try:
        return Ring()
    except OSError as error:
        logger.info("Streams are written to one by one: io_uring cannot be had ({})", error.strerror)
        return None
