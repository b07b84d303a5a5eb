#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

"""Writes what the text tests compare with: results of the Hugging Face `tokenizers` library.

    pip install tokenizers==0.23.3
    python3 tools/make_tokenizer_cases.py            from the source directory; needs Python 3.11 (Unicode 14)

tests/text/data/cases.json.gz: texts, with the pieces of the split patterns (bytes each) and the ids of two tokenizers:
    "demo" is weights/tokenizer.json, whose pattern Sequence is that of the released DeepSeek-V3 to V3.2-Exp;
    "dense" is tests/text/data/tokenizer.json, trained here without patterns, so that its merges reach across pieces and
    a wrong split shows in the ids. "ids" have added tokens recognised, "plain" have not.
tests/text/data/unicode.json.gz: the pieces of one probe text for every code point.
src/text/unicode_table.h: where Unicode 14 and the library's Unicode tables put a character into different classes.
"""

import gzip
import json
import random
import unicodedata
from pathlib import Path

import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

PINNED = "0.23.3"
ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "text" / "data"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
SPACES = [chr(c) for c in (9, 10, 11, 12, 13, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F,
                           0x205F, 0x3000)]
LOOK_LIKE_SPACES = [chr(c) for c in (0x180E, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x1C, 0x1F, 0x7F, 0)]


# --- Unicode as the library sees it ---------------------------------------------------------------------------------

def library_categories():
    """The general category of each code point according to the library; "Cn" where it knows none."""
    categories = dict.fromkeys(CODE_POINTS, "Cn")
    for category in CATEGORIES:
        remove = pre_tokenizers.Split(Regex(r"\p{%s}" % category), "removed")
        for start in range(0, 0x110000, 4096):
            block = [c for c in range(start, start + 4096) if c in categories]
            kept = {ord(x) for text, _ in remove.pre_tokenize_str("".join(map(chr, block))) for x in text}
            for c in block:
                if c not in kept:
                    categories[c] = category
    return categories


def utf8_bytes(c):
    return len(chr(c).encode())


def write_unicode_table(categories):
    """Rows of first, last, stand-in: an old character of the category and with as many bytes in UTF-8."""
    kana_and_han = set(range(0x3040, 0x3100)) | set(range(0x4E00, 0x9FA6))  # named by the patterns themselves
    stand_ins = {}
    for known in (unicodedata.ucd_3_2_0, unicodedata):  # old ones first: every PCRE2 agrees on them
        for c in CODE_POINTS:
            if known.category(chr(c)) == categories[c] and c not in kana_and_han and c != 0x180E:
                stand_ins.setdefault((categories[c], utf8_bytes(c)), c)
    changed = {c: stand_ins[categories[c], utf8_bytes(c)] for c in CODE_POINTS
               if unicodedata.category(chr(c)) != categories[c]}
    changed[0x180E] = stand_ins["Cf", 3]  # PCRE2 counts it among \s, Unicode since 6.3 does not
    rows = []
    for c, stand_in in sorted(changed.items()):
        if rows and rows[-1][1] == c - 1 and rows[-1][2] == stand_in:
            rows[-1][1] = c
        else:
            rows.append([c, c, stand_in])
    lines = ["/* SPDX-License-Identifier: MIT */", "/* SPDX-FileCopyrightText: The hadal authors */", "",
             "/* Written by tools/make_tokenizer_cases.py from tokenizers %s against Unicode %s. */"
             % (PINNED, unicodedata.unidata_version), ""]
    lines += ["{0x%04X, 0x%04X, 0x%04X}, /* %s */" % (*row, categories[row[2]]) for row in rows]
    (ROOT / "src/text/unicode_table.h").write_text("\n".join(lines) + "\n")
    return {c for c in CODE_POINTS if categories[c] != "Cn"}


def pieces(tokenizer, text):
    """Bytes of each piece that the tokenizer's patterns leave."""
    return [len(text[start:end].encode()) for _, (start, end) in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def probe(character):
    """A text in which the class of the character decides where pieces begin and end."""
    x = character
    return f"a{x}b {x}c{x}{x}1{x}\n {x}  {x}!{x}A\r{x}"


def write_unicode_pieces(tokenizer, assigned):
    """Runs of code points with equal pieces, bytes counted with the character as one: first, last, kind, assigned."""
    kinds, runs = {}, []
    for c in CODE_POINTS:
        text, sizes = probe(chr(c)), []
        for _, (start, end) in tokenizer.pre_tokenizer.pre_tokenize_str(text):
            sizes.append(end - start)
        kind = kinds.setdefault(tuple(sizes), len(kinds))
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == kind and runs[-1][3] == (c in assigned):
            runs[-1][1] = c
        else:
            runs.append([c, c, kind, c in assigned])
    write_json("unicode.json.gz", {"probe": probe("\ufffd"), "kinds": [list(k) for k in kinds], "runs": runs})


# --- Texts ----------------------------------------------------------------------------------------------------------

def script_of(c):
    """The first word of the character's name, close enough to its script or block."""
    return unicodedata.name(chr(c), "").split(" ")[0].split("-")[0]


def joined(rng, *pools, count):
    """count characters or strings, each from a randomly chosen pool."""
    return "".join(rng.choice(rng.choice(pools)) for _ in range(count))


def script_texts(rng, assigned):
    scripts = {}
    for c in sorted(assigned):
        scripts.setdefault(script_of(c), []).append(chr(c))
    for _, members in sorted(scripts.items()):
        if len(members) >= 4:
            words = ["".join(rng.choice(members) for _ in range(rng.randint(1, 6))) for _ in range(4)]
            yield rng.choice(["", " ", "\n"]).join(words[:2]) + " ".join(words[1:]) + rng.choice(
                ["", ".", " 42", "!\n"])


def category_texts(rng, categories):
    members = {}
    for c, category in categories.items():
        members.setdefault(category, []).append(chr(c))
    for category, characters in sorted(members.items()):
        others = [chr(c) for c in range(32, 127)]
        for _ in range(12):
            yield joined(rng, characters, others, [" ", "a", "1"], count=14)
        yield joined(rng, characters, count=20)
    for _ in range(200):
        yield joined(rng, *members.values(), count=16)


def new_character_texts(rng, assigned):
    """Characters younger than Unicode 14, between older ones."""
    young = [chr(c) for c in sorted(assigned) if unicodedata.category(chr(c)) == "Cn"]
    for _ in range(80):
        yield joined(rng, young, young, ["a", " ", "1", "!", "\n", "é", "字"], count=12)


def ascii_texts(rng):
    words = ["the", "Don't", "it's", "x", "42", "3.14", "1234567", "foo_bar", "__init__", "a.b.c", "HTTP/1.1", "->",
             "==", "(void)", "{}", "// note", "\t", "    ", "\n", "\r\n", "\n\n", " ", "  ", "#!", "<b>",
             "e.g.", "@you"]
    for _ in range(200):
        yield joined(rng, words, [" ", "", "\n"], count=12)
    for _ in range(100):
        yield joined(rng, [chr(c) for c in range(128)], count=24)


def space_texts(rng):
    for _ in range(120):
        yield joined(rng, SPACES, [" ", "\n", "\r", "\r\n", "\t"], ["a", "1", "!", ""], count=16)
    for _ in range(60):
        yield joined(rng, SPACES, LOOK_LIKE_SPACES, ["a", "字", "."], count=12)
    for n in (1, 2, 3, 15, 16, 17, 255, 256, 257):
        yield " " * n
        yield " " * n + "x"
        yield "x" + " " * n + "\n" + " " * n + "y" + "\n" * n
        yield "\r\n" * n + "z"


def digit_texts(rng):
    digits = [chr(c) for c in CODE_POINTS if unicodedata.category(chr(c)) == "Nd"]
    for n in range(1, 14):
        yield "7" * n
        yield "v" + "7" * n + "." + "0" * n
    for _ in range(60):
        yield joined(rng, "0123456789", digits, "½²Ⅷ㊿", [" ", ",", "a"], count=14)


def cjk_texts(rng):
    pools = ["一丁龥龦㐀𠀀々〆", "ぁゖゝゟ゠ァヶーヿ", "、。！？「」", "ㄅㄆ한글ㅎ", "abc 12", "ｱｲｳＡＢ１２"]
    for _ in range(100):
        yield joined(rng, *pools, count=14)


def emoji_texts(rng):
    emoji = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "🇫🇷", "1️⃣", "☕", "☕️", "🫨", "🩷", "🪿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️‍🔥", "🙂‍↔️", "🫩", "🪉"]
    for _ in range(80):
        yield joined(rng, emoji, emoji, [" ", "a", "!", "1", "\n"], count=8)


def mark_texts(rng):
    bases = ["e", "n", "क", "ก", "ﬁ", "1", "!", " ", "字", ""]
    marks = [chr(c) for c in (0x300, 0x301, 0x308, 0x323, 0x20DD, 0x93F, 0x94D, 0xE31, 0xE48, 0xFE0F, 0x1D165, 0x309A)]
    for _ in range(80):
        yield joined(rng, bases, marks, marks, count=12)


def private_texts(rng):
    for _ in range(30):
        yield joined(rng, ["\ue000", "\uf8ff", "\U000f0000", "\U0010fffd", "\ufdd0", "\uffff", "\U0010ffff"],
                     ["a", " ", "1", "."], count=12)


def added_texts(rng, added):
    cuts = [a[:k] for a in added for k in range(1, len(a))]
    for _ in range(200):
        yield joined(rng, added, added, cuts, [" ", "a", "hello", "1", "\n"], count=7)


def all_texts(categories, assigned, added):
    rng = random.Random(20240607)
    texts = [""]
    for source in (script_texts(rng, assigned), category_texts(rng, categories), new_character_texts(rng, assigned),
                   ascii_texts(rng), space_texts(rng), digit_texts(rng), cjk_texts(rng), emoji_texts(rng),
                   mark_texts(rng), private_texts(rng), added_texts(rng, added)):
        texts.extend(source)
    return list(dict.fromkeys(texts))


# --- Tokenizers -----------------------------------------------------------------------------------------------------

ADDED = [  # text, special, normalized: of those that overlap, the longest leftmost of the not normalized come first
    ("<s>", True, False), ("</s>", True, False), ("<think>", False, False), ("</think>", False, False),
    ("<｜User｜>", True, False), ("<｜Assistant｜>", True, False), ("<<s>", True, False), ("<x", False, True),
    ("<x><s", False, True), ("<s>tail", False, True), ("naïve ", False, False), ("🫨🫨", False, True),
]


def train_dense(texts, demo):
    """A tokenizer with the demo's patterns, whose merges were found without them."""
    dense = Tokenizer(models.BPE())
    dense.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    dense.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=2500, min_frequency=3, show_progress=False, max_token_length=12,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    dense.pre_tokenizer = demo.pre_tokenizer
    dense.decoder = decoders.ByteLevel()
    dense.add_tokens([tokenizers.AddedToken(text, special=special, normalized=normalized)
                      for text, special, normalized in ADDED])
    dense.save(str(DATA / "tokenizer.json"), pretty=False)
    (DATA / "tokenizer_config.json").write_text(json.dumps(
        {"add_bos_token": True, "bos_token": "<s>", "eos_token": {"content": "</s>"}}) + "\n")
    return dense


def without_added(tokenizer):
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = []
    content["post_processor"] = None
    return Tokenizer.from_str(json.dumps(content))


def write_json(name, content):
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    (DATA / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def main():
    assert tokenizers.__version__ == PINNED and unicodedata.unidata_version == "14.0.0"
    DATA.mkdir(parents=True, exist_ok=True)
    categories = library_categories()
    assigned = write_unicode_table(categories)
    demo = Tokenizer.from_file(str(ROOT / "weights/tokenizer.json"))
    write_unicode_pieces(demo, assigned)
    added = [text for text, _, _ in ADDED]
    texts = all_texts(categories, assigned, added)
    dense = train_dense([text for text in texts if not any(text in a or a in text for a in added)], demo)
    demo_plain, dense_plain = without_added(demo), without_added(dense)
    write_json("cases.json.gz", [{
        "text": text,
        "pieces": pieces(demo, text),
        "demo": {"ids": demo.encode(text, add_special_tokens=False).ids, "plain": demo_plain.encode(text).ids},
        "dense": {"ids": dense.encode(text, add_special_tokens=False).ids, "plain": dense_plain.encode(text).ids},
    } for text in texts])
    print(len(texts), "texts")


if __name__ == "__main__":
    main()
