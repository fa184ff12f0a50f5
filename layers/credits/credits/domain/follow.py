"""Follow: bring an account to where Stripe says its subscription is.

A snapshot is all of what Stripe says now, and the decision leads from any state of the account to the one that the
snapshot calls for. So it converges: the same snapshot again changes nothing, and neither the order of events nor how
often or how late they come matters. What a term was given already is counted on the account; the difference to what it
is entitled to (`entitle`) is given, or taken back from what is unspent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from credits.catalog import Catalog
from credits.domain.account import Account, PendingChange, Standing, Term
from credits.domain.cycle import period_at
from credits.domain.entitle import ON_PLAN, Snapshot, Subscription, entitled, paid_until, term_key
from credits.domain.entry import ChangeStatus, EntryKind, line_key
from credits.domain.gate import may_spend
from credits.domain.grant import PLAN_GRANTS, Draw, GrantKind, thawed, without
from credits.domain.instant import to_text
from credits.domain.journal import Journal, Posting
from credits.domain.recall import recall, recalled_in
from credits.domain.renew import (
    FREE,
    begin_period,
    bring_up,
    carried_over,
    move_to_plan,
    plan_change,
    plan_words,
    renew,
    settle_debt,
)

GIVES = {
    GrantKind.ALLOCATION: EntryKind.ALLOCATION,
    GrantKind.PRORATION: EntryKind.PRORATION,
    GrantKind.CARRYOVER: EntryKind.CARRYOVER,
}


def follow(
    account: Account,
    catalog: Catalog,
    *,
    now: datetime,
    key: str,
    snapshot: Snapshot,
    ticket: int,
    alone: bool = True,
) -> Posting:
    """Bring the account to what the snapshot says. `ticket` was drawn before the snapshot was fetched.

    A snapshot under a ticket that is not above the last one applied says nothing any more, and changes nothing. Where a
    lower ticket may still be under way (not `alone`), one that changes nothing is written down all the same, so that
    the older snapshot finds its ticket passed.

    An incomplete subscription changes nothing until it is paid. An account that has no subscription is left as it is.
    """
    if ticket <= account.ticket:
        return Posting((account,), ())
    journal = renew(account, catalog, now)
    following = _Following(journal, catalog, max(now, journal.account.at), key, snapshot, ticket)
    subscription = snapshot.subscription
    if subscription is None or subscription.standing is not Standing.INCOMPLETE:
        following.stand()
        following.settle_terms()
        following.thaw()
        following.announce()
        bring_up(journal, catalog, now)
    if not alone:
        following.overtake()
    return journal.posting()


class _Following:
    """One snapshot being applied: each step compares, and writes where something differs."""

    def __init__(
        self, journal: Journal, catalog: Catalog, now: datetime, key: str, snapshot: Snapshot, ticket: int
    ) -> None:
        self._journal = journal
        self._catalog = catalog
        self._now = now
        self._key = key
        self._snapshot = snapshot
        self._ticket = ticket
        self._written = 0
        self._subscription = _by_now(snapshot.subscription, now)

    def stand(self) -> None:
        """Plan, seats, cycle and standing, in one entry."""
        account, subscription = self._journal.account, self._subscription
        if subscription and subscription.standing in ON_PLAN:
            self._move(self._on_plan(self._with_free_ahead(account, subscription), subscription))
        elif account.subscription_id:
            self._move(self._on_free(account))
            free = period_at(account.opened_at, self._now)
            if self._journal.account.free_is_due(free.number):
                begin_period(self._journal, self._catalog, self._journal.account, free.number, self._now)
        elif subscription and account.plan == FREE:
            self._move(self._on_free(account))

    def settle_terms(self) -> None:
        """Take back from each term what it has too much of its entitlement; then give each what it lacks, so that what
        is owed by then is settled, whichever of them ends first."""
        known = {term_key(term): term for term in self._journal.account.terms}
        wanted = self._wanted()
        pairs = [
            (known.get(name, Term(*name, 0)), wanted.get(name, Term(*name, 0)))
            for name in sorted({*known, *wanted}, key=lambda name: (name[1], name[0]))
            if name[1] > self._now
        ]
        for term, should in sorted(pairs, key=lambda pair: pair[0].given <= pair[1].given):
            self._settle(term, should)

    def thaw(self) -> None:
        """Let go of what was frozen for want of payment, once payment allows spending again."""
        account = self._journal.account
        if may_spend(account, self._now):
            among = [grant.id for grant in account.grants if grant.kind in PLAN_GRANTS]
            grants, draws = thawed(account.grants, account.frozen, *among)
            if draws:
                self._write(EntryKind.THAW, replace(account, grants=grants), draws, description="paid")

    def announce(self) -> None:
        """The change that waits for its date, or that there is none any more."""
        account, subscription = self._journal.account, self._subscription
        if account.subscription_id is None or account.plan == FREE:
            return
        pending = subscription.pending if subscription else None
        if pending and (pending.plan, pending.seats) == (account.plan, account.seats):
            pending = None
        if pending == account.pending:
            return
        status = ChangeStatus.PENDING if pending else ChangeStatus.CALLED_OFF
        change = pending or account.pending
        if change:
            words = f"{plan_words(change.plan, change.seats)} on {to_text(change.at)}"
            self._write(
                EntryKind.PLAN_CHANGE,
                replace(account, pending=pending),
                description=words if pending else f"{words}: called off",
                change=plan_change(account, change.plan, change.seats, change.at, status),
            )

    def overtake(self) -> None:
        """Leave the ticket behind, where nothing else did."""
        if not self._written:
            self._write(EntryKind.CONFIRMATION, self._journal.account, description="as Stripe has it")

    def _on_plan(self, account: Account, subscription: Subscription) -> Account:
        """The account on the subscription's plan, in the period of its cycle that contains now."""
        span = subscription.period_at(self._now)
        same_cycle = account.subscription_id == subscription.id and account.anchor == subscription.anchor
        if not (same_cycle and account.plan != FREE):
            grants = account.grants if same_cycle else carried_over(account.grants)
            entered = replace(account, anchor=subscription.anchor, period_number=span.number, grants=grants)
            account = replace(entered.recounted(self._now, account.counts_from), pending=None)
        elif (account.plan, account.seats) != (subscription.plan, subscription.seats):
            account = replace(account, pending=None)
        paid = paid_until(subscription, self._snapshot.lines or ())
        return replace(
            account,
            plan=subscription.plan,
            seats=subscription.seats,
            subscription_id=subscription.id,
            standing=subscription.standing,
            grace_ends_at=self._grace_ends_at(account, subscription),
            paid_until=paid if paid and paid > span.end else None,
        )

    def _on_free(self, account: Account) -> Account:
        """The account on Free; what it has left of a plan that was paid for stays until its period ends. A month of
        Free that began ahead of Stripe's word is its own now."""
        subscription = self._subscription
        ended = subscription is None or subscription.standing is Standing.CANCELED
        if account.plan != FREE:
            before = account.counts_from
            account = move_to_plan(account, FREE, 1, account.opened_at)
            number = period_at(account.anchor, self._now).number
            account = replace(account, period_number=number).recounted(self._now, before)
        return replace(
            account,
            terms=tuple(term for term in account.terms if term.subscription_id != FREE),
            subscription_id=None if ended or subscription is None else subscription.id,
            standing=Standing.CANCELED if subscription is None else subscription.standing,
            grace_ends_at=None,
            paid_until=None,
        )

    def _with_free_ahead(self, account: Account, subscription: Subscription) -> Account:
        """The account with a term for the month of Free that began only because nobody had heard of the subscription
        yet. Where the clock ended a subscription that goes on after all, the term is there (`begin_period`)."""
        month = account.period
        # Stripe tells its instants to the second: who opens and subscribes within one has had Free first.
        began = month.start.replace(microsecond=0)
        if account.plan != FREE or account.subscription_id or began <= subscription.started_at:
            return account
        return account.with_term(Term(FREE, month.end, self._catalog.plans[FREE].allocation(account.seats)))

    def _move(self, after: Account) -> None:
        """Write what is new about the account, if anything is."""
        before = self._journal.account
        if after == before:
            return
        facts: dict[str, Any] = {}
        kind = EntryKind.STANDING
        if (before.anchor, before.period_number) != (after.anchor, after.period_number):
            kind = EntryKind.PERIOD
        if (before.plan, before.seats) != (after.plan, after.seats):
            kind = EntryKind.PLAN_CHANGE
            facts["description"] = f"{plan_words(before.plan, before.seats)} to {plan_words(after.plan, after.seats)}"
            facts["change"] = plan_change(before, after.plan, after.seats, self._now)
        if before.standing is not after.standing:
            facts["standing_before"] = before.standing
        self._write(kind, after, **facts)

    def _wanted(self) -> Mapping[tuple[str, datetime], Term]:
        """What each running term is entitled to.

        Where Stripe no longer has the invoices, what they paid for stays. Where Stripe has not come to the boundary
        that the clock has passed, the new period's invoice is still to come: the term stays as it is.
        """
        account, subscription = self._journal.account, self._subscription
        if self._snapshot.lines is None:
            return {term_key(term): self._paid_part(term) for term in account.terms}
        wanted = dict(entitled(Snapshot(subscription, self._snapshot.lines), self._catalog, self._now))
        if subscription and subscription.standing in ON_PLAN and account.term:
            span = subscription.period_at(self._now)
            current = wanted[subscription.id, span.end]
            if subscription.period_ends_at <= span.start and current.given < account.term.given:
                wanted[subscription.id, span.end] = account.term
        return wanted

    def _paid_part(self, term: Term) -> Term:
        """The term with what was paid for it and not paid back."""
        _, owing = recalled_in(self._journal.account.grants_of(term))
        return replace(term, given=term.given - term.provisional - owing, provisional=0)

    def _settle(self, term: Term, wanted: Term) -> None:
        if term.given > wanted.given:
            self._take_back(term, wanted)
            return
        account = self._journal.account
        grants = recall(account.grants, [grant.id for grant in account.grants_of(term)], 0)
        stays = replace(account, grants=grants).with_term(wanted)
        if term.given < wanted.given:
            self._give(stays, term, wanted)
        elif term != wanted or grants != account.grants:
            self._write(EntryKind.CONFIRMATION, stays, description="paid")

    def _give(self, account: Account, term: Term, wanted: Term) -> None:
        kind = GrantKind.CARRYOVER
        if account.term == wanted:
            kind = GrantKind.PRORATION if term.given else GrantKind.ALLOCATION
        credits = wanted.given - term.given
        there = next((g for g in account.grants if g.kind is kind and g.expires_at == wanted.ends_at), None)
        account, draws = account.grow(there, credits) if there else account.give(kind, credits, wanted.ends_at)
        self._write(GIVES[kind], account, draws, description="paid" if kind is not GrantKind.ALLOCATION else None)
        settle_debt(self._journal, draws, self._now)

    def _take_back(self, term: Term, wanted: Term) -> None:
        """Take back what is unspent, and recall what holds have. Of what was spent, the part that was never paid is
        forgiven, and stays provisional; the part that Stripe paid back is owed, and so is what was spent of a month of
        Free that never was: it was spent of the plan."""
        account = self._journal.account
        of_it = account.grants_of(term)
        among = [grant.id for grant in of_it]
        grants, draws = without(account.grants, term.given - wanted.given, *among)
        missing = term.given - wanted.given + sum(draw.credits + draw.frozen for draw in draws)
        held = min(missing, sum(grant.held for grant in of_it))
        unpaid = max(0, term.provisional - wanted.provisional)
        forgiven = min(missing - held, unpaid)
        owed = missing - held - forgiven
        forgivable = min(held, unpaid - forgiven)
        given, provisional = forgiven + held, forgiven + forgivable
        after = replace(wanted, given=wanted.given + given, provisional=wanted.provisional + provisional)
        grants = recall(grants, among, held, held - forgivable)
        if after == term and grants == account.grants:
            return
        free = term.subscription_id == FREE
        account = replace(
            account, grants=grants, owed=account.owed + owed, free_returned=free or account.free_returned
        ).with_term(after)
        words = "a month of Free that was over already" if free else "not paid, or paid back"
        self._write(EntryKind.REVOCATION, account, draws, description=words, shortfall=missing - held)

    def _grace_ends_at(self, account: Account, subscription: Subscription) -> datetime | None:
        if subscription.standing is not Standing.PAST_DUE:
            return None
        if subscription.unpaid_since is None and account.grace_ends_at:
            return account.grace_ends_at
        return (subscription.unpaid_since or self._now) + timedelta(days=self._catalog.policies.grace_days)

    def _write(self, kind: EntryKind, after: Account, draws: Sequence[Draw] = (), **facts: Any) -> None:
        key = line_key(self._key, self._written)
        self._written += 1
        self._journal.write(kind, key, self._now, replace(after, ticket=self._ticket), draws, **facts)


def _by_now(subscription: Subscription | None, now: datetime) -> Subscription | None:
    """The subscription with what it announced for a date that has come, though Stripe may be a moment late with it."""
    if subscription is None or subscription.pending is None or subscription.pending.at > now:
        return subscription
    pending: PendingChange = subscription.pending
    if pending.plan == FREE:
        return replace(subscription, standing=Standing.CANCELED, pending=None)
    return replace(subscription, plan=pending.plan, seats=pending.seats, pending=None)
