"""What a lab asks and what it is worth: exercises, their findings, and what is said of an answer."""

import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from albert_np.course.answers import AnswerFailed, Function, Wrong, called_as, not_none, own_words, report_lines

__all__ = ["Answer", "AnswerFailed", "Exercise", "Finding", "Lab", "Report", "Verdict", "Written", "Wrong", "judge"]

Numbers = Mapping[str, Any]  # a student's own, by name; some are lists or texts
Arguments = dict[str, Any]  # of one call, by name and in order: arrays, numbers, texts
UNWRITTEN = "not written yet"
WAITS = "counts once something else of this exercise is right"


@dataclass(frozen=True)
class Finding:
    """One thing that is looked at, and its points.

    look: raises `Wrong` if the answer is not right. question: what someone should ask themselves whose answer is not.
    side: it counts only where another finding of the exercise, one that is not on the side, is right; for what a
    function that does nothing would fulfil, such as leaving its arguments as they are.
    """

    name: str
    points: float
    look: Callable[["Answer"], None]
    question: str = ""
    side: bool = False


@dataclass
class Exercise:
    """Functions that are asked for by name, and the findings about them, in the order in which they are reported."""

    id: str
    title: str
    functions: tuple[str, ...]
    findings: list[Finding] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(finding.points for finding in self.findings)

    def finding(
        self, name: str, points: float, question: str = "", side: bool = False
    ) -> Callable[[Callable[["Answer"], None]], Callable[["Answer"], None]]:
        """Add the decorated function as a finding."""

        def add(look: Callable[[Answer], None]) -> Callable[[Answer], None]:
            self.findings.append(Finding(name, points, look, question, side))
            return look

        return add


@dataclass(frozen=True)
class Written:
    """A question that a person marks."""

    id: str
    title: str
    points: float


@dataclass
class Lab:
    """A lab: what it asks, in order, and what grading it may take.

    hours: what a student needs. notebooks: the numbers of those to read before. personal: from a random generator that
    belongs to one student, the numbers that are theirs; one that belongs to nobody gives the numbers of a release
    without a roster. withheld: modules that an answer may not import, beside the frameworks that differentiate by
    themselves. seconds: that all of a submission's calls may take together, by the clock; call_seconds: one of them.
    """

    number: str
    title: str
    hours: float
    notebooks: tuple[str, ...]
    personal: Callable[[np.random.Generator], Numbers] = lambda rng: {}
    withheld: tuple[str, ...] = ()
    seconds: float = 60.0
    call_seconds: float = 10.0  # a machine that does other things too needs some; what is to be fast is timed otherwise
    exercises: list[Exercise | Written] = field(default_factory=list)

    def exercise(self, name: str, title: str, functions: Sequence[str] = ()) -> Exercise:
        """Add an exercise; its one function has the exercise's name unless `functions` says otherwise."""
        exercise = Exercise(name, title, tuple(functions) or (name,))
        self.exercises.append(exercise)
        return exercise

    def written(self, name: str, title: str, points: float) -> None:
        """Add a question that a person marks."""
        self.exercises.append(Written(name, title, points))

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises)

    @property
    def machine(self) -> list[Exercise]:
        """The exercises that need no person."""
        return [exercise for exercise in self.exercises if isinstance(exercise, Exercise)]


class _Read(Mapping[str, Any]):
    """Somebody's own numbers, and which of them were looked up."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self.names: dict[str, None] = {}

    def __getitem__(self, name: str) -> Any:
        value = self._numbers[name]
        self.names[name] = None
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def said(self) -> str:
        """Return the numbers that were looked up, as one tells their owner; "" without any."""
        own = ", ".join(f"{name} = {self._numbers[name]}" for name in self.names)
        return f"Your own numbers count here: {own}." if own else ""


class Answer:
    """What a finding works with: `answer.name(…)` calls the answer's function of that name.

    rng: random numbers of this finding. personal: the student's own numbers. seconds: of processor time that the last
    call took. A call raises `Wrong` for a function that is not there or returns None, and `AnswerFailed` for one that
    fails.
    """

    def __init__(self, functions: Mapping[str, Function], rng: np.random.Generator, personal: Numbers) -> None:
        self._functions, self.rng, self.personal = functions, rng, _Read(personal)
        self.seconds = 0.0
        self.called = ""

    def __getattr__(self, name: str) -> Function:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._functions:
            raise Wrong(f"there is no function {name}: is its cell still there, and does it run?")
        function = self._functions[name]

        def call(*arguments: object) -> Any:
            self.called = called_as(name, arguments)
            started = time.process_time()
            try:
                result = function(*arguments)
            except (AnswerFailed, Wrong):
                raise
            except Exception as error:
                raise AnswerFailed(own_words(error, function), type(error).__name__) from error
            self.seconds = getattr(function, "seconds", time.process_time() - started)
            return not_none(name, result)

        return call


@dataclass(frozen=True)
class Verdict:
    """What a finding said of an answer: `points` out of `of`; the message is empty where all is right."""

    exercise: str
    finding: str
    points: float
    of: float
    message: str = ""

    @property
    def ok(self) -> bool:
        return not self.message


def judge(exercise: Exercise, functions: Mapping[str, Function], seed: int, personal: Numbers) -> list[Verdict]:
    """Look at every finding of an exercise; one that fails costs no other its points.

    Random numbers follow from the seed and the finding's name. Nothing is raised, whatever the functions do.
    """
    messages = {finding.name: _message(exercise, finding, functions, seed, personal) for finding in exercise.findings}
    main = [not messages[finding.name] for finding in exercise.findings if not finding.side]
    counts = any(main) or not main
    verdicts = []
    for finding in exercise.findings:
        message = messages[finding.name]
        if not message and finding.side and not counts:
            message = WAITS
        points = 0.0 if message else finding.points
        verdicts.append(Verdict(exercise.id, finding.name, points, finding.points, message))
    return verdicts


def _message(
    exercise: Exercise, finding: Finding, functions: Mapping[str, Function], seed: int, personal: Numbers
) -> str:
    stream = np.random.default_rng([seed, zlib.crc32(f"{exercise.id}/{finding.name}".encode())])
    answer = Answer(functions, stream, personal)
    try:
        with np.errstate(all="ignore"):
            finding.look(answer)
    except AnswerFailed as error:
        if error.kind == "NotImplementedError":
            return UNWRITTEN
        if error.kind == "Missing":
            return str(error)
        return f"{error}; called as {answer.called}"
    except Wrong as wrong:
        text = str(wrong)
        text = text if text.endswith((".", "?")) else f"{text}."
        return " ".join(filter(None, (text, finding.question, answer.personal.said())))
    except Exception as error:  # an answer that a check was not prepared for is the answer's fault, and is said
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"what {answer.called} returned could not be used ({type(error).__name__}: {error}; in {last.name})"
    return ""


@dataclass(frozen=True)
class Report:
    """The verdicts on one exercise; in a notebook it shows itself, the first failure first."""

    title: str
    verdicts: tuple[Verdict, ...]

    @property
    def points(self) -> float:
        return sum(verdict.points for verdict in self.verdicts)

    @property
    def of(self) -> float:
        return sum(verdict.of for verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        return all(verdict.ok for verdict in self.verdicts)

    def __repr__(self) -> str:
        title = f"{self.title}: {self.points:g} of {self.of:g} points"
        wrong = [f"{v.finding} ({v.of:g}): {v.message}" for v in self.verdicts if not v.ok]
        return "\n".join(report_lines(title, wrong, [], [v.finding for v in self.verdicts if v.ok]))
