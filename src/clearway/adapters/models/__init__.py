"""Models: providers behind pydantic-ai, answers from a script, recorded answers, and what they cost."""
