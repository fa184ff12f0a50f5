"""What a charge, a cold start, a renewal and a look at history cost, measured in one run beside the budgets."""
