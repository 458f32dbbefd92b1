"""From `module:queue` to the AioQueue it names. What is wrong is said in one line that says what to do."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from ..app import AioQueue
from ..errors import AioqueueError, ConfigurationError

APP = "AIOQUEUE_APP"
_FRAMES = 3  # of a traceback, from the user's own code


class CannotImport(ConfigurationError):
    """The user's module raised while it was imported. `lines` is the end of its traceback."""

    def __init__(self, message: str, lines: str) -> None:
        super().__init__(message)
        self.lines = lines


def load(target: str | None) -> AioQueue:
    """The AioQueue that `module:queue` names, or the only one of `module`. The module is found from the working
    directory. Raises ConfigurationError, or CannotImport if the module itself raises."""
    target = target or os.environ.get(APP)
    if not target:
        raise ConfigurationError(f"say which queue: module:queue, such as shop:queue for shop.py; or set {APP}")
    name, _, attribute = target.partition(":")
    if name.endswith(".py") or "/" in name:
        dotted = ".".join(Path(name.removesuffix(".py")).parts)
        raise ConfigurationError(f"{name} is a path: write the module's name, {dotted}:{attribute or 'queue'}")
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise ConfigurationError(f"{target!r} names no module: write module:queue, such as shop:queue for shop.py")
    module = _import(name, attribute)
    return _attribute(module, attribute) if attribute else _only(module)


def _import(name: str, attribute: str) -> ModuleType:
    here = os.getcwd()
    if sys.path[:1] not in ([""], [here]):
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing == name or name.startswith(f"{missing}."):
            raise ConfigurationError(_not_found(name, missing, here, attribute)) from None
        raise _failed(name, error) from error
    except AioqueueError as error:
        raise ConfigurationError(f"{error} ({_place(error)})") from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _not_found(name: str, missing: str, here: str, attribute: str) -> str:
    parent, _, last = missing.rpartition(".")
    folders = list(getattr(sys.modules.get(parent), "__path__", [])) if parent else [here]
    near = get_close_matches(last, [module.name for module in pkgutil.iter_modules(folders)], 1)
    if near:
        wanted = ".".join(filter(None, (parent, near[0]))) + name[len(missing) :]
        return f"there is no module {missing!r} in {here}: did you mean {wanted}{attribute and ':'}{attribute}?"
    return f"there is no module {missing!r} in {here}: start from the folder it is in, or put that on PYTHONPATH"


def _failed(name: str, error: BaseException) -> CannotImport:
    if isinstance(error, SystemExit):
        text = "it ended the program; put what it runs below `if __name__ == '__main__':`"
    else:
        text = " ".join(f"{type(error).__name__}: {error}".split())
    return CannotImport(f"{name} cannot be imported: {text}", _last_lines(error))


def _own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    # Frames of ours and of the import system say nothing about the module.
    ours = (str(Path(__file__).parents[1]), str(Path(importlib.__file__).parent), "<frozen")
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(ours)]


def _last_lines(error: BaseException) -> str:
    frames = traceback.format_list(_own_frames(error)[-_FRAMES:])
    return "".join([*frames, *traceback.format_exception_only(error)]).rstrip()


def _place(error: BaseException) -> str:
    frames = _own_frames(error)
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else "in its module"


def _queues(module: ModuleType) -> dict[str, AioQueue]:
    found: dict[str, AioQueue] = {}
    for name, value in vars(module).items():
        if isinstance(value, AioQueue) and not any(value is other for other in found.values()):
            found[name] = value
    return found


def _only(module: ModuleType) -> AioQueue:
    found = _queues(module)
    if not found:
        raise ConfigurationError(f"{module.__name__} has no AioQueue: make one there, queue = AioQueue()")
    if len(found) > 1:
        several = ", ".join(f"{module.__name__}:{name}" for name in found)
        raise ConfigurationError(f"{module.__name__} has several queues, say which: {several}")
    return next(iter(found.values()))


def _attribute(module: ModuleType, path: str) -> AioQueue:
    value: object = module
    for part in path.split("."):
        if not hasattr(value, part):
            raise ConfigurationError(f"{module.__name__} has no {path!r}: {_advice(module, path)}")
        value = getattr(value, part)
    if not isinstance(value, AioQueue):
        kind = type(value).__name__
        raise ConfigurationError(f"{module.__name__}:{path} is no AioQueue but a {kind}: {_advice(module, path)}")
    return value


def _advice(module: ModuleType, path: str) -> str:
    queues = _queues(module)
    near = get_close_matches(path, queues, 1) or list(queues)
    if near:
        return f"did you mean {module.__name__}:{near[0]}?"
    return "it has no AioQueue; make one there, queue = AioQueue()"
