"""From graph to program: simplify, fuse, plan memory, run."""

from .feed import Feed
from .function import Function, debugging
from .interpret import Interpreter
from .program import Program

__all__ = ["Feed", "Function", "Interpreter", "Program", "debugging"]
