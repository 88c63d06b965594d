#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""husk on a terminal, as a person uses it: a shell of the host's with husk as its job, on a pseudo-terminal. TAP.

Every step waits for the text that must appear, for a bounded time; nothing sleeps.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

HUSK = os.environ.get("HUSK", "build/husk")
FLAGS = os.environ.get("HUSK_FLAGS", "")
LIMIT = float(os.environ.get("LIMIT", "30"))
failures = 0
count = 0


class Screen:
    """A shell on a terminal of its own."""

    def __init__(self):
        self.seen = b""
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.environ["PS1"] = "out> "
            os.environ["TERM"] = "vt100"
            os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])
        self.size(24, 80)

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def wait(self, pattern):
        """Reads until @pattern appears in what came since the last match: the match, or None."""
        end = time.monotonic() + LIMIT
        while True:
            match = re.search(pattern.encode(), self.seen, re.S)
            if match:
                self.seen = self.seen[match.end():]
                return match
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                return None
            try:
                self.seen += os.read(self.master, 4096)
            except OSError:
                return None

    def run(self, line, pattern):
        self.type(line + "\r")
        return self.wait(pattern)

    def shell(self, line, pattern):
        """As run(), for a line to the shell outside, when it asks for one."""
        return self.wait("out> ") and self.run(line, pattern)

    def husk(self, rest, pattern):
        return self.shell(f"{HUSK} run {FLAGS} {rest}", pattern)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.master)
        os.waitpid(self.pid, 0)


def check(held, name):
    global count, failures
    count += 1
    failures += not held
    print("ok" if held else "not ok", count, "-", name, flush=True)


def steps(name, script):
    """One fresh terminal; @script yields what each step saw, which must be something."""
    screen = Screen()
    at = 0
    for at, seen in enumerate(script(screen), 1):
        if not seen:
            check(False, f"{name}: step {at}")
            print("# seen:", screen.seen[-400:])
            screen.close()
            return
    check(at > 0, name)
    screen.close()


def whole_again(s):
    """The host's terminal is as it was."""
    return s.shell("stty -a | tr ' ' '\\n' | grep -xE -- '-?(icanon|echo|isig|opost)' | tr '\\n' .",
                 r"\nisig\.icanon\.echo\.|\nopost\.isig\.icanon\.echo\.")


def own_terminal(s):
    yield s.husk("sh -c 'tty; stty size; ps -o tty= -p $$ 2>&1'", r"/dev/pts/0\r\n24 80\r\npts/0")
    yield s.husk("python3 -c 'import os; print(os.ttyname(0), os.ttyname(2), os.tcgetpgrp(0) == os.getpid())'",
                 r"/dev/pts/0 /dev/pts/0 True")
    yield whole_again(s)


def editing(s):
    yield s.husk("sh -c 'echo up; exec cat'", r"\nup\r\n")
    yield s.run("wrong\x15right", r"right\r\nright\r\n")
    s.type("\x04")
    yield s.shell("echo st=$?", r"\nst=0")
    yield whole_again(s)


def interrupt(s):
    yield s.husk("sh -c 'echo up; exec sleep 1000'", r"\nup")
    s.type("\x03")
    yield s.shell("echo st=$?", r"\nst=130")
    yield s.husk("sh -c 'echo up; exec sleep 1000'", r"\nup")
    s.type("\x1c")
    yield s.shell("echo st=$?", r"\nst=131")
    yield whole_again(s)


def stop(s):
    for flag in ("", "-T "):
        yield s.husk(flag + "sh -c 'echo up; read x; echo got $x'", r"\nup")
        s.type("\x1a")
        yield s.wait("Stopped")
        yield whole_again(s)
        yield s.shell("fg", r"sh -c[^\n]*\n")
        yield s.run("line", r"got line")
        yield s.shell("echo st=$?", r"\nst=0")


def jobs(s):
    yield s.husk("bash --norc --noprofile --noediting -i", r"out> ")
    s.type("PS1='in> '\r")
    yield s.wait(r"\nin> ")
    yield s.run("sh -c 'echo up; read x; echo got $x; exec sleep 1000'", r"\nup")
    s.type("\x1a")
    yield s.wait(r"Stopped")
    yield s.wait("in> ")
    yield s.run("bg; wait %1; jobs", r"Stopped")  # it wants to read
    yield s.wait("in> ")
    yield s.run("fg", r"sh -c[^\n]*\n")
    yield s.run("line", r"got line")
    s.type("\x03")
    yield s.wait("in> ")
    yield s.run("echo st=$?", r"\nst=130")
    yield s.wait("in> ")
    s.type("\x04")
    yield whole_again(s)


def resize(s):
    # Not a shell: bash loops for ever when ^C comes just as its `wait` takes SIGINT over.
    yield s.husk(
        "python3 -c 'import os, signal as s; s.signal(s.SIGINT, s.SIG_DFL); s.signal(s.SIGWINCH, lambda *_: "
        "print(*os.get_terminal_size()[::-1], \"told\", flush=True)); print(\"up\", flush=True); "
        "[s.pause() for _ in iter(int, 1)]'", r"\nup")
    s.size(30, 100)
    yield s.wait("30 100 told")
    s.type("\x03")
    yield whole_again(s)


def pipelines(s):
    yield s.husk("seq 3 | tr '\\n' ,", r"\n1,2,3,")
    yield s.husk("-t tty </dev/null | cat", r"\n/dev/pts/0")
    yield s.husk("-T sh -c 'test -t 0 && echo tty || echo none'", r"\ntty")


def killed(s):
    yield s.husk("sh -c 'echo up; exec sleep 1000'", r"\nup")
    out = subprocess.run(["pgrep", "-x", "-P", str(s.pid), "husk"], capture_output=True, text=True, check=False)
    os.kill(int(out.stdout.split()[0]), signal.SIGTERM)
    yield s.shell("echo st=$?", r"\nst=143")
    yield whole_again(s)
    yield s.husk("no-such-program", r"husk: no-such-program: No such file")
    yield whole_again(s)


def full_screen(s):
    yield s.husk("less /etc/hostname", r"\(END\)")
    s.type("\x1a")
    yield s.wait("Stopped")
    yield whole_again(s)
    yield s.shell("fg", r"\(END\)")
    s.type("q")
    yield whole_again(s)
    yield s.husk("script -qc 'tty; echo done' /dev/null", r"/dev/pts/1\r\ndone")
    yield whole_again(s)


def main():
    if not os.access(HUSK, os.X_OK):
        print(f"1..0 # SKIP no {HUSK}")
        return 77
    steps("a terminal of its own: name, size, session", own_terminal)
    steps("lines are edited, end of file", editing)
    steps("^C and ^\\ end the program", interrupt)
    steps("^Z stops husk, fg goes on, with and without a terminal of its own", stop)
    steps("job control of a shell inside", jobs)
    steps("a new size arrives", resize)
    steps("pipelines, --tty and --no-tty", pipelines)
    steps("the terminal is given back at every end", killed)
    steps("less and script", full_screen)
    print(f"1..{count}")
    return failures > 0


sys.exit(main())
