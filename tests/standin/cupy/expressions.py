"""Runs the text of a generated elementwise kernel (declarations and assignments of C expressions) on NumPy arrays."""

import re

import numpy as np

_TYPES = {
    "half": "float16", "float16": "float16", "bfloat16": "bfloat16", "float": "float32", "double": "float64",
    "signed char": "int8", "short": "int16", "int": "int32", "long long": "int64", "unsigned char": "uint8",
    "unsigned short": "uint16", "unsigned int": "uint32", "unsigned long long": "uint64", "bool": "bool",
}  # fmt: skip
_TYPE = "|".join(sorted(_TYPES, key=len, reverse=True))
_NUMBER = r"\d+\.\d*(?:e[+-]?\d+)?f?|\d+(?:e[+-]?\d+f?)?"
_TOKEN = re.compile(rf"\s*(\((?:{_TYPE})\)|{_NUMBER}|\w+\[\d\]|\w+|&&|\|\||[<>=!]=|[-+*/<>!?:(),])")
_BINARY = ({"||": np.logical_or}, {"&&": np.logical_and}, {"==": np.equal, "!=": np.not_equal},
           {"<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal},
           {"+": np.add, "-": np.subtract}, {"*": np.multiply, "/": None})
_FUNCTIONS = {"pow": np.power, "abs": np.abs, "fabs": np.abs, "rint": np.rint, "isnan": np.isnan, "isinf": np.isinf,
              "erf": lambda x: np.asarray(np.frompyfunc(__import__("math").erf, 1, 1)(x), np.result_type(x))}


class _Parser:
    def __init__(self, text, values):
        self.tokens = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            assert match, f"can't read {text[at:]!r}"
            self.tokens.append(match[1])
            at = match.end()
        self.values = values

    def peek(self):
        return self.tokens[0] if self.tokens else ""

    def take(self, expected=None):
        token = self.tokens.pop(0)
        assert expected in (None, token), f"expected {expected!r}, got {token!r}"
        return token

    def expression(self):
        condition = self.binary(0)
        if self.peek() != "?":
            return condition
        self.take("?")
        yes = self.expression()
        self.take(":")
        return np.where(condition, *_promoted(yes, self.expression()))

    def binary(self, level):
        if level == len(_BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek() in _BINARY[level]:
            token = self.take()
            right = self.binary(level + 1)
            if token == "/":
                left, right = _promoted(left, right)
                whole = np.result_type(left, right).kind in "iu"
                left = np.trunc(np.divide(left, right)).astype(np.result_type(left, right)) if whole else left / right
            else:
                function = _BINARY[level][token]
                left = function(left, right) if level < 2 else function(*_promoted(left, right))
        return left

    def unary(self):
        token = self.take()
        if token == "-":
            return -_promoted(self.unary())[0]
        if token == "!":
            return np.logical_not(self.unary())
        if token[0] == "(" and len(token) > 1:
            return np.asarray(self.unary()).astype(_TYPES[token[1:-1]])
        if token == "(":
            value = self.expression()
            self.take(")")
            return value
        if token[0].isdigit():
            return int(token) if token.isdigit() else float(token.rstrip("f"))
        if token.endswith("]"):  # an element of a raw argument
            name, _, place = token[:-1].partition("[")
            return int(self.values[name][int(place)])
        if self.peek() != "(":
            return self.values[token]
        self.take("(")
        arguments = [self.expression()]
        while self.peek() == ",":
            self.take()
            arguments.append(self.expression())
        self.take(")")
        if token == "pow" and np.result_type(*arguments).kind != "f":
            raise TypeError("pow of whole numbers is ambiguous in CUDA")
        if token.startswith("philox_"):
            return _drawn(token[7:], *arguments)
        return _FUNCTIONS.get(token, getattr(np, token, None))(*_promoted(*arguments))


def _promoted(*values):
    """C computes with truth values as ints."""
    return [v.astype("int32") if isinstance(v, (np.ndarray, np.generic)) and v.dtype == bool else v for v in values]


def _drawn(kind, seed, step, places, level=0.0):
    """The functions of kernels/philox.cuh, from their oracle; `places` is the index i of a whole array."""
    from gpukeras.ops.philox import drawn

    kind, _, dtype = kind.partition("_")
    values = drawn(kind, places.size, seed, step, "float64" if dtype else "float32", level)
    return values.reshape(places.shape)


def run_kernel(body, values, outputs):
    """Runs the statements; `values` has the arrays by name, those in `outputs` are written at the end."""
    values = dict(values)
    arrays = {name: values[name] for name in outputs}
    shape = arrays[outputs[0]].shape
    values["i"] = np.arange(int(np.prod(shape))).reshape(shape)
    results = {}
    with np.errstate(all="ignore"):
        for statement in body.replace("\n", " ").split(";"):
            declared = re.fullmatch(rf"\s*(?:const\s+({_TYPE})\s+)?(\w+)\s*=(?!=)(.*)", statement)
            if declared is None:
                assert not statement.strip(), statement
                continue
            kind, name, text = declared.groups()
            parser = _Parser(text, values)
            value = parser.expression()
            assert not parser.tokens, f"left over: {parser.tokens}"
            values[name] = np.asarray(value).astype(_TYPES[kind]) if kind else value
            if name in arrays:
                results[name] = value
    for name, value in results.items():
        np.copyto(arrays[name], value, "unsafe")
