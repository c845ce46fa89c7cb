/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * qemu-agent
 * ==========
 *
 * Runs, in a QEMU guest of the test suite, the commands that tests/qemu-guest
 * sends over a serial port: the network is what is under test.  It is the
 * guest's first process, so that it also waits for orphans.
 *
 * A request is "\0ID LENGTH COMMAND\0", with LENGTH the number of bytes of
 * COMMAND, a line for the shell; one whose length is wrong was cut short and
 * is left out.  The answers to it are lines:
 *
 *     ID o BASE64     what the command printed, in the order it did
 *     ID x STATUS     it ended, with the shell's exit status
 *
 * A reader who came in the middle of something finds its own answers by ID,
 * which it makes up.  The line "ready" says that qemu-agent has started: what
 * was sent earlier is lost.  One command runs at a time: the next request
 * kills what is left of the one before, in case nobody waits for it any more.
 * What a command leaves in the background lives on. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* Bytes of a request at most. */
#define REQUEST_MAX 65536

/* The command that runs, if 'pid' is not 0. */
struct command {
    char id[32];
    pid_t pid;
    int output;                 /* Read end of its output's pipe. */
};

static int
open_tty(const char *name)
{
    struct termios termios;
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 || tcgetattr(fd, &termios)) {
        err(1, "%s", name);
    }
    cfmakeraw(&termios);
    cfsetspeed(&termios, B115200);
    termios.c_cflag |= CLOCAL;
    termios.c_cflag &= ~CRTSCTS;
    if (tcsetattr(fd, TCSANOW, &termios)) {
        err(1, "%s", name);
    }
    return fd;
}

static void
write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);

        if (n > 0) {
            data += n;
            size -= n;
        } else if (n < 0 && errno != EINTR) {
            err(1, "write");
        }
    }
}

/* Stores 'size' bytes of 'data' as base64 with a null byte into 'text', which
 * has room for them. */
static void
base64(const unsigned char *data, size_t size, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned int bits = data[i] << 16;

        if (left > 1) {
            bits |= data[i + 1] << 8;
        }
        if (left > 2) {
            bits |= data[i + 2];
        }
        *text++ = digits[bits >> 18];
        *text++ = digits[bits >> 12 & 63];
        *text++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *text++ = left > 2 ? digits[bits & 63] : '=';
    }
    *text = '\0';
}

/* Passes on what the command has printed up to now.  Returns false if there
 * will be no more. */
static bool
pass_output(int tty, const struct command *command)
{
    for (;;) {
        unsigned char data[1536];
        char line[sizeof command->id + sizeof data / 3 * 4 + 8];
        ssize_t n = read(command->output, data, sizeof data);
        int header;

        if (n <= 0) {
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        }
        header = snprintf(line, sizeof line, "%s o ", command->id);
        base64(data, n, line + header);
        strcat(line, "\n");
        write_all(tty, line, strlen(line));
    }
}

static void
close_output(struct command *command)
{
    if (command->output >= 0) {
        close(command->output);
        command->output = -1;
    }
}

static void
end_command(int tty, struct command *command, int status)
{
    char line[sizeof command->id + 16];

    if (command->output >= 0) {
        pass_output(tty, command);
    }
    close_output(command);
    command->pid = 0;
    snprintf(line, sizeof line, "%s x %d\n", command->id,
             WIFEXITED(status) ? WEXITSTATUS(status)
             : 128 + WTERMSIG(status));
    write_all(tty, line, strlen(line));
}

static void
reap(int tty, struct command *command)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == command->pid) {
            end_command(tty, command, status);
        }
    }
}

static void
start_command(struct command *command, const char *id, const char *line)
{
    int fds[2];

    if (command->pid) {
        kill(-command->pid, SIGKILL);
        close_output(command);
    }
    if (pipe2(fds, O_CLOEXEC) || fcntl(fds[0], F_SETFL, O_NONBLOCK)) {
        err(1, "pipe");
    }
    snprintf(command->id, sizeof command->id, "%s", id);
    command->output = fds[0];
    command->pid = fork();
    if (command->pid < 0) {
        err(1, "fork");
    }
    if (!command->pid) {
        char *argv[] = { "sh", "-c", (char *) line, NULL };
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setsid();
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        execv(_PATH_BSHELL, argv);
        _exit(127);
    }
    close(fds[1]);
}

/* Takes up 'request', without the null bytes around it. */
static void
take_request(struct command *command, char *request)
{
    char id[sizeof command->id];
    size_t length;
    int at;

    if (sscanf(request, "%31s %zu%n", id, &length, &at) == 2
        && request[at] == ' ' && strlen(request + at + 1) == length) {
        start_command(command, id, request + at + 1);
    }
}

int
main(int argc, char *argv[])
{
    static char request[REQUEST_MAX];
    struct command command = { .output = -1 };
    size_t used = 0;
    sigset_t signals;
    int tty, child;

    if (argc != 2) {
        errx(1, "usage: qemu-agent TTY");
    }
    tty = open_tty(argv[1]);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    child = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (child < 0) {
        err(1, "signalfd");
    }
    write_all(tty, "ready\n", 6);
    for (;;) {
        struct pollfd fds[] = {
            { .fd = tty, .events = POLLIN },
            { .fd = child, .events = POLLIN },
            { .fd = command.output, .events = POLLIN },
        };
        struct signalfd_siginfo info;

        if (poll(fds, 3, -1) < 0) {
            continue;
        }
        if (fds[2].revents && !pass_output(tty, &command)) {
            close_output(&command);
        }
        if (fds[1].revents) {
            while (read(child, &info, sizeof info) > 0) {
                continue;
            }
            reap(tty, &command);
        }
        if (fds[0].revents) {
            char data[256];
            ssize_t n = read(tty, data, sizeof data);

            for (ssize_t i = 0; i < n; i++) {
                if (used < sizeof request) {
                    request[used++] = data[i];
                }
                if (!data[i]) {
                    request[used - 1] = '\0';
                    take_request(&command, request);
                    used = 0;
                }
            }
        }
    }
}
