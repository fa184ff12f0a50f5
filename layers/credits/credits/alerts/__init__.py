"""What the product hears of the ledger, without asking: notices on the event bus, and as signed webhooks."""
