"""The task: a registered function, with everything that can be worked out once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack, get_type_hints

from ..errors import ConfigurationError
from .arguments import Parameters
from .context import Context
from .results import Returns
from .rules import Rules, RunIn
from .signature import NO_OPTIONS, CallOptions, Options, Sender, Signature, make_options

if TYPE_CHECKING:
    from ..job import Job

P = ParamSpec("P")  # what enqueue takes
Q = ParamSpec("Q")  # what the function takes: the same, or with a Context first
R = TypeVar("R")  # what the job's result is
T = TypeVar("T")  # what calling the function gives: a coroutine of R, or R


class Task(Generic[Q, T, P, R]):
    """A registered function. Calling it calls the function, nothing else; `enqueue` makes a job of the call.

    The type parameters are the function's own parameters and what calling it gives, and the parameters and the result
    of its jobs; they are inferred by `@queue.task`.
    """

    def __init__(self, function: Callable[Q, T], name: str, rules: Rules, sender: Sender) -> None:
        self.function = function
        self.name = name
        self.rules = rules
        self.sender = sender
        self.wants_context = wants_context(function, name)
        if self.wants_context and rules.run_in is RunIn.PROCESS:
            raise ConfigurationError(f"task {name!r}: a Context cannot cross to a process; drop the parameter")
        self.parameters = Parameters.of(function, name, skip_first=self.wants_context)
        self.returns = Returns.of(function, name)
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", name)
        self.__module__ = function.__module__
        self.__wrapped__ = function

    def __call__(self, *args: Q.args, **kwargs: Q.kwargs) -> T:
        return self.function(*args, **kwargs)

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Make a job of this call. It is durable when this returns, and will run to an outcome.

        Raises InvalidArguments or NotEncodable if the call does not fit the task, MessageTooLarge, and
        BrokerUnavailable if the broker was away for longer than the settings' `patience`; then nothing is known to be
        enqueued."""
        return await self.sender.enqueue(self, args, kwargs, NO_OPTIONS)

    def options(self, **options: Unpack[CallOptions]) -> TaskCall[P, R]:
        """The task with these options for the calls made from it. Raises ConfigurationError for a wrong one."""
        return TaskCall(self, make_options(options, self.sender.now()))

    def s(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """A call of this task not yet made."""
        return Signature(self, args, kwargs, NO_OPTIONS, self.sender)

    def __repr__(self) -> str:
        return f"<Task {self.name}({self.parameters.describe()})>"


class TaskCall(Generic[P, R]):
    """A task together with options for its calls."""

    __slots__ = ("_options", "_task")

    def __init__(self, task: Task[..., Any, P, R], options: Options) -> None:
        self._task = task
        self._options = options

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """As Task.enqueue, with the options. Also raises DuplicateJob if the id is that of another call."""
        return await self._task.sender.enqueue(self._task, args, kwargs, self._options)

    def s(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """A call with these options, not yet made."""
        return Signature(self._task, args, kwargs, self._options, self._task.sender)


def wants_context(function: Callable[..., Any], name: str) -> bool:
    try:
        parameters = list(inspect.signature(function).parameters.values())
        hints = get_type_hints(function)
    except (NameError, TypeError, ValueError) as error:
        raise ConfigurationError(f"task {name!r}: its annotations cannot be read: {error}") from error
    wanting = [p.name for p in parameters if hints.get(p.name) is Context]
    if wanting and wanting != [parameters[0].name]:
        raise ConfigurationError(f"task {name!r}: {wanting[-1]!r}: a Context goes first, and there is one")
    return bool(wanting)
