"""Texts made word numbers, by hashing or by a vocabulary, and vectors of word weights."""

from __future__ import annotations

import json
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from hashlib import md5
from typing import Any

import numpy as np

PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n"  # ASCII's, without the apostrophe


def text_to_word_sequence(text: str, filters: str = PUNCTUATION, lower: bool = True, split: str = " ") -> list[str]:
    """The words of `text`: what stands between `split` (one or more characters) and the characters of `filters`.

    ValueError for an empty `split`.

    >>> text_to_word_sequence("Don't panic: it's only text!")
    ["don't", 'panic', "it's", 'only', 'text']
    """
    if not split:
        raise ValueError("text_to_word_sequence: split must be at least one character; char_level=True of Tokenizer "
                         "makes every character a word.")
    if lower:
        text = text.lower()
    return [word for word in text.translate({ord(c): split for c in filters}).split(split) if word]


def one_hot(text: str, n: int, filters: str = PUNCTUATION, lower: bool = True, split: str = " ") -> list[int]:
    """`hashing_trick` with Python's `hash`: numbers (not vectors) from 1 to n - 1, other ones in each process.

    >>> first, _, again = one_hot("one two one", 50)
    >>> first == again
    True
    """
    return hashing_trick(text, n, hash, filters, lower, split)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | str | None = None,
    filters: str = PUNCTUATION,
    lower: bool = True,
    split: str = " ",
) -> list[int]:
    """The words of `text` as numbers from 1 to n - 1, by their hash: several words may share a number.

    `hash_function` is 'md5', any function from a word to an integer, or None for Python's `hash`, which differs from
    process to process. ValueError for n < 2, TypeError for another hash function.

    >>> hashing_trick("the cat and the dog", 100, "md5")
    [51, 3, 69, 51, 33]
    """
    if n < 2:
        raise ValueError(f"hashing_trick: words get the numbers 1 to n - 1, so n must be at least 2, not {n!r}.")
    number = hash if hash_function is None else _md5 if hash_function == "md5" else hash_function
    if not callable(number):
        raise TypeError(f"hashing_trick: hash_function must be None, 'md5' or a function, not {hash_function!r}.")
    return [number(word) % (n - 1) + 1 for word in text_to_word_sequence(text, filters, lower, split)]


def _md5(word: str) -> int:
    return int.from_bytes(md5(word.encode(), usedforsecurity=False).digest(), "big")


class Tokenizer:
    """A vocabulary learnt from texts, which turns texts into word numbers or into rows of word weights.

    Words are numbered from 1 by falling frequency, equally frequent ones in order of appearance; number 0 is no word.
    With `num_words` only numbers below it are used. `char_level` makes every character a word, as it stands: `filters`,
    `lower` and `split` are those of `text_to_word_sequence` and are then unused. A text may also be a list of its words
    (from newer Keras), to which only `lower` applies. Words without a number are left out,
    or with `oov_token` (from newer Keras) replaced by that word, which is number 1.

    After `fit_on_texts`: `word_counts` (occurrences), `word_docs` (texts with the word) and `word_index` (number) by
    word, `index_word` (word) and `index_docs` (texts with the word) by number, and `document_count`, the texts of the
    last fit. Fitting again adds to the counts.

    >>> tokenizer = Tokenizer()
    >>> tokenizer.fit_on_texts(["The cat sat.", "The dog!"])
    >>> tokenizer.word_index
    {'the': 1, 'cat': 2, 'sat': 3, 'dog': 4}
    >>> tokenizer.texts_to_sequences(["dog and cat"])
    [[4, 2]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = PUNCTUATION,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        **kwargs: Any,
    ) -> None:
        if "nb_words" in kwargs:
            warnings.warn("Tokenizer: nb_words is Keras 1's name; write num_words=.", stacklevel=2)
            num_words = kwargs.pop("nb_words")
        if kwargs:
            raise TypeError(f"Tokenizer has no argument {sorted(kwargs)[0]!r}.")
        self.num_words = num_words
        self.filters = filters
        self.lower = lower
        self.split = split
        self.char_level = char_level
        self.oov_token = oov_token
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: dict[str, int] = {}
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}
        self.index_docs: dict[int, int] = {}
        self.document_count = 0

    def _words(self, text: str | list[str]) -> Sequence[str]:
        if isinstance(text, list):
            return [word.lower() for word in text] if self.lower else text
        return text if self.char_level else text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[str | list[str]]) -> None:
        """Count the words of the texts (a list or an iterator), and number all words counted so far.

        >>> tokenizer = Tokenizer(char_level=True)
        >>> tokenizer.fit_on_texts(["abb", "b"])
        >>> dict(tokenizer.word_counts), tokenizer.word_docs, tokenizer.word_index
        ({'a': 1, 'b': 3}, {'a': 1, 'b': 2}, {'b': 1, 'a': 2})
        """
        self.document_count = 0
        for text in texts:
            self.document_count += 1
            for word, count in Counter(self._words(text)).items():
                self.word_counts[word] = self.word_counts.get(word, 0) + count
                self.word_docs[word] = self.word_docs.get(word, 0) + 1

        ranked = sorted(self.word_counts, key=lambda word: -self.word_counts[word])
        if self.oov_token is not None:
            ranked = [self.oov_token, *(word for word in ranked if word != self.oov_token)]
        self.word_index = {word: number for number, word in enumerate(ranked, 1)}
        self.index_word = dict(enumerate(ranked, 1))
        self.index_docs = {self.word_index[word]: count for word, count in self.word_docs.items()}

    def fit_on_sequences(self, sequences: Collection[Iterable[int]]) -> None:
        """Count in how many sequences of word numbers each number is, as mode 'tfidf' needs when there are no texts.

        >>> tokenizer = Tokenizer(num_words=4)
        >>> tokenizer.fit_on_sequences([[1, 1, 3], [3]])
        >>> tokenizer.index_docs, tokenizer.document_count
        ({1: 1, 3: 2}, 2)
        """
        self.document_count = len(sequences)
        self.index_docs = dict(Counter(number for sequence in sequences for number in set(sequence)))

    def texts_to_sequences(self, texts: Iterable[str | list[str]]) -> list[list[int]]:
        """The word numbers of each text. ValueError before any fit.

        >>> tokenizer = Tokenizer(num_words=3, oov_token="?")
        >>> tokenizer.fit_on_texts(["to be or not to be"])
        >>> tokenizer.texts_to_sequences(["to be", "or to do"])
        [[2, 1], [1, 2, 1]]
        """
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[str | list[str]]) -> Iterator[list[int]]:
        """As `texts_to_sequences`, one text at a time.

        >>> tokenizer = Tokenizer()
        >>> tokenizer.fit_on_texts(["to be"])
        >>> next(tokenizer.texts_to_sequences_generator(["be to"]))
        [2, 1]
        """
        if not self.word_index and not self.document_count:
            raise ValueError("Tokenizer has no vocabulary yet. Call fit_on_texts first.")
        for text in texts:
            numbers = map(self._number, self._words(text))
            yield [number for number in numbers if number is not None]

    def _number(self, word: str) -> int | None:
        """The word's number, or else that of `oov_token`, which may be none."""
        number = self.word_index.get(word)
        if number is not None and not (self.num_words and number >= self.num_words):
            return number
        return None if self.oov_token is None else self.word_index.get(self.oov_token)

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """The words of each sequence of numbers, with blanks between them (from newer Keras). A number that
        `texts_to_sequences` would not make is left out, or becomes `oov_token`.

        >>> tokenizer = Tokenizer()
        >>> tokenizer.fit_on_texts(["to be or not to be"])
        >>> tokenizer.sequences_to_texts([[1, 2], [3, 99, 1]])
        ['to be', 'or to']
        """
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """As `sequences_to_texts`, one sequence at a time.

        >>> tokenizer = Tokenizer(oov_token="?")
        >>> tokenizer.fit_on_texts(["to be"])
        >>> next(tokenizer.sequences_to_texts_generator([[3, 2, 0]]))
        'be to ?'
        """
        known = {number: word for word, number in self.word_index.items()
                 if not (self.num_words and number >= self.num_words)}
        for sequence in sequences:
            words = [known.get(number, self.oov_token) for number in sequence]
            yield " ".join(word for word in words if word is not None)

    def texts_to_matrix(self, texts: Iterable[str | list[str]], mode: str = "binary") -> np.ndarray:
        """`sequences_to_matrix` of the texts' word numbers: float64 (texts, words).

        >>> tokenizer = Tokenizer()
        >>> tokenizer.fit_on_texts(["to be"])
        >>> tokenizer.texts_to_matrix(["be", "to be, to be"], mode="count")
        array([[0., 0., 1.],
               [0., 2., 2.]])
        """
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Collection[Collection[int]], mode: str = "binary") -> np.ndarray:
        """A row of word weights for each sequence of word numbers: float64 (sequences, words), column 0 unused.

        There are `num_words` columns, or one more than there are words. Of a word that occurs c times in a sequence of
        length n, and in d of D texts fitted, the weight is by `mode`: 'binary' 1, 'count' c, 'freq' c / n, and 'tfidf'
        (1 + log c) log(1 + D / (1 + d)). ValueError for another mode, for 'tfidf' without a fit, and for neither
        `num_words` nor a vocabulary.

        >>> Tokenizer(num_words=4).sequences_to_matrix([[1, 3, 3, 3], [2]], mode="freq")
        array([[0.  , 0.25, 0.  , 0.75],
               [0.  , 0.  , 1.  , 0.  ]])
        """
        if not self.num_words and not self.word_index:
            raise ValueError("Tokenizer does not know how many words there are: give num_words=, or call fit_on_texts.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Tokenizer: mode 'tfidf' needs counts. Call fit_on_texts or fit_on_sequences first.")
        weights: dict[str, Callable[[int, int, int], float]] = {
            "binary": lambda number, count, length: 1.0,
            "count": lambda number, count, length: count,
            "freq": lambda number, count, length: count / length,
            "tfidf": lambda number, count, length: (1 + np.log(count)) * self._inverse_document_frequency(number),
        }
        if mode not in weights:
            raise ValueError(f"Tokenizer: mode must be one of {', '.join(map(repr, weights))}, not {mode!r}.")

        columns = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences):
            for number, count in Counter(number for number in sequence if number < columns).items():
                row[number] = weights[mode](number, count, len(sequence))
        return matrix

    def _inverse_document_frequency(self, number: int) -> float:
        result: float = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
        return result

    def get_config(self) -> dict[str, Any]:
        """Arguments and vocabulary as plain data; the vocabulary's dicts as JSON texts, as newer Keras has them.

        >>> Tokenizer(num_words=9).get_config()["num_words"]
        9
        """
        return {**{name: getattr(self, name) for name in _ARGUMENTS}, "document_count": self.document_count,
                **{name: json.dumps(getattr(self, name)) for name in _VOCABULARY}}

    def to_json(self, **kwargs: Any) -> str:
        """The config as JSON, for `tokenizer_from_json`; `kwargs` go to `json.dumps`.

        >>> tokenizer = Tokenizer()
        >>> tokenizer.fit_on_texts(["to be"])
        >>> tokenizer_from_json(tokenizer.to_json()).texts_to_sequences(["be"])
        [[2]]
        """
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


_ARGUMENTS = ("num_words", "filters", "lower", "split", "char_level", "oov_token")
_VOCABULARY = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_json` described, here or in newer Keras. ValueError for any other text.

    >>> tokenizer_from_json(Tokenizer(split="-").to_json()).split
    '-'
    """
    try:
        config = json.loads(json_string)["config"]
        tokenizer = Tokenizer(**{name: config[name] for name in _ARGUMENTS})
        tokenizer.document_count = int(config["document_count"])
        for name in _VOCABULARY:
            stored = dict(json.loads(config[name]))
            by_number = name.startswith("index_")
            setattr(tokenizer, name, {int(key): value for key, value in stored.items()} if by_number else stored)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"tokenizer_from_json: this is no tokenizer in JSON ({error!r}).") from error
    tokenizer.word_counts = OrderedDict(tokenizer.word_counts)
    return tokenizer
