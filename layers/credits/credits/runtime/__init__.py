"""What a function needs around the rules: settings, clock, HTTP, telemetry. No rule imports it."""
