"""The telephone exchange between the bridge and the phones: a SIP proxy over UDP.

The trunk has one address; the phones have one each. Calls go by their number, to the phone that has it, else from a
phone to the bridge. It stays in the way of each call, so that it can give the answers that a carrier gives and the
phones' own software cannot.
"""

import asyncio
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from typing_extensions import override

from tests.servers import free_port
from tests.telephony.baresip import Baresip
from tests.telephony.sip import ACCEPTED, BUSY, WORDS

REALM = "exchange"
WAY_S = 0.01
Address = tuple[str, int]


@dataclass
class Message:
    """A SIP request or response; headers in their order, by their long names."""

    start: str
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self:
        head, _, body = data.partition(b"\r\n\r\n")
        start, *lines = head.decode().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return cls(start, [(name.strip(), value.strip()) for name, _, value in pairs], body)

    def to_bytes(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    @property
    def status(self) -> int | None:
        """Of a response; None of a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else None

    @property
    def method(self) -> str:
        return self["CSeq"].split()[1]

    @property
    def uri(self) -> str:
        return self.start.split()[1]

    @property
    def begins_a_call(self) -> bool:
        return self.status is None and self.method == "INVITE" and ";tag=" not in self["To"]

    def __getitem__(self, name: str) -> str:
        """The first header of that name, empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def remove(self, name: str) -> None:
        """Take the first header of that name away."""
        index = next(index for index, (key, _) in enumerate(self.headers) if key.lower() == name.lower())
        del self.headers[index]

    def answered(self, status: int, *more: tuple[str, str]) -> "Message":
        """What to answer this request with."""
        copied = [pair for pair in self.headers if pair[0].lower() in {"via", "from", "call-id", "cseq"}]
        to = self["To"] if ";tag=" in self["To"] else self["To"] + _own_tag(self)
        return Message(_status_line(status), [*copied, ("To", to), *more, ("Content-Length", "0")], b"")


class Exchange(asyncio.DatagramProtocol):
    """Who calls over the trunk logs in; a wrong login is answered with 403, a number that nobody has with 404."""

    def __init__(self, bridge: Address) -> None:
        self.address = ("127.0.0.1", free_port())
        self.uri = f"{self.address[0]}:{self.address[1]}"
        self.username, self.password = "carrier-login", secrets.token_hex(8)
        self.phones: list[Baresip] = []
        self._bridge = bridge
        self._transport: asyncio.DatagramTransport

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.address)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._transport.close()

    @override
    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not data.strip():
            return  # keeps a connection open
        message = Message.parse(data)
        if message.status is not None:
            self._pass_back(message, addr)
        elif (answer := self._own_answer(message, addr)) is not None:
            self._send(answer, addr)
        elif not (message.method == "ACK" and message["To"].endswith(_own_tag(message))):
            self._pass_on(message)

    def _own_answer(self, request: Message, source: Address) -> Message | None:
        """What the exchange itself says to a request; None to one that goes on."""
        if request.method == "REFER":
            phone = next((one for one in self.phones if one.port == _address(request.uri)[1]), None)
            code = phone.transfers_with if phone else ACCEPTED
            return None if code == ACCEPTED else request.answered(code or ACCEPTED)
        if not request.begins_a_call or source != self._bridge:
            return None
        if not request["Proxy-Authorization"]:
            ask = f'Digest realm="{REALM}", nonce="{secrets.token_hex(8)}", algorithm=MD5'
            return request.answered(407, ("Proxy-Authenticate", ask))
        if not self._knows_the_login(request):
            return request.answered(403)
        return request.answered(404) if self._phone(request) is None else None

    def _knows_the_login(self, request: Message) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', request["Proxy-Authorization"]))
        who = _digest(f"{self.username}:{REALM}:{self.password}")
        what = _digest(f"{request.method}:{given['uri']}")
        return bool(given["response"] == _digest(f"{who}:{given['nonce']}:{what}"))

    def _pass_on(self, request: Message) -> None:
        branch = _digest(request["Via"])  # the same for a request, its CANCEL and the ACK of its refusal
        if request["Route"]:
            request.remove("Route")
        to = _address(request.uri)
        if to == self.address:
            phone = self._phone(request)
            to = ("127.0.0.1", phone.port) if phone else self._bridge
        if request.begins_a_call:
            request.headers.insert(0, ("Record-Route", f"<sip:{self.uri};lr>"))
        if refer := re.search(r"tel:([^>;]+)", request["Refer-To"]):
            request.remove("Refer-To")
            request.headers.append(("Refer-To", f"<sip:{refer[1]}@{self.uri}>"))
        request.headers.insert(0, ("Via", f"SIP/2.0/UDP {self.uri};branch=z9hG4bK{branch}"))
        self._send(request, to)

    def _pass_back(self, response: Message, source: Address) -> None:
        response.remove("Via")
        phone = next((one for one in self.phones if one.port == source[1]), None)
        if phone and phone.declines_with and response.status == BUSY and response.method == "INVITE":
            response.start = _status_line(phone.declines_with)
        self._send(response, _address(response["Via"]))

    def _phone(self, request: Message) -> Baresip | None:
        user = unquote(re.sub(r"^sips?:|[@;].*$", "", request.uri))
        return next((one for one in reversed(self.phones) if one.number == user), None)

    def _send(self, message: Message, to: Address) -> None:
        # Not at once: an answer that is there before the bridge begins to wait for it is sometimes lost on it.
        asyncio.get_running_loop().call_later(WAY_S, self._transport.sendto, message.to_bytes(), to)


def _address(text: str) -> Address:
    """The host and port in a URI or a Via."""
    found = re.search(r"(?:@|:|\s)(\d+(?:\.\d+){3}):(\d+)", text)
    assert found, text
    return found[1], int(found[2])


def _own_tag(request: Message) -> str:
    return f";tag={_digest(request['Call-ID'])[:8]}"


def _status_line(code: int) -> str:
    return f"SIP/2.0 {code} {WORDS[code]}"


def _digest(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
