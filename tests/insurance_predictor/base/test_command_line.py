"""A command is short and makes much that stays: it hardly looks for garbage, and still finds it."""

import json
import subprocess
import sys

LOOKS = """
import gc, json
from insurance_predictor.base.command_line import collect_as_usual, run

def looks():
    return [generation["collections"] for generation in gc.get_stats()]

def work():
    before = looks()
    {work}
    print(json.dumps([now - then for now, then in zip(looks(), before)]))

run(work)
"""


def looks(work: str) -> list[int]:
    """How often a command that does `work` looks through new, older and all objects."""
    code = LOOKS.format(work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_million_objects_that_stay_are_hardly_looked_through():
    new, older, every = looks("kept = [[] for _ in range(1_000_000)]")

    assert new <= 10
    assert older <= 1
    assert every == 0


def test_what_nobody_holds_any_more_does_not_pile_up():
    assert looks("for _ in range(1_000_000): it = []; it.append(it)")[0] >= 5


def test_a_command_that_goes_on_serving_keeps_no_more_garbage_than_python_does():
    assert looks("collect_as_usual(); kept = [[] for _ in range(1_000_000)]")[0] >= 1_000
