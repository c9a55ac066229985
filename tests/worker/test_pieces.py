"""In which pieces a reply is given to a voice: nothing is lost, none is too long, and each ends where one may pause."""

import asyncio
import math
from collections.abc import Callable

import pytest

from worker.speaker.sound.promptness import Promptness
from worker.speaker.words.growing import Growing
from worker.speaker.words.pieces import LONGEST, pieces

JAPANESE = "お電話ありがとうございます、レストランさくらでございます。ご予約は何名様でしょうか、お席は窓側ですか？"
THAI = "สวัสดีค่ะ ร้านอาหารซากุระยินดีให้บริการค่ะ วันนี้ต้องการจองโต๊ะกี่ท่านคะ เรามีโต๊ะริมหน้าต่างว่างตอนสองทุ่มค่ะ "
ENGLISH = "The bill is 1.234,50 Euro, says Dr. Smith. Shall I charge your card, or will you pay in cash? As you like. "


async def read(
    text: str,
    characters: int = 5,
    *,
    lasts: Callable[[str], bool] = lambda _clause: False,
    due_in_s: Callable[[int], float] = lambda _piece: 0.0,
) -> list[str]:
    """The pieces of a text that comes so many characters at a time, which are as many turns of the loop."""
    growing, found = Growing(), list[str]()
    loop = asyncio.get_running_loop()

    async def collect() -> None:
        def due_at(_piece: str) -> float:
            return loop.time() + due_in_s(len(found))

        async for piece in pieces(growing, 0, lasts=lasts, due_at=due_at):
            found.append(piece)

    collecting = asyncio.create_task(collect())
    for start in range(0, len(text), characters):
        growing.add(text[start : start + characters])
        for _ in range(5):
            await asyncio.sleep(0)
    growing.end()
    await collecting
    return found


@pytest.mark.parametrize(
    "text", [JAPANESE * 50, THAI * 50, ENGLISH * 50, "あ" * 5000, "x" * 5000, "ก็" * 2500, "はい、" * 2000]
)
@pytest.mark.parametrize("characters", [5, 1_000_000], ids=["as it comes", "at once"])
async def test_no_piece_is_too_long_and_nothing_is_lost(text: str, characters: int) -> None:
    found = await read(text, characters)
    assert "".join(found) == text
    assert max(map(len, found)) <= LONGEST
    assert len(found) < len(text) / 20


async def test_a_piece_ends_where_a_speaker_may_pause() -> None:
    assert {piece[-1] for piece in await read(JAPANESE * 5)} <= set("。？")
    assert len(await read(THAI)) > 1
    assert {piece[-1] for piece in await read(THAI * 5)} == {" "}
    assert [piece.strip() for piece in await read(ENGLISH)] == [
        "The bill is 1.234,50 Euro, says Dr. Smith.",
        "Shall I charge your card, or will you pay in cash?",
        "As you like.",
    ]
    assert not any(piece.startswith("็") for piece in await read("ก็" * 500)), "a mark belongs to its letter"


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("Of course, I can do that for you right away.", "Of course,"),
        ("Certainly. I can do that for you right away.", "Certainly."),
        ("The bill is 1.234,50 Euro, and that is all.", "The bill is 1.234,50 Euro,"),
        ("It opens at 8:30 on May 3, 2024, says Dr. Smith, who runs it.", "It opens at 8:30 on May 3, 2024,"),
        ("He said “right away,” and then he went to the shop.", "He said “right away,”"),
        ("That is fine — we will be there with 10–12 people.", "That is fine —"),
        ("Of course… let me have a look at that for you.", "Of course…"),
        ("かしこまりました、少々お待ちください。", "かしこまりました、"),
        ("สวัสดีค่ะ ร้านอาหารซากุระยินดีให้บริการค่ะ ", "สวัสดีค่ะ"),
        ("बिल्कुल ठीक है, मैं अभी देखता हूँ।", "बिल्कुल ठीक है,"),
        ("بالتأكيد، سأتحقق من ذلك فوراً لك.", "بالتأكيد،"),
        ("Wir haben am 3. Mai um acht Uhr, wenn Sie wollen.", "Wir haben am 3. Mai um acht Uhr,"),
        ("本日のお料理の価格は３，５００円で、それだけです。", "本日のお料理の価格は３，５００円で、"),
        ("本日のお料理の量は１．５倍です、ご注意ください。", "本日のお料理の量は１．５倍です、"),
        ("本日の開店の時刻は１８：３０です、どうぞ。", "本日の開店の時刻は１８：３０です、"),
        ("ご注文のお品物は２、３日で届きます、どうぞ。", "ご注文のお品物は２、３日で届きます、"),
        ("No comma stands in this one at all.", "No comma stands in this one at all."),
    ],
)
async def test_the_first_clause_is_a_piece_and_later_ones_are_whole_sentences_if_those_come_in_time(
    text: str, clause: str
) -> None:
    long_enough = 8

    def due_in_s(piece: int) -> float:
        return math.inf if piece else 0.0

    found = await read(text, 1, lasts=lambda piece: len(piece.strip()) > long_enough, due_in_s=due_in_s)
    assert [piece.strip() for piece in found] == [clause, *filter(None, [text.removeprefix(clause).strip()])]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Wir haben am Dienstag, dem 3. Mai, noch einen Tisch.", "Passt Ihnen das um acht?"],
        ["1. Open the door and go in.", "2. Close it behind you.", "3. Wait for the light."],
        ["Here is what you do:", "1. Open the door and go in", "2. Close it when you are in", "3. Wait"],
        [
            "That will then be 45.50.",
            "Shall I book it for you?",
            "It was so in the year 2024.",
            "Since then it was not.",
        ],
    ],
    ids=["date", "sentences", "lines", "price"],
)
async def test_a_number_with_a_point_does_not_end_a_piece(sentences: list[str]) -> None:
    text = "\n".join(sentences)
    assert [piece.strip() for piece in await read(text, 1)] == sentences
    assert [piece.strip() for piece in await read(text, 1_000_000)] == sentences


async def test_a_long_sentence_is_not_cut_within_a_number() -> None:
    found = await read("x" * (LONGEST - 3) + "1,234,567" + "x" * LONGEST)
    assert not any(piece.endswith(",") for piece in found)


async def test_a_sentence_that_is_there_already_stays_whole() -> None:
    assert await read(ENGLISH.strip(), 1_000_000, lasts=lambda _clause: True) == await read(ENGLISH.strip())


async def test_where_the_rest_of_a_sentence_does_not_come_in_time_its_next_clause_is_a_piece_too() -> None:
    text = "Of course, at seven, by the window, or in the garden."
    found = await read(text, 1, lasts=lambda clause: len(clause) > 5)
    assert [piece.strip() for piece in found] == ["Of course,", "at seven,", "by the window,", "or in the garden."]


@pytest.mark.parametrize(
    ("left_s", "first"),
    [
        (4.0, "At seven, by the window, or in the garden."),
        (2.6, "At seven, by the window,"),
        (1.0, "At seven,"),
        (0.5, "At seven,"),
    ],
)
async def test_of_a_sentence_that_would_be_heard_too_late_as_much_is_a_piece_as_is_heard_in_time(
    left_s: float, first: str
) -> None:
    text = Growing()
    text.add("At seven, by the window, or in the garden.")
    text.end()
    heard_until = asyncio.get_running_loop().time() + left_s
    read = pieces(text, 0, lasts=lambda _clause: True, due_at=lambda piece: heard_until - len(piece.strip()) / 12)
    assert (await anext(read)).strip() == first


async def test_a_sentence_stays_whole_if_its_clause_would_hardly_be_heard_sooner() -> None:
    text = Growing()
    text.add("At seven, by the window, or in the garden.")
    text.end()
    read = pieces(text, 0, lasts=lambda _clause: True, due_at=lambda piece: -len(piece) / 200)
    assert [piece async for piece in read] == [text.text]


@pytest.mark.parametrize(
    ("first_sound_s", "characters_per_s", "is_enough"),
    [
        (0.1, math.inf, "Of course,"),
        (0.6, math.inf, "Of course, I can,"),
        (1.2, math.inf, "Of course, I can do that,"),
        (0.1, 50.0, "Of course, I can,"),
        (0.1, 22.0, "Of course, I can do all that,"),
    ],
)
def test_the_slower_a_voice_or_a_model_the_longer_the_clause_that_it_needs(
    first_sound_s: float, characters_per_s: float, is_enough: str
) -> None:
    promptness = Promptness()
    for characters in (10, 30, 60, 20, 50):
        promptness.note_wait("x" * characters, first_sound_s)
    clauses = ["Well,", "Of course,", "Of course, I can,", "Of course, I can do that,", "Of course, I can do all that,"]
    assert next(clause for clause in clauses if promptness.is_bridged_by(clause, characters_per_s)) == is_enough


def test_how_soon_a_voice_speaks_is_known_by_the_length_of_the_text() -> None:
    promptness = Promptness()
    for characters in (10, 60, 30, 50):
        promptness.note_wait("x" * characters, 0.2)
    promptness.note_wait("x" * 20, 3.0)
    assert promptness.first_sound_s(100) == pytest.approx(0.2), "one was slow for once"
    for characters in (10, 60, 30, 90, 50):
        promptness.note_wait("x" * characters, 0.1 + characters / 40)
    assert promptness.first_sound_s(100) == pytest.approx(2.6)
    for _ in range(5):
        promptness.note_wait("x" * 40, 1.1)
    assert promptness.first_sound_s(100) == pytest.approx(2.6), "equal lengths tell nothing else"


def test_a_voice_that_is_slow_at_first_may_be_one_that_needs_the_longer_the_longer_the_text_is() -> None:
    promptness = Promptness()
    promptness.note_wait("Of course,", 0.6)
    assert promptness.first_sound_s(40) > 1.2
