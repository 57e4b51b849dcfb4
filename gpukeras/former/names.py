"""Which names are no more, and what is written today."""

from __future__ import annotations


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


def _from(place: str, names: str) -> dict[str, str]:
    return {name: f"{place}.{name}" for name in names.split()}


TODAY: dict[str, dict[str, str]] = {
    "numpy": {
        **_pairs("bool=bool int=int float=float complex=complex object=object str=str long=int unicode=str math=math "
                 "alen=len"),
        **{name: f"numpy.{today}" for name, today in _pairs(
            "float_=float64 complex_=complex128 string_=bytes_ unicode_=str_ Inf=inf Infinity=inf infty=inf PINF=inf "
            "NaN=nan NAN=nan product=prod cumproduct=cumprod sometrue=any alltrue=all round_=round rank=ndim "
            "mat=asmatrix row_stack=vstack trapz=trapezoid").items()},
        "NINF": "-numpy.inf", "asscalar": "a.item()", "in1d": "numpy.isin", "msort": "numpy.sort(a, axis=0)",
        "asfarray": "numpy.asarray(a, dtype=float)", "cast": "numpy.asarray(a, dtype)"},
    "time": _pairs("clock=time.perf_counter"),
    "collections": _from("collections.abc", (
        "Awaitable Callable Collection Container Coroutine Generator Hashable ItemsView Iterable Iterator KeysView "
        "Mapping MappingView MutableMapping MutableSequence MutableSet Reversible Sequence Set Sized ValuesView")),
    "inspect": {"getargspec": "inspect.getfullargspec"},
    "fractions": _pairs("gcd=math.gcd"),
    "scipy.misc": {
        **_from("scipy.special", "comb factorial logsumexp"), "imread": "PIL.Image.open",
        "imsave": "PIL.Image.Image.save", "imresize": "PIL.Image.Image.resize", "toimage": "PIL.Image.fromarray",
        "fromimage": "numpy.asarray(image)", "bytescale": "numpy.clip"},
    "scipy.ndimage": {"imread": "PIL.Image.open"},
    "sklearn.cross_validation": _from("sklearn.model_selection",
                                      "train_test_split cross_val_score cross_val_predict"),
    "sklearn.grid_search": _from("sklearn.model_selection",
                                 "GridSearchCV ParameterGrid ParameterSampler RandomizedSearchCV"),
    "sklearn.externals": _pairs("joblib=joblib"),
    "sklearn.externals.joblib": _from("joblib", "Memory Parallel cpu_count delayed dump hash load"),
}
"""By module and name, what is written today."""
MODULES = ("scipy.misc", "sklearn.cross_validation", "sklearn.grid_search", "sklearn.externals.joblib")
"""Modules that are no more, or that their packages may do without."""


OWN = {
    **{("numpy", name): f"gpukeras.former.functions.{name}"
       for name in ("NINF", "asfarray", "asscalar", "cast", "in1d", "msort")},
    ("inspect", "getargspec"): "gpukeras.former.functions.getargspec",
    ("scipy.ndimage", "imread"): "gpukeras.former.pictures.imread",
    **{("scipy.misc", name): f"gpukeras.former.pictures.{name}"
       for name in ("imread", "imsave", "imresize", "toimage", "fromimage", "bytescale")},
}
"""Where those are that stood for something that has no name today."""
