"""Words, hashing and the vocabulary."""

from __future__ import annotations

import json
import math
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from gpukeras.preprocessing.text import (
    Tokenizer,
    hashing_trick,
    one_hot,
    text_to_word_sequence,
    tokenizer_from_json,
)

TEXTS = ["The cat sat on the mat.", "The dog sat on the log.", "Dogs and cats, living together!"]


@pytest.mark.parametrize(
    "text, options, words",
    [
        ("Hello! ? world's\tend\n", {}, ["hello", "world's", "end"]),
        ("Hello! World", {"lower": False}, ["Hello", "World"]),
        ("a-b c", {"filters": ""}, ["a-b", "c"]),
        ("a b,c", {"split": ","}, ["a b", "c"]),
        ("a, b::c!d", {"split": "::"}, ["a", " b", "c", "d"]),
        ("kırk? Öl", {}, ["kırk", "öl"]),
        (" .", {}, []),
    ],
)
def test_words(text, options, words):
    assert text_to_word_sequence(text, **options) == words


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="split must be at least one character"):
        text_to_word_sequence("a b", split="")


def test_hashing():
    text = "The cat sat on the mat."
    assert one_hot(text, 50) == hashing_trick(text, 50) == [hash(w) % 49 + 1 for w in text_to_word_sequence(text)]
    assert hashing_trick("A b-A", 10, len, "", False, "-") == [4, 2]
    numbers = hashing_trick(text, 5, hash_function="md5")
    assert len(numbers) == 6 and set(numbers) <= {1, 2, 3, 4} and numbers[0] == numbers[4]
    assert hashing_trick("", 2, "md5") == [] and hashing_trick("a b", 2, "md5") == [1, 1]
    # RFC 1321: MD5("a") = 0cc175b9c0f1b6a831c399e269772661
    assert hashing_trick("a", 10**9, "md5") == [0x0CC175B9C0F1B6A831C399E269772661 % (10**9 - 1) + 1]


def test_hashing_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="n must be at least 2, not 1"):
        one_hot("a", 1)
    with pytest.raises(TypeError, match="'md5' or a function, not 'sha1'"):
        hashing_trick("a", 5, "sha1")


def test_the_vocabulary():
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(iter(TEXTS))
    assert isinstance(tokenizer.word_counts, OrderedDict)
    assert list(tokenizer.word_counts.items())[:5] == [("the", 4), ("cat", 1), ("sat", 2), ("on", 2), ("mat", 1)]
    assert tokenizer.word_docs["the"] == 2 and tokenizer.word_docs["mat"] == 1
    assert list(tokenizer.word_index) == (
        ["the", "sat", "on", "cat", "mat", "dog", "log", "dogs", "and", "cats", "living", "together"]
    )
    assert list(tokenizer.word_index.values()) == list(range(1, 13))
    assert tokenizer.index_docs[1] == 2 and len(tokenizer.index_docs) == 12
    assert tokenizer.document_count == 3
    assert tokenizer.texts_to_sequences(["The bird on the LOG", "?"]) == [[1, 3, 1, 7], []]


def test_fitting_again_adds_words_but_counts_texts_anew():
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(["a a b"])
    tokenizer.fit_on_texts(["b", "b c"])
    assert tokenizer.word_counts == {"a": 2, "b": 3, "c": 1} and tokenizer.word_docs == {"a": 1, "b": 3, "c": 1}
    assert tokenizer.word_index == {"b": 1, "a": 2, "c": 3} and tokenizer.document_count == 2


def test_num_words_limits_what_is_used_not_what_is_known():
    tokenizer = Tokenizer(num_words=3)
    tokenizer.fit_on_texts(TEXTS)
    assert len(tokenizer.word_index) == 12
    assert list(tokenizer.texts_to_sequences_generator(TEXTS)) == [[1, 2, 1], [1, 2, 1], []]
    assert tokenizer.texts_to_matrix(TEXTS).tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 0]]


def test_characters_stand_as_they_are():
    tokenizer = Tokenizer(char_level=True)
    tokenizer.fit_on_texts(["A! a", "a"])
    assert tokenizer.word_index == {"a": 1, "A": 2, "!": 3, " ": 4}
    assert tokenizer.texts_to_sequences(["aA?"]) == [[1, 2]]


def test_the_word_for_words_out_of_the_vocabulary():
    tokenizer = Tokenizer(num_words=4, oov_token="?")
    tokenizer.fit_on_texts(["a a a b b c"])
    assert tokenizer.word_index == {"?": 1, "a": 2, "b": 3, "c": 4}
    assert tokenizer.texts_to_sequences(["a c d b"]) == [[2, 1, 1, 3]]
    known = Tokenizer(oov_token="unk")
    known.fit_on_texts(["a a unk"])
    assert known.word_index == {"unk": 1, "a": 2} and known.index_docs == {1: 1, 2: 1}


def test_a_vocabulary_of_ones_own():
    tokenizer = Tokenizer()
    tokenizer.word_index = {"a": 5, "b": 90}
    assert tokenizer.texts_to_sequences(["b a"]) == [[90, 5]]


def test_word_weights():
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(["a a b", "a c"])
    text = ["b b b a", "x", "c"]
    expected = {
        "binary": [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]],
        "count": [[0, 1, 3, 0], [0, 0, 0, 0], [0, 0, 0, 1]],
        "freq": [[0, 0.25, 0.75, 0], [0, 0, 0, 0], [0, 0, 0, 1]],
        "tfidf": [
            [0, math.log(1 + 2 / 3), (1 + math.log(3)) * math.log(2), 0],
            [0, 0, 0, 0],
            [0, 0, 0, math.log(2)],
        ],
    }
    for mode, rows in expected.items():
        matrix = tokenizer.texts_to_matrix(text, mode=mode)
        assert matrix.dtype == np.float64
        np.testing.assert_allclose(matrix, rows, err_msg=mode)
    assert tokenizer.texts_to_matrix(text).tolist() == expected["binary"]


def test_sequences_alone():
    tokenizer = Tokenizer(num_words=4)
    tokenizer.fit_on_sequences([[1, 1, 9], [1, 2], []])
    assert tokenizer.index_docs == {1: 2, 2: 1, 9: 1} and tokenizer.document_count == 3
    # 9 has no column, but is in the length
    assert tokenizer.sequences_to_matrix([np.array([1, 9])], "freq").tolist() == [[0, 0.5, 0, 0]]
    unseen = tokenizer.sequences_to_matrix([[3]], "tfidf")
    np.testing.assert_allclose(unseen, [[0, 0, 0, math.log(4)]])


@pytest.mark.parametrize(
    "action, message",
    [
        (lambda: Tokenizer().texts_to_sequences(["a"]), "no vocabulary yet. Call fit_on_texts"),
        (lambda: Tokenizer().sequences_to_matrix([[1]]), "give num_words="),
        (lambda: Tokenizer(3).sequences_to_matrix([[1]], "tfidf"), "'tfidf' needs counts"),
        (lambda: Tokenizer(3).sequences_to_matrix([[1]], "sum"), "'binary', 'count', 'freq', 'tfidf', not 'sum'"),
    ],
)
def test_errors_name_the_way_out(action, message):
    with pytest.raises(ValueError, match=message):
        action()


def test_arguments():
    with pytest.warns(UserWarning, match="write num_words="):
        assert Tokenizer(nb_words=7).num_words == 7
    with pytest.raises(TypeError, match="no argument 'words'"):
        Tokenizer(words=3)
    tokenizer = Tokenizer(5, "!", False, "-", True)
    assert (tokenizer.filters, tokenizer.lower, tokenizer.split, tokenizer.char_level) == ("!", False, "-", True)


def test_a_tokenizer_pickles():
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(TEXTS)
    assert pickle.loads(pickle.dumps(tokenizer)).texts_to_sequences(TEXTS) == tokenizer.texts_to_sequences(TEXTS)


def test_texts_from_numbers():
    tokenizer = Tokenizer(num_words=3, oov_token="?")
    tokenizer.fit_on_texts(["a b a", "c"])
    assert tokenizer.index_word == {1: "?", 2: "a", 3: "b", 4: "c"}
    assert tokenizer.sequences_to_texts([[1, 2, 3, 4, 9], []]) == ["? a ? ? ?", ""]  # Keras 2.15's answer
    tokenizer = Tokenizer(num_words=3)
    tokenizer.fit_on_texts(["a b a", "c"])
    assert list(tokenizer.sequences_to_texts_generator([[1, 2, 3, 0, 9]])) == ["a b"]


# Tokenizer(num_words=3, oov_token='?'), fitted to ['a b a', 'c'], written by Keras 2.15 (filters left out here)
WRITTEN = r"""{"class_name": "Tokenizer", "config": {"num_words": 3, "filters": "!?", "lower": true, "split": " ",
"char_level": false, "oov_token": "?", "document_count": 2, "word_counts": "{\"a\": 2, \"b\": 1, \"c\": 1}",
"word_docs": "{\"a\": 1, \"b\": 1, \"c\": 1}", "index_docs": "{\"2\": 1, \"3\": 1, \"4\": 1}",
"index_word": "{\"1\": \"?\", \"2\": \"a\", \"3\": \"b\", \"4\": \"c\"}",
"word_index": "{\"?\": 1, \"a\": 2, \"b\": 3, \"c\": 4}"}}"""


def test_json_of_keras():
    own = Tokenizer(num_words=3, oov_token="?", filters="!?")
    own.fit_on_texts(["a b a", "c"])
    read = tokenizer_from_json(WRITTEN)
    assert vars(read) == vars(own) and isinstance(read.word_counts, OrderedDict)
    assert json.loads(own.to_json()) == json.loads(WRITTEN)
    read.fit_on_texts(["c c c"])
    assert read.word_index == {"?": 1, "c": 2, "a": 3, "b": 4}
    assert own.to_json(indent=1).count("\n") > 10


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"config": {}}', "null",
                                  WRITTEN.replace('"index_docs": "{', '"index_docs": "['),
                                  WRITTEN.replace('{\\"2\\"', '{\\"x\\"')])
def test_json_that_is_no_tokenizer(text):
    with pytest.raises(ValueError, match="no tokenizer in JSON"):
        tokenizer_from_json(text)


def test_texts_may_be_lists_of_words():
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts([["A", "b,"], ["b,", "C d"]])
    assert tokenizer.word_index == {"b,": 1, "a": 2, "c d": 3}
    assert tokenizer.texts_to_sequences([["B,", "a", "x"], "a c"]) == [[1, 2], [2]]
    tokenizer = Tokenizer(lower=False)
    tokenizer.fit_on_texts([["A", "a"]])
    assert tokenizer.word_index == {"A": 1, "a": 2}
