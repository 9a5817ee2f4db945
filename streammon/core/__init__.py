"""The values that flow, the Protocols between the parts, errors and clocks."""
