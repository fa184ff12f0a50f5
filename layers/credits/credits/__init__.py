"""InfuseOS Credits: prices, charges and accounts for every credit, exactly once."""
