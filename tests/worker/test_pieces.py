"""In which pieces a reply is given to a voice: nothing is lost, none is too long, and each ends where one may pause."""

import pytest

from worker.speaker.pieces import LONGEST, Pieces

JAPANESE = "お電話ありがとうございます、レストランさくらでございます。ご予約は何名様でしょうか、お席は窓側ですか？"
THAI = "สวัสดีค่ะ ร้านอาหารซากุระยินดีให้บริการค่ะ วันนี้ต้องการจองโต๊ะกี่ท่านคะ เรามีโต๊ะริมหน้าต่างว่างตอนสองทุ่มค่ะ "
ENGLISH = "The bill is 1.234,50 Euro, says Dr. Smith. Shall I charge your card, or will you pay in cash? As you like. "


async def streamed(text: str) -> list[str]:
    stream = Pieces().stream()
    for start in range(0, len(text), 5):
        stream.push_text(text[start : start + 5])
    stream.end_input()
    return [piece.token async for piece in stream]


@pytest.mark.parametrize(
    "text", [JAPANESE * 50, THAI * 50, ENGLISH * 50, "あ" * 5000, "x" * 5000, "ก็" * 2500, "はい、" * 2000]
)
async def test_no_piece_is_too_long_and_nothing_is_lost(text):
    for pieces in (Pieces().tokenize(text), await streamed(text)):
        assert "".join(pieces) == text
        assert max(map(len, pieces)) <= LONGEST
        assert len(pieces) < len(text) / 20


async def test_a_piece_ends_where_a_speaker_may_pause():
    assert {piece[-1] for piece in await streamed(JAPANESE * 5)} <= set("。？")
    assert len(await streamed(THAI)) > 1
    assert {piece[-1] for piece in await streamed(THAI * 5)} == {" "}
    assert [piece.strip() for piece in await streamed(ENGLISH)] == [
        "The bill is 1.234,50 Euro, says Dr. Smith.",
        "Shall I charge your card, or will you pay in cash?",
        "As you like.",
    ]
    assert not any(piece.startswith("็") for piece in Pieces().tokenize("ก็" * 500)), "a mark belongs to its letter"
