"""Payments: the only code that speaks to Stripe. Stripe says what was paid, and credits follow the money."""
