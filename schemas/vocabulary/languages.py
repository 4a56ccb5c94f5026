"""Names of languages, which people write in the place of a code, and some interfaces too."""

_NAMES = """
af afrikaans, am amharic, ar arabic, as assamese, az azerbaijani, ba bashkir, be belarusian, bg bulgarian, bn bengali,
bo tibetan, br breton, bs bosnian, ca catalan, ca valencian, cs czech, cy welsh, da danish, de german, el greek,
en english, es spanish, es castilian, et estonian, eu basque, fa persian, fa farsi, fi finnish, fo faroese, fr french,
gl galician, gu gujarati, ha hausa, haw hawaiian, he hebrew, hi hindi, hr croatian, ht haitian, hu hungarian,
hy armenian, id indonesian, is icelandic, it italian, ja japanese, jw javanese, ka georgian, kk kazakh, km khmer,
kn kannada, ko korean, la latin, lb luxembourgish, ln lingala, lo lao, lt lithuanian, lv latvian, mg malagasy, mi maori,
mk macedonian, ml malayalam, mn mongolian, mr marathi, ms malay, mt maltese, my burmese, my myanmar, ne nepali, nl dutch,
nl flemish, nn nynorsk, no norwegian, oc occitan, pa punjabi, pl polish, ps pashto, pt portuguese, ro romanian,
ro moldovan, ru russian, sa sanskrit, sd sindhi, si sinhala, sk slovak, sl slovenian, sn shona, so somali, sq albanian,
sr serbian, su sundanese, sv swedish, sw swahili, ta tamil, te telugu, tg tajik, th thai, tk turkmen, tl tagalog,
tl filipino, tr turkish, tt tatar, uk ukrainian, ur urdu, uz uzbek, vi vietnamese, yi yiddish, yo yoruba, yue cantonese,
zh chinese, zh mandarin
"""
# ISO 639-2, which containers use, in its two forms
_THREE_LETTERS = """
afr af, amh am, ara ar, asm as, aze az, bak ba, bel be, bul bg, ben bn, bod bo, tib bo, bre br, bos bs, cat ca, ces cs,
cze cs, cym cy, wel cy, dan da, deu de, ger de, ell el, gre el, eng en, spa es, est et, eus eu, baq eu, fas fa, per fa,
fin fi, fao fo, fra fr, fre fr, glg gl, guj gu, hau ha, heb he, hin hi, hrv hr, hat ht, hun hu, hye hy, arm hy, ind id,
isl is, ice is, ita it, jpn ja, jav jw, kat ka, geo ka, kaz kk, khm km, kan kn, kor ko, lat la, ltz lb, lin ln, lao lo,
lit lt, lav lv, mlg mg, mri mi, mao mi, mkd mk, mac mk, mal ml, mon mn, mar mr, msa ms, may ms, mlt mt, mya my, bur my,
nep ne, nld nl, dut nl, nno nn, nor no, nob no, oci oc, pan pa, pol pl, pus ps, por pt, ron ro, rum ro, rus ru, san sa,
snd sd, sin si, slk sk, slo sk, slv sl, sna sn, som so, sqi sq, alb sq, srp sr, sun su, swe sv, swa sw, tam ta, tel te,
tgk tg, tha th, tuk tk, tgl tl, tur tr, tat tt, ukr uk, urd ur, uzb uz, vie vi, yid yi, yor yo, zho zh, chi zh, cmn zh
"""
_SHORT = dict(entry.split() for entry in _THREE_LETTERS.split(","))
_OLD = {"iw": "he", "in": "id", "ji": "yi", "jv": "jw", "nb": "no", "fil": "tl"}
CODES = {name: code for code, name in (entry.split() for entry in _NAMES.split(","))}
# those that Whisper's authors chose where there are several, or one of two words
_CHOSEN = {"ht": "haitian creole", "my": "myanmar"}
_NAME_OF = {code: name for name, code in reversed(CODES.items())} | _CHOSEN


def name_of(code: str) -> str:
    """The English name of a language in lower case, as Whisper has it; the code itself where it is not known."""
    return _NAME_OF.get(code, code)


def likely_code(written: str) -> str | None:
    """The probable code for a name, a code with a country, or one in capitals; None where it is unclear."""
    plain = written.strip().lower()
    language = plain.replace("_", "-").partition("-")[0]
    known = {*CODES.values()}
    return CODES.get(plain) or _OLD.get(language) or (language if language in known else None)


def same_code(written: str) -> str:
    """One canonical code for all spellings of a language, for comparisons: `he` for heb, iw, he-IL and Hebrew."""
    plain = written.strip().lower().replace("_", "-").partition("-")[0]
    return _SHORT.get(plain) or likely_code(written) or plain
