"""What the tests of processes let them do."""

import os
import signal


def square(number):
    return number * number


def process_id(item):
    return os.getpid()


def refuse_three(number):
    if number == 3:
        raise ValueError("three is refused")
    return number


class Unpicklable(Exception):
    def __init__(self, text):
        self.inner = lambda: text
        super().__init__(text)


def refuse_in_a_strange_way(number):
    raise Unpicklable(f"{number} is refused")


def die_at_nine(number):
    if number == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def print_much(number):
    print("x" * 100_000)
    return number
