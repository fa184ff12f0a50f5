"""The Usage page: what people see, worked out as plain values that templates only lay out. Pure."""
