"""What one charge costs: calls, write units, time and cold start, measured in one run and shown beside the budgets."""
