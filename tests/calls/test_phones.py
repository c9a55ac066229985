"""Phone numbers: their one spelling, and those that a tenant owns."""

import asyncio
import uuid

import phonenumbers
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import Conflict, Invalid, NotFound
from calls.phones import numbers as phones
from calls.tables import tenants

OURS, THEIRS = "+15551234567", "+442079460958"


@pytest.fixture
async def other_tenant(database: Database) -> str:
    tenant_id = str(uuid.uuid4())
    async with database.writing() as connection:
        await connection.execute(sa.insert(tenants).values(id=tenant_id, name="other"))
    return tenant_id


@pytest.mark.parametrize(
    ("given_as", "kept_as"),
    [
        ("+1 (555) 123-4567", OURS),
        ("tel:+1-555-123-4567", OURS),
        (" sip:desk@example.com ", "sip:desk@example.com"),
        (
            "sips:+15551234567@pbx.example.com:5061;transport=tls",
            "sips:+15551234567@pbx.example.com:5061;transport=tls",
        ),
        ("sip:desk@[2001:db8::1]", "sip:desk@[2001:db8::1]"),
    ],
)
def test_a_call_may_be_sent_to_a_number_or_a_sip_address(given_as, kept_as):
    assert phones.normalise_destination(given_as) == kept_as


@pytest.mark.parametrize(
    "wrong", ["", "desk", "0301234567", "sip:", "sip:desk", "sip:de sk@example.com", "sip:a@b>\r\nX: y", "http://a@b"]
)
def test_what_is_neither_is_refused(wrong):
    with pytest.raises(ValueError, match="a SIP address"):
        phones.normalise_destination(wrong)


@pytest.mark.parametrize(
    "spelling",
    [
        "+15551234567",
        "+1 (555) 123-4567",
        "  +1.555.123.4567 ",
        "0015551234567",
        "00 1 555 123 4567",
        "tel:+1-555-123-4567",
        "+１５５５１２３４５６７",
    ],
)
def test_every_spelling_of_a_number_is_kept_as_one(spelling):
    assert phones.normalise(spelling) == "+15551234567"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "+",
        "5551234567",
        "(555) 123-4567",
        "+1555",
        "+1234567",
        "+99912345678",
        "+1555123456789012345",
        "+15551234567 ext. 5",
        "+1\x00555",
        "sip:+15551234567@host",
        "+1" + "5" * 5000,
    ],
)
def test_what_is_no_possible_number_with_a_country_code_is_refused_and_the_error_says_what_was_expected(text):
    with pytest.raises(ValueError, match=r"country code, as in \+15551234567"):
        phones.normalise(text)


@pytest.mark.parametrize(
    ("number", "sent"),
    [
        ("+49301234567", ("+49301234567", "0049301234567", "0301234567")),
        ("+15551234567", ("+15551234567", "0015551234567", "5551234567")),
        ("+442079460958", ("+442079460958", "00442079460958", "02079460958")),
        ("+390612345678", ("+390612345678", "00390612345678", "0612345678")),  # Italy keeps its zero abroad
    ],
)
def test_a_called_number_is_listed_as_carriers_write_it(number, sent):
    assert phones.spellings(number)[:3] == sent
    assert {f"{number};npdi", f"{number[1:]};npdi", f"{sent[2]};npdi=yes"} < set(phones.spellings(number))


@pytest.mark.parametrize(
    "dialled",
    [
        "+49301234567",
        "49301234567",
        "0301234567",
        "0049301234567",
        "tel:+49301234567",
        "TEL:+49-30-1234567",
        "sip:+49301234567@sip.example.com;transport=udp",
        "+49301234567;npdi",
        "0301234567;npdi;rn=+4930999",
        "+49301234567;user=phone",
        "+49 (30) 123.45-67",
    ],
)
def test_the_called_number_is_found_in_the_spellings_that_carriers_send(dialled):
    assert phones.called_number(dialled, ["+4989999999", "+49301234567"]) == "+49301234567"


@pytest.mark.parametrize("dialled", ["", "anonymous", "+", "301234567", "+4930123456", "sip:aria@host", "٣٠"])
def test_what_is_none_of_the_numbers_finds_none(dialled):
    assert phones.called_number(dialled, ["+49301234567"]) is None


def test_what_two_numbers_are_at_home_means_neither_of_them():
    berlin, italy = "+49301234567", "+390301234567"
    assert "0301234567" in {*phones.spellings(berlin)} & {*phones.spellings(italy)}
    assert phones.called_number("0301234567", [berlin, italy]) is None
    assert phones.called_number("0301234567", [berlin]) == berlin
    assert phones.called_number("0301234567", [italy]) == italy
    assert phones.called_number("0039 0301234567", [berlin, italy]) == italy


def test_a_numbers_own_digits_mean_that_number_whatever_they_are_elsewhere():
    brazil, america = "+5551234567", "+15551234567"
    assert "5551234567" in phones.spellings(america)
    assert phones.called_number("5551234567", [america]) == america
    assert phones.called_number("5551234567", [america, brazil]) == brazil
    assert phones.called_number("+5551234567", [america, brazil]) == brazil


def example(region: str) -> str | None:
    """A number of that region; what is known of its numbers is loaded for it."""
    number = phonenumbers.example_number(region)
    return None if number is None else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


examples = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)).map(example).filter(bool)
# Any last digits: a number of possible length.
tails = st.integers(0, 9999).map(lambda number: f"{number:04}")
possible = st.builds(lambda example, tail: example[:-4] + tail, examples, tails)


@settings(deadline=None)  # the first number of a country loads what is known of its numbers
@given(own=st.lists(possible, min_size=1, max_size=6, unique=True), suffix=st.sampled_from(["", ";npdi", "@host;x=1"]))
def test_whatever_is_called_in_any_spelling_is_that_number_or_not_clear(own, suffix):
    for number in own:
        assert phones.called_number(number + suffix, own) == number
        assert phones.called_number(number.removeprefix("+"), own) == number
        for spelling in phones.spellings(number):
            assert phones.called_number(f"tel:{spelling}{suffix}", [number]) == number
            found = phones.called_number(spelling + suffix, own)
            digits = phones.bare(spelling)
            others = [one for one in own if one != number and digits in map(phones.bare, phones.spellings(one))]
            assert found == number or others


@settings(deadline=None)
@given(text=st.text())
def test_nothing_that_is_dialled_breaks_it(text):
    assert phones.called_number(text, ["+49301234567"]) in {None, "+49301234567"}


async def test_a_called_number_is_only_found_with_the_tenant_that_owns_it(database, other_tenant):
    async with database.writing() as connection:
        await phones.add_number(connection, DEFAULT_TENANT, OURS)
        await phones.add_number(connection, other_tenant, THEIRS)
        found = await phones.find_called(connection, DEFAULT_TENANT, "5551234567;npdi")
        assert found is not None
        assert (found.number, found.tenant_id) == (OURS, DEFAULT_TENANT)
        for dialled in (THEIRS, THEIRS[1:], "02079460958"):
            assert await phones.find_called(connection, DEFAULT_TENANT, dialled) is None


async def test_a_number_has_one_owner_and_the_agent_that_answers_it(database, agent, other_tenant):
    async with database.writing() as connection:
        row = await phones.add_number(connection, DEFAULT_TENANT, OURS)
        assert (row.number, row.agent_id) == (OURS, None)
        await phones.add_number(connection, DEFAULT_TENANT, THEIRS, agent["id"])
        row = await phones.attach_number(connection, DEFAULT_TENANT, OURS, agent["id"])
        assert row.agent_id == agent["id"]
        with pytest.raises(Conflict):
            await phones.add_number(connection, other_tenant, OURS)
        page, total = await phones.list_numbers(connection, DEFAULT_TENANT, 1, 1)
        assert ([row.number for row in page], total) == ([THEIRS], 2)
        assert await phones.list_numbers(connection, other_tenant, 50, 0) == ([], 0)


async def test_an_unknown_agent_or_number_is_not_found(database, agent, other_tenant):
    async with database.writing() as connection:
        await phones.add_number(connection, DEFAULT_TENANT, OURS)
        for attempt in (
            phones.add_number(connection, DEFAULT_TENANT, THEIRS, str(uuid.uuid4())),
            phones.add_number(connection, other_tenant, THEIRS, agent["id"]),
            phones.attach_number(connection, DEFAULT_TENANT, OURS, str(uuid.uuid4())),
            phones.attach_number(connection, other_tenant, OURS, agent["id"]),
            phones.delete_number(connection, other_tenant, OURS),
        ):
            with pytest.raises(NotFound):
                await attempt
        await phones.delete_number(connection, DEFAULT_TENANT, OURS)
        with pytest.raises(NotFound):
            await phones.delete_number(connection, DEFAULT_TENANT, OURS)


async def test_two_tenants_that_register_a_number_at_once_leave_one_conflict(database, other_tenant):
    async def register(tenant_id: str) -> str:
        async with database.writing() as connection:
            return str((await phones.add_number(connection, tenant_id, OURS)).tenant_id)

    outcomes = await asyncio.gather(register(DEFAULT_TENANT), register(other_tenant), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "str"]


async def test_a_leg_calls_from_the_wanted_number_else_the_keys_else_the_oldest(database, other_tenant):
    async with database.writing() as connection:
        with pytest.raises(Invalid) as none_to_be_had:
            await phones.caller_id(connection, DEFAULT_TENANT)
        assert none_to_be_had.value.details[0].path == "from_number"
        await phones.add_number(connection, DEFAULT_TENANT, "+15550000002")
        await phones.add_number(connection, DEFAULT_TENANT, "+15550000001")
        await phones.add_number(connection, other_tenant, THEIRS)
        assert await phones.caller_id(connection, DEFAULT_TENANT) == "+15550000002"
        assert await phones.caller_id(connection, DEFAULT_TENANT, default="+15550000001") == "+15550000001"
        chosen = await phones.caller_id(connection, DEFAULT_TENANT, "+15550000002", default="+15550000001")
        assert chosen == "+15550000002"
        with pytest.raises(Invalid) as not_ours:
            await phones.caller_id(connection, DEFAULT_TENANT, THEIRS, path="participants[0].from_number")
        assert not_ours.value.details[0].path == "participants[0].from_number"


@pytest.mark.parametrize(
    ("sent", "called", "caller"),
    [
        ("+49301234567", "+12025550199", "+49301234567"),
        ("0049301234567", "+12025550199", "+49301234567"),
        ("49301234567", "+4930666666", "+49301234567"),
        ("0301234567", "+4930666666", "+49301234567"),
        ("447911123456", "+4930666666", "+447911123456"),
        ("2025550123", "+12025550199", "+12025550123"),
        ("12025550123", "+4930666666", "+12025550123"),
        ("612345678", "+34911234567", "+34612345678"),
        ("301", "+4930666666", None),
        ("anonymous", "+4930666666", None),
        ("", "+4930666666", None),
    ],
)
def test_who_calls_is_understood_as_carriers_write_it(sent: str, called: str, caller: str | None):
    assert phones.calling_number(sent, called) == caller
