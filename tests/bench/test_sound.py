"""What is measured in sound that is known."""

import pytest

from bench.conversation.sound import FRAME_S, Sound, Span


def heard(*spans: tuple[float, float], late_s: float = 0.0) -> Sound:
    """Sound that is loud in these spans and was heard so much later."""
    sound = Sound()
    for began, ended in spans:
        for frame in range(round(began / FRAME_S), round(ended / FRAME_S)):
            sound.add((frame + 1) * FRAME_S + late_s, frame * FRAME_S)
    return sound


def test_an_answer_begins_with_the_first_loud_frame_after_the_last_one_that_was_said() -> None:
    reply = heard((0, 1), (5, 7)).reply(after=3.8)
    assert reply is not None
    assert reply.began - 3.8 == pytest.approx(1.2, abs=2 * FRAME_S)
    assert reply.seconds == pytest.approx(2.0)


def test_who_is_silent_has_not_answered() -> None:
    assert heard((0, 1)).reply(after=3.8) is None


@pytest.mark.parametrize(
    ("spans", "began"),
    [([(3, 5), (6, 7)], 6), ([(3, 5), (5.3, 7)], None), ([(3, 7)], None), ([(3, 3.9), (4.6, 7)], 4.6)],
    ids=["after the tail of what cut in", "after a breath", "not at all", "soon after it"],
)
def test_what_goes_on_after_the_last_word_is_no_answer_to_it(
    spans: list[tuple[float, float]], began: float | None
) -> None:
    reply = heard(*spans).reply(after=4)
    assert (reply is None) if began is None else (reply is not None and reply.began == pytest.approx(began, abs=0.02))


def test_a_reply_ends_with_a_silence_of_a_second() -> None:
    reply = heard((5, 7), (7.9, 8.5), (10, 11)).reply(after=4)
    assert reply is not None
    assert reply.seconds == pytest.approx(3.5)


@pytest.mark.parametrize(("gap_s", "holes"), [(0.05, 0), (0.2, 1), (0.8, 1)])
def test_a_hole_is_a_silence_that_one_hears(gap_s: float, holes: int) -> None:
    reply = heard((5, 7), (7 + gap_s, 9)).reply(after=4)
    assert reply is not None
    assert reply.holes == holes


def test_frames_that_come_late_make_no_hole() -> None:
    sound = heard((5, 7))
    late = heard((7, 9), late_s=0.4)
    for at, position in zip(late.at, late.position, strict=True):
        sound.add(at, position)
    reply = sound.reply(after=4)
    assert reply is not None
    assert reply.holes == 0


@pytest.mark.parametrize(
    ("agent", "cut_in"),
    [((1.0, 1.5), False), ((3.0, 3.2), True), ((3.9, 5.0), True), ((4.1, 5.0), False)],
    ids=["before", "in the pause", "into the last word", "after"],
)
def test_a_cut_in_is_sound_while_a_sentence_is_spoken(agent: tuple[float, float], *, cut_in: bool) -> None:
    assert heard(agent).cuts_into(Span(2.0, 4.0)) is cut_in


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([(5, 8.3), (11, 12)], 0.3),
        ([(5, 8.3), (9, 9.5), (11, 12)], 1.5),
        ([(5, 8.3), (9, 10.2), (11, 12)], 2.2),
        ([(5, 15)], None),
        ([(5, 8.3), (8.9, 28)], None),
    ],
    ids=["stops", "stops for a while", "stops after the words", "talks on", "stops for a while and talks over them"],
)
def test_an_interrupted_agent_is_silent_once_it_is_so_to_the_end_of_the_words(
    spans: list[tuple[float, float]], seconds: float | None
) -> None:
    silent_after = heard(*spans).silent_after(Span(8.0, 10.0), within_s=3)
    assert silent_after == (None if seconds is None else pytest.approx(seconds, abs=2 * FRAME_S))


@pytest.mark.parametrize(
    ("spans", "spoke"),
    [([(5, 9)], True), ([(5, 7.9), (8.2, 9)], True), ([(5, 7.9)], False), ([(5, 7), (8.3, 9)], False), ([], False)],
    ids=["speaks", "takes a breath", "has just stopped", "begins later", "never"],
)
def test_only_who_goes_on_for_a_moment_can_be_interrupted(spans: list[tuple[float, float]], *, spoke: bool) -> None:
    assert heard(*spans).is_heard_at(8.0) is spoke


@pytest.mark.parametrize(
    ("spans", "gap_s"),
    [([(5, 15)], 0), ([(5, 8.5), (9.2, 15)], 0.7), ([(5, 8.5)], 2.5), ([(5, 7)], 3.0)],
    ids=["goes on", "pauses", "stops", "had stopped"],
)
def test_the_longest_silence_of_a_time_counts_its_edges(spans: list[tuple[float, float]], gap_s: float) -> None:
    assert heard(*spans).longest_gap(8.0, 11.0) == pytest.approx(gap_s, abs=2 * FRAME_S)
