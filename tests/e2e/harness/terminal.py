"""Runs a command at a terminal of its own, and types what its own input says: [[prompt, answer]...]."""

import json
import os
import pty
import sys


def main():
    answers = json.load(sys.stdin)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(sys.argv[1], sys.argv[1:])
    said = new = b""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:
            more = b""
        if not more:
            break
        said, new = said + more, new + more
        if answers and answers[0][0].encode() in new:
            _, answer = answers.pop(0)
            new = b""
            rest = answer.encode()
            while rest:
                rest = rest[os.write(terminal, rest[:1024]) :]
    sys.stdout.write(said.decode().replace("\r\n", "\n"))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


main()
