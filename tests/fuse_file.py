# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""A file whose file system does not answer.

FUSE lets a process serve a file system, and whoever uses a file of it wait for
as long as that process likes.

    with FuseFile("mnt", 1 << 20) as fuse:
        fd = fuse.open()
        fuse.hold("getattr")        # from now on, fstat(fd) waits

At the end of the block the file system goes away, and all that waits goes on.
"""

import ctypes
import errno
import mmap
import os
import signal
import struct

# Operations of the kernel's protocol, and those that can be held back.
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE = 1, 2, 3, 4, 14, 15, 16
RELEASE, FLUSH, INIT, OPENDIR, INTERRUPT, DESTROY, BATCH = (18, 25, 26, 27, 36,
                                                            38, 42)
HELD = {"read": READ, "write": WRITE, "getattr": GETATTR, "flush": FLUSH}

ROOT, FILE = 1, 2

libc = ctypes.CDLL(None, use_errno=True)


def attributes(node, size):
    return struct.pack("<6Q10I", node, size if node == FILE else 0, 0, 0, 0, 0,
                       0, 0, 0, 0o100666 if node == FILE else 0o40777, 1, 0, 0,
                       0, 4096, 0)


def is_available():
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
        return True
    except OSError:
        return False


class FuseFile:
    """The only file, of 'size' bytes, of a file system at 'path'."""

    def __init__(self, path, size):
        self.path = path
        self.size = size
        self.held = mmap.mmap(-1, 4096)     # Shared with who serves it.

    def __enter__(self):
        os.makedirs(self.path, exist_ok=True)
        fd = os.open("/dev/fuse", os.O_RDWR)
        if libc.mount(b"fuse_file", self.path.encode(), b"fuse", 6,
                      b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other"
                      % fd):
            raise OSError(ctypes.get_errno(), "cannot mount")
        self.pid = os.fork()
        if not self.pid:
            try:
                self.serve(fd)
            finally:
                os._exit(0)
        os.close(fd)
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        libc.umount2(self.path.encode(), 2)

    @property
    def file(self):
        return os.path.join(self.path, "file")

    def open(self):
        return os.open(self.file, os.O_RDWR)

    def hold(self, *operations):
        for operation in operations:
            self.held[HELD[operation]] = 1

    def stop_answering(self):
        """From now on, whatever is asked for waits."""
        self.held[:] = b"\1" * len(self.held)

    def serve(self, fd):
        while True:
            try:
                request = os.read(fd, 1 << 20)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                    continue
                return
            _, operation, unique, node = struct.unpack_from("<IIQQ", request)
            data, error = self.answer(operation, node, request)
            if data is None or self.held[operation]:
                continue
            try:
                os.write(fd, struct.pack("<IiQ", 16 + len(data), -error,
                                         unique) + data)
            except OSError:
                pass                    # Nobody waits for it any more.

    def answer(self, operation, node, request):
        if operation == INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 4096, 0, 16, 12,
                               65536, 1, 16, 0, 0), 0
        if operation == LOOKUP:
            return struct.pack("<QQQQII", FILE, 0, 3600, 0, 0, 0) \
                + attributes(FILE, self.size), 0
        if operation in (GETATTR, SETATTR):
            return (struct.pack("<QII", 0, 0, 0)
                    + attributes(node, self.size)), 0
        if operation in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, 2, 0), 0
        if operation == READ:
            return bytes(struct.unpack_from("<I", request, 56)[0]), 0
        if operation == WRITE:
            return struct.pack("<II", struct.unpack_from("<I", request,
                                                         56)[0], 0), 0
        if operation in (FORGET, BATCH, INTERRUPT):
            return None, 0
        if operation in (RELEASE, FLUSH, DESTROY):
            return b"", 0
        return b"", 38
