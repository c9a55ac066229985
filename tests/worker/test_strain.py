"""When a call counts as too much for its machine."""

from worker.strain import LOOKS, OFTEN, Strain


def test_what_a_busy_machine_does_a_little_late_is_no_strain_and_strain_lasts_until_it_is_done_much_sooner() -> None:
    strain = Strain()
    for _ in range(LOOKS):
        strain.note(0.09)
    assert not strain.is_felt
    assert [strain.note(0.11) for _ in range(OFTEN)] == [False] * (OFTEN - 1) + [True]
    for _ in range(LOOKS):
        strain.note(0.06)
    assert strain.is_felt
    for _ in range(LOOKS):
        strain.note(0.04)
    assert not strain.is_felt
