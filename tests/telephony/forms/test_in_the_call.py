"""What phones do in a call."""

import asyncio

import pytest

from tests.telephony import FORMS, Phone
from tests.telephony.forms.watcher import (
    BERLIN,
    HIGH,
    LOW,
    MIDDLE,
    PARIS,
)
from tests.telephony.sound import AUDIBLE, LOUDNESS, RATE, loudness_of, seconds_of_sound, tone

pytestmark = [pytest.mark.restless, pytest.mark.skipif("bridge" not in FORMS, reason="needs livekit-sip")]


class TestInTheCall:
    async def test_two_phones_hear_each_other_and_the_room_but_not_themselves(self, network, dial, watcher, until):
        berlin = await network.phone(BERLIN, says=tone(LOW, 30))
        paris = await network.phone(PARIS, says=tone(MIDDLE, 30))
        await watcher.speak(tone(HIGH, 40))
        await asyncio.gather(*(dial(number, number, wait_until_answered=True) for number in (BERLIN, PARIS)))

        def heard(phone: Phone) -> list[bool]:
            return [loudness_of(pitch, phone.heard) > LOUDNESS / 2 for pitch in (LOW, MIDDLE, HIGH)]

        await until(lambda: heard(berlin) == [False, True, True])
        await until(lambda: heard(paris) == [True, False, True])
        assert loudness_of(LOW, berlin.heard) < AUDIBLE
        assert loudness_of(MIDDLE, paris.heard) < AUDIBLE
        by_number = {seen.attributes["sip.phoneNumber"]: seen for seen in watcher.seen}
        for number, pitch in ((BERLIN, LOW), (PARIS, MIDDLE)):
            await until(lambda n=number, p=pitch: loudness_of(p, by_number[n].sound) > LOUDNESS / 2)

    async def test_where_nobody_speaks_there_is_silence(self, network, dial, until):
        phone = await network.phone(BERLIN)
        await dial(BERLIN, wait_until_answered=True)
        await until(lambda: len(phone.heard) > RATE / 2)
        assert seconds_of_sound(phone.heard) == 0

    async def test_keys_are_heard_both_ways(self, network, dial, watcher, until):
        phone = await network.phone(BERLIN)
        await dial(BERLIN, wait_until_answered=True)
        await until(lambda: watcher.seen)
        await phone.press("12#*")
        await until(lambda: watcher.seen[0].digits == "12#*")
        for digit in "5*9":
            await watcher.room.local_participant.publish_dtmf(code=99, digit=digit)  # the code makes no difference
        await until(lambda: phone.digits == "5*9")

    async def test_digits_that_a_dial_asks_for_are_sent_before_it_is_active(self, network, dial, watcher, until):
        phone = await network.phone(BERLIN)
        await dial(BERLIN, dtmf="w7#")
        await until(lambda: watcher.seen and watcher.seen[0].statuses[-1] == "active")
        assert watcher.seen[0].statuses[-2:] == ["automation", "active"]
        await until(lambda: phone.digits == "7#")
