"""The rules. Modules here import no AWS, clock, network or environment: times are arguments."""
