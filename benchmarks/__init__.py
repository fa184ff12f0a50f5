"""What a charge, a cold start and a renewal cost, measured in one run and shown beside the budgets."""
