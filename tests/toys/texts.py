"""Texts that try a tokenizer: prose, code, many scripts, accents, emoji, control characters, special tokens."""

import json
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from albert_np.tokenization import (
    AlbertTokenizer,
    Kind,
    ModelProto,
    Piece,
    SentencePieceModel,
    read_model,
    train_vocabulary,
    write_model,
)

REFERENCE = Path(__file__).parents[1] / "reference" / "tokenizer"

PROSE = [
    "The lamp in the harbour went out at 3.15, and nobody noticed.",
    "She counted 1,204 steps, 17 landings and one very old cat.",
    "Don't you think it's too late? I'd've said so, but they weren't listening!",
    "In 2010, he left the U.S. with $5,000,000 and a half-eaten sandwich.",
    "A model learns (slowly) what a word means: from its neighbours, 15 at a time.",
    "Prices rose from £3.50 to €4 – a rise of 14.3% – between May and June 1999,2000.",
    "``Old quotes'' and \"new quotes\" and 'single ones' all end up alike.",
    "Write to nobody@example.org or see https://example.org/a?b=c&d=1,2#top.",
    "Tea,coffee,milk;bread/butter -- and... that is all!?",
    "the the the a a a of of of, in in in",
    "x = y[0] + 3.14e-10; if (x <= 0) { return -1; } // done",
    "def area(width, height=2): return width * height  # square metres",
    "for i in range(10,20): print(f'{i:>5,}')",
    "0,1,2,3 10,20 ,5 5, 9,9 9,, ,,9 1,000,000, 7. .7 -3, +4, 5%,",
    "½ ⅓ x² y³, 10², m³, H₂O Ⅻ ① ⑩, №5, ５, ٣, ४, 𝟗, ²,³",
    "  leading, trailing\tand   inner\n\nspace \u00a0\u2003\u3000 of all kinds  ",
    "",
    " ",
    "▁ ▁▁ a▁b ▁the",
    "naïve café Ångström façade Żółć ĐĐ ŁÓDŹ Ñandú ÿ Œuvre Æsir ﬁnance ﬂuid ﬀ ẞ straße",
    "İstanbul IĞDIR ıi ΣΊΣΥΦΟΣ ΌΔΟΣ Σ σς ᾼ ᾳ ΐ Ǆ ǅ ŉ",
    "Москва, Київ і Ёлка; ѐ й Й",
    "שָׁלוֹם עוֹלָם",
    "السَّلامُ عليكم ﷺ ﻼ ٠١٢",
    "नमस्ते दुनिया क्षि किताब",
    "বাংলা কি কো ৎ",
    "ภาษาไทย ปี น้ำ กำ",
    "தமிழ் கொ கை",
    "မြန်မာ ភាសាខ្មែរ ລາວ བོད་ཡིག",
    "ქართული ႠႡ Ა հայերեն ԱԲ",
    "አማርኛ ᏣᎳᎩ ꮳ ᠮᠣᠩᠭᠣᠯ",
    "日本語の文章。 カタカナ ｶﾀｶﾅ ガ が パ ㍿ ㌔ ⼈",
    "中文句子，没有空格。 繁體 豈 ﾞ",
    "한국어 문장 각 각 ᄒ ᅡ ᆫ ㈜ ㉠",
    "😀 👩\u200d👩\u200d👧 🇩🇪 ❤️ ☺︎ 👍🏽 1️⃣ #️⃣",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝓼𝓬𝓻𝓲𝓹𝓽 𝚺 𝚺𝚺 ⓐⓑⓒ ｆｕｌｌｗｉｄｔｈ ＡＢＣ ℌ ℵ ™ ℃ …",
    "\x00\x01\x07\x08 a\x0bb\x0cc\x1cd\x1de\x1ef\x1fg\x7f\x80\x85\x9f \ufeff\u200b\u200c\u200d\u2060 z",
    "\u2028line\u2029paragraph\ufe0f\U000e0041\U000e007f",
    "e\u0301 e\u0323\u0302 \u0301 \u0301a Z\u0351\u036b\u0343\u036a\u0302\u036b a\u0345 \u0f71\u0f72",
    "\ufffd \ufffe \uffff \U0010ffff \U000e0fff \ue000",
]
SPECIAL = [
    "[CLS] a [SEP] b [MASK].",
    "a   [MASK]   b [MASK][MASK] c[MASK]d",
    "[MASK], [MASK]2010, [MASK] 2010,",
    "<pad><unk> <PAD> <Unk> <unK> [cls] [Mask] [ MASK ]",
    "[[MASK]] [MASK [CLS[SEP]] ]SEP[ <pad <<pad>>",
    "［MASK］ ＜unk＞ ［cls］ ＜pad＞",
    "[MASK]",
    "\t[MASK]\n",
    "<s> </s> ⁇ [PAD] <mask>",
]
SCRIPTS = {
    "latin": (0x00C0, 0x024F),
    "greek": (0x0370, 0x03FF),
    "greek extended": (0x1F00, 0x1FFF),
    "cyrillic": (0x0400, 0x052F),
    "armenian": (0x0530, 0x058F),
    "hebrew": (0x0590, 0x05FF),
    "arabic": (0x0600, 0x06FF),
    "syriac": (0x0700, 0x074F),
    "devanagari": (0x0900, 0x097F),
    "bengali": (0x0980, 0x09FF),
    "tamil": (0x0B80, 0x0BFF),
    "thai": (0x0E00, 0x0E7F),
    "tibetan": (0x0F00, 0x0FFF),
    "georgian": (0x10A0, 0x10FF),
    "ethiopic": (0x1200, 0x137F),
    "cherokee": (0x13A0, 0x13FF),
    "khmer": (0x1780, 0x17FF),
    "mongolian": (0x1800, 0x18AF),
    "kana": (0x3040, 0x30FF),
    "han": (0x4E00, 0x9FFF),
    "hangul jamo": (0x1100, 0x11FF),
    "hangul": (0xAC00, 0xD7A3),
    "compatibility": (0xF900, 0xFDFF),
    "half and full width": (0xFF00, 0xFFEF),
    "gothic": (0x10330, 0x1034F),
    "deseret": (0x10400, 0x1044F),
    "combining": (0x0300, 0x036F),
    "punctuation": (0x2000, 0x206F),
    "numbers": (0x2070, 0x218F),
    "enclosed": (0x2460, 0x24FF),
    "squared": (0x3300, 0x33FF),
    "mathematical": (0x1D400, 0x1D7FF),
    "emoji": (0x1F300, 0x1F9FF),
    "controls": (0x0000, 0x009F),
    "tags": (0xE0000, 0xE007F),
}
GAPS = ["", " ", " ", " ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u200b", "\x1c", "\u2028"]


def random_lines(count: int, seed: int) -> Iterator[str]:
    """Yield lines mixed from words, numbers with commas, special tokens, all scripts and random characters.

    Only assigned characters: what becomes of the others changes with the Unicode version.
    """
    rng = random.Random(seed)
    words = [word for line in PROSE for word in line.split()]
    specials = [word for line in SPECIAL for word in line.split()]
    ranges = list(SCRIPTS.values())
    for _ in range(count):
        line = ""
        for _ in range(rng.randint(1, 12)):
            kind = rng.random()
            if kind < 0.3:
                token = rng.choice(words)
            elif kind < 0.4:
                token = rng.choice(specials)
            elif kind < 0.5:
                token = "".join(rng.choices("0123456789,.", k=rng.randint(1, 8)))
            elif kind < 0.9:
                token = _characters(rng, *rng.choice(ranges))
            else:
                token = _characters(rng, 0, 0x10FFFF)
            line += token + rng.choice(GAPS)
        yield line


def _characters(rng: random.Random, first: int, last: int) -> str:
    drawn = [chr(rng.randint(first, last)) for _ in range(rng.randint(1, 8))]
    return "".join(c for c in drawn if unicodedata.category(c) not in ("Cn", "Cs"))


def stories(count: int, seed: int = 0) -> list[list[str]]:
    """Documents of sentences that look English from afar: common words among many made of syllables."""
    rng = random.Random(seed)
    common = "the of and to in a is it for that with as on be by this are from at or not an which if".split()
    syllables = [c + v + e for c in "bcdfghjklmnpqrstvwxyz" for v in "aeiou" for e in ("", "n", "r", "st")]
    words = ["".join(rng.choices(syllables, k=rng.choice((1, 2, 2, 3)))) for _ in range(1500)]

    def sentence() -> str:
        drawn = [
            rng.choice(common) if rng.random() < 0.2 else words[int(1500 * rng.random() ** 1.5)] for _ in range(16)
        ]
        return " ".join(drawn[: rng.randint(5, 16)]).capitalize() + "."

    return [[sentence() for _ in range(rng.randint(10, 40))] for _ in range(count)]


def charsmap(folder: Path) -> bytes:
    """The normalisation table that every vocabulary trained with SentencePiece's defaults holds."""
    return read_model(train_vocabulary(["a b"], folder / "charsmap.model", vocab_size=16).model.serialized).charsmap


def small_tokenizer(folder: Path) -> AlbertTokenizer:
    """A tokenizer with the small vocabulary of the reference values, written to `folder`."""
    entries = json.loads((REFERENCE / "vocabulary.json").read_text(encoding="utf-8"))
    pieces = [Piece(text, score, Kind(kind)) for text, score, kind in entries]
    serialized = write_model(ModelProto(pieces, charsmap(folder)))
    (folder / "spiece.model").write_bytes(serialized)
    return AlbertTokenizer(SentencePieceModel(serialized))
