"""SIP's status codes, and what the bridge makes of a phone that refuses a call with one."""

from livekit import rtc

from tests.telephony.proxy import Fault

Reason = rtc.DisconnectReason

OK = 200
ACCEPTED = 202
BUSY = 486
TRY_LATER = 503

WORDS = {
    202: "Accepted",
    403: "Forbidden",
    404: "Not Found",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    480: "Temporarily Unavailable",
    484: "Address Incomplete",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    503: "Service Unavailable",
    600: "Busy Everywhere",
    603: "Decline",
}
TWIRP_CODES = {
    403: "permission_denied",
    404: "not_found",
    408: "deadline_exceeded",
    480: "resource_exhausted",
    484: "invalid_argument",
    486: "resource_exhausted",
    487: "aborted",
    488: "invalid_argument",
    500: "failed_precondition",
    503: "failed_precondition",
    600: "resource_exhausted",
    603: "permission_denied",
}


def reason_of(code: int) -> Reason.ValueType:
    """Why the participant leaves."""
    if code in {404, 408, 480}:
        return Reason.USER_UNAVAILABLE
    return Reason.CLIENT_INITIATED if 500 <= code < 600 else Reason.USER_REJECTED


class NotAnswered(Exception):
    """What the caller of the API is told, and why the participant leaves."""

    def __init__(self, fault: Fault, reason: Reason.ValueType = Reason.USER_UNAVAILABLE) -> None:
        super().__init__(fault.message)
        self.fault, self.reason = fault, reason


class Refused(NotAnswered):
    """The other end said no, with this SIP code."""

    def __init__(self, sip: int, what: str = "INVITE failed: ") -> None:
        text = f"twirp error unknown: {what}sip status: {sip}: {WORDS[sip]}"
        meta = {"sip_status_code": str(sip), "sip_status": WORDS[sip]}
        super().__init__(Fault(TWIRP_CODES[sip], text, meta), reason_of(sip))
        self.sip = sip


# The same for a ring that took too long, an end that says nothing, and a call that was called off.
TIMED_OUT = Fault("canceled", "twirp error unknown: sip request timed out")
LATE = Fault("deadline_exceeded", "twirp error unknown: request timed out")
