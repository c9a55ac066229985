"""SIP's status codes, and what the bridge makes of a phone that refuses a call with one."""

from livekit import rtc

Reason = rtc.DisconnectReason

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
