"""Whether a voicemail has answered a phone that was called, told by its words: no human's greeting waits for that."""

import asyncio
import re
from collections.abc import Callable

LISTEN_S = 20.0  # later, such words are a human's

# One of these is enough: nobody says it to somebody whom he hears.
_TELLING = (
    # English
    r"(?:after|at|following) the (?:tone|beep)",
    r"(?<!to )(?<!i )(?:leave|record) (?:\w+ ){0,5}message",  # not "would you like to leave a message"
    r"(?:reached|forwarded to|this is|welcome to) (?:\w+ ){0,4}(?:voice ?mail|voice message|mailbox|answering machine)",
    r"(?:voice ?mail ?box|mailbox|voice ?mail) (?:of|for|is full|is not set up|has not been set up)",
    r"(?:person|number|customer|subscriber|party) (?:that )?you (?:\w+ ){0,3}(?:call|dial|reach)\w* (?:is|can|has)",
    r"(?:i|we)(?: a?m| a?re)? (?:can ?not|can t|unable to) (?:(?:come|get) to the phone|(?:take|answer) your call)",
    # German
    r"nach dem (?:ton|signalton|piepton|piep|signal)",
    r"hinterlassen sie|hinterlass (?:mir|uns|eine)|können (?:sie )?(?:\w+ ){0,4}nachricht hinterlassen",
    r"(?:mailbox|sprachbox|anrufbeantworter|voicemail) von",
    r"(?:gesprächspartner|teilnehmer|anschluss) ist (?:\w+ ){0,3}(?:nicht|vorübergehend)",
    # Spanish
    r"(?:después|despues|tras|al oír|al escuchar) (?:de )?(?:el |la )?(?:tono|señal|del tono|de la señal)",
    r"dej[ea](?:nos|me)? (?:un|su|tu|el) mensaje",
    r"buz[oó]n de voz|contestador autom[aá]tico",
    r"(?:n[uú]mero|abonado|persona|usuario) (?:\w+ ){0,4}(?:no est[aá] disponible|no se encuentra disponible)",
    # French
    r"apr[eè]s le (?:bip|signal|signal sonore|ton)",
    r"(?:laissez|laisse|pouvez laisser)(?: moi| nous)? (?:un|votre|ton) message",
    r"(?:messagerie|bo[iî]te) vocale|sur (?:la messagerie|le r[eé]pondeur) d",
    r"(?:correspondant|abonn[eé]|num[eé]ro) (?:\w+ ){0,6}(?:n est pas|est) (?:disponible|indisponible|joignable)",
)
_MACHINE = re.compile(r"\b(?:" + "|".join(_TELLING) + r")")


def is_voicemail(text: str) -> bool:
    """Whether these first words of who was called are those of a machine."""
    return _MACHINE.search(" ".join(re.findall(r"\w+", text.lower()))) is not None


class MachineDetection:
    """Listens to the first words of each phone that was called.

    Args:
        on_found: called once with the phone's name in the room, when a voicemail has answered it.
    """

    def __init__(self, on_found: Callable[[str], None]) -> None:
        self._on_found = on_found
        self._until: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def watch(self, phone: str) -> None:
        """Somebody or something has picked up this phone just now; nothing if that is known."""
        if phone not in self._said:
            self._until[phone] = asyncio.get_running_loop().time() + LISTEN_S
            self._said[phone] = ""

    def hear(self, identity: str, text: str) -> None:
        """Somebody, perhaps no phone at all, has said this for certain."""
        if asyncio.get_running_loop().time() > self._until.get(identity, 0.0):
            return
        self._said[identity] += f" {text}"
        if is_voicemail(self._said[identity]):
            del self._until[identity]
            self._on_found(identity)
