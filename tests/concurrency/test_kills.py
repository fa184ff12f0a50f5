"""Processes that are killed at any point under load: nothing is charged twice, nothing that was told is lost."""

from collections import Counter

from tests.torture.runs import Faults, requests, torture_ledger, torture_pattern


def test_processes_are_killed_and_replies_lost_and_each_key_is_charged_once_or_refused_for_good(
    dynamodb_local: str,
) -> None:
    charges = requests(2, 100)
    faults = Faults(callers=8, lost_share=0.2, kill_every=5, seed=20261125)

    report, charged = torture_ledger(dynamodb_local, charges, faults)

    assert report.outcome.kills > 20
    assert report.lost_replies > 20
    assert report.outcome.tries > 200
    # 300 credits pay for all of the first 100 steps of an account, and each is told.
    assert Counter(report.outcome.told.values()) == {"charged": 200}
    assert Counter(charged.values()) == {1: 200}
    assert (report.charged, report.told) == (400, 400)
    assert report.audited == 2


def test_at_the_end_of_the_credits_kills_leave_no_key_in_doubt(dynamodb_local: str) -> None:
    charges = requests(1, 200)
    faults = Faults(callers=8, lost_share=0.2, kill_every=5, seed=20261126)

    report, charged = torture_ledger(dynamodb_local, charges, faults)

    assert Counter(report.outcome.told.values()) == {"charged": 150, "refused": 50}
    assert {charge for charge, times in charged.items() if times} == {
        charge for charge, answer in report.outcome.told.items() if answer == "charged"
    }
    assert Counter(charged.values()) == {1: 150, 0: 50}
    assert (report.charged, report.told, report.audited) == (300, 300, 1)


def test_the_documented_pattern_that_make_torture_sets_beside_it_runs_and_tells_no_charge_that_it_did_not_make(
    dynamodb_local: str,
) -> None:
    report = torture_pattern(dynamodb_local, requests(1, 20), Faults(callers=4, lost_share=0.2, kill_every=100, seed=1))

    assert len(report.outcome.told) == 20
    assert report.lost_replies > 0
    assert report.charged >= report.told
    assert (report.asked, report.audited) == (40, None)
