# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""A file system with one file, which stops answering when it is told to: what
a hypervisor may hand over in place of memory or of an eventfd.

    with FileSystem("mnt", 1 << 20) as fs:
        fd = os.open(fs.file, os.O_RDWR)
        fs.stop_answering()

It speaks FUSE's protocol (linux/fuse.h) itself, in a process of its own, whose
end gives everybody who waits an error."""

import ctypes
import errno
import mmap
import os
import signal
import struct

LOOKUP, FORGET, GETATTR, SETATTR = 1, 2, 3, 4
OPEN, READ, WRITE, RELEASE, FSYNC, FLUSH, INIT = 14, 15, 16, 18, 20, 25, 26
OPENDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 27, 29, 36, 42

ROOT, FILE = 1, 2
MNT_DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)


class FileSystem:
    def __init__(self, path, size):
        self.path = path
        self.size = size
        self.file = path + "/file"
        self.silent = mmap.mmap(-1, 4096)   # The server has it, too.

    def __enter__(self):
        os.makedirs(self.path, exist_ok=True)
        fd = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"test", self.path.encode(), b"fuse", 0,
                      options.encode()):
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
        libc.umount2(self.path.encode(), MNT_DETACH)

    def stop_answering(self):
        self.silent[0] = 1

    def attributes(self, node):
        mode = 0o100666 if node == FILE else 0o40777
        size = self.size if node == FILE else 0
        return struct.pack("<6Q10I", node, size, size // 512, 0, 0, 0,
                           0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def answer(self, operation, node, message):
        """The answer, None if there is to be none, or an errno."""
        if operation == INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 4096, 0, 16, 12,
                               65536, 1, 16, 0, 0)
        if operation in (FORGET, INTERRUPT, BATCH_FORGET):
            return None
        if self.silent[0]:
            return None
        if operation == LOOKUP:
            return (struct.pack("<QQQQII", FILE, 0, 3600, 0, 0, 0)
                    + self.attributes(FILE))
        if operation in (GETATTR, SETATTR):
            return struct.pack("<QII", 0, 0, 0) + self.attributes(node)
        if operation in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, 2, 0)
        if operation == READ:
            return bytes(struct.unpack_from("<I", message, 56)[0])
        if operation == WRITE:
            return message[56:60] + bytes(4)
        if operation in (RELEASE, RELEASEDIR, FSYNC, FLUSH):
            return b""
        return errno.ENOSYS

    def serve(self, fd):
        while True:
            try:
                message = os.read(fd, 1 << 20)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                    continue
                return
            _, operation, unique, node = struct.unpack_from("<IIQQ", message)
            answer = self.answer(operation, node, message)
            if answer is not None:
                number = answer if isinstance(answer, int) else 0
                data = b"" if number else answer
                try:
                    os.write(fd, struct.pack("<IiQ", 16 + len(data), -number,
                                             unique) + data)
                except OSError:
                    pass
