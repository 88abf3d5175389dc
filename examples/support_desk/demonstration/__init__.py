"""The parts of the demonstration: where it keeps its data, its processes, its scenes, and the verdict."""
