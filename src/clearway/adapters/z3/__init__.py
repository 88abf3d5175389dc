"""What a change of policies newly allows, found by z3 over the Cedar policies (docs/explanation/change-safety.md)."""
