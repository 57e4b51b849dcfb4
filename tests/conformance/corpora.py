"""Small data in the form that Keras's examples look for: digits, noise, stories, words, translations."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path
from typing import Any

NUMBERS = {"zero": "zéro", "one": "un", "two": "deux", "three": "trois", "four": "quatre", "five": "cinq", "six": "six",
           "seven": "sept", "eight": "huit", "nine": "neuf"}
PEOPLE, PLACES, THINGS = ("Ada", "Emmy", "Grace"), ("garden", "kitchen", "office", "hallway"), ("apple", "milk", "book")


def load_images(count: int, size: int, colours: int) -> Any:
    """(x_train, y_train), (x_test, y_test) of digits, enlarged to `size` pixels, uint8."""
    import numpy as np

    from gpukeras.datasets import digits

    (x, y), _ = digits.load_data()
    scale = size // 8
    margin = (size - 8 * scale) // 2
    x = np.kron(x * 15.9, np.ones((scale, scale))).astype("uint8")
    x = np.pad(x, ((0, 0), (margin, size - 8 * scale - margin), (margin, size - 8 * scale - margin)))
    tests = max(count // 6, 1)
    rows = np.arange(count + tests) % len(x)
    x, y = x[rows], y[rows].astype("uint8")
    if colours:
        x, y = np.stack([x] * colours, axis=-1), y[:, None]
    return (x[:count], y[:count]), (x[count:], y[count:])


def load_texts(classes: int, num_words: int | None = None, **_: Any) -> Any:
    """Lists of word numbers in which each class has words of its own."""
    import numpy as np

    state, top = np.random.RandomState(0), num_words or 5000
    y = np.concatenate([np.arange(classes), state.randint(0, classes, 500 - classes)])
    x = np.empty(500, object)
    for i, label in enumerate(y):
        words = 3 + state.zipf(1.5, state.randint(20, 120)) * (classes + 1) + label
        x[i] = [1, *(int(word) if word < top else 2 for word in words)]
    return (x[:400], y[:400]), (x[400:], y[400:])


def patch_datasets(source: str) -> None:
    """Gives `keras.datasets` what is here; MNIST in full size where a program writes down how large it is."""
    from gpukeras.datasets import cifar10, imdb, mnist, reuters

    mnist.load_data = lambda *_: load_images(60000 if "60000" in source else 1200, 28, 0)
    cifar10.load_data = lambda: load_images(320, 32, 3)
    imdb.load_data = lambda **options: load_texts(2, **options)
    reuters.load_data = lambda **options: load_texts(46, **options)


def write(cache: Path, beside: Path, prose: str) -> None:
    """Files that examples download (into Keras's folder of data sets), or expect beside them."""
    draw = random.Random(0)
    cache.mkdir(parents=True)
    prose = " ".join(prose.split())
    (cache / "nietzsche.txt").write_text(prose[:9000], encoding="utf-8")
    babi = {f"tasks_1-20_v1-2/en-10k/qa1_single-supporting-fact_{part}.txt": _where_is(draw, count)
            for part, count in (("train", 120), ("test", 40))}
    babi.update({f"tasks_1-20_v1-2/en/qa2_two-supporting-facts_{part}.txt": _where_is(draw, count)
                 for part, count in (("train", 120), ("test", 40))})
    _archive(cache / "babi-tasks-v1-2.tar.gz", babi)
    words = sorted({"".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=4)) for _ in range(30000)})
    pairs = [f"{draw.choice(words)} {draw.choice(words)}" for _ in range(20000)]
    _archive(cache / "wordlists.tgz.tar.gz", {"wordlist_mono_clean.txt": "\n".join(words),
                                              "wordlist_bi_clean.txt": "\n".join(pairs), "wordlists.tgz": ""})
    sentences = []
    for i in range(300):
        spoken = [list(NUMBERS)[int(digit)] for digit in str(i)]
        sentences.append(f"{' '.join(spoken)}.\t{' '.join(NUMBERS[word] for word in spoken)}.")
    _write(beside / "fra-eng" / "fra.txt", "\n".join(sentences) + "\n")
    common = sorted(set(prose.lower().split()))[:1500]
    vectors = [" ".join([word, *(f"{draw.gauss(0, 0.4):.4f}" for _ in range(100))]) for word in common]
    _write(beside / "glove.6B" / "glove.6B.100d.txt", "\n".join(vectors) + "\n")
    for group in range(5):  # with more than 20,000 words together
        for i in range(40):
            rare = " ".join(f"w{group}x{i}x{j}" for j in range(115))
            text = " ".join(draw.choices(common[group::5], k=60))
            _write(beside / "20_newsgroup" / f"group{group}" / str(1000 + i), f"From: nobody\n\n{text} {rare}\n")


def _where_is(draw: random.Random, stories: int) -> str:
    """Stories in bAbI's form: who went where, and a question with its answer and the lines that tell it."""
    lines = []
    for _ in range(stories):
        who, where, what = draw.choice(PEOPLE), draw.choice(PLACES), draw.choice(THINGS)
        lines += [f"1 {who} took the {what} there.", f"2 {who} went to the {where}.",
                  f"3 Where is the {what}? \t{where}\t1 2"]
    return "\n".join(lines) + "\n"


def _archive(path: Path, members: dict[str, str]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
