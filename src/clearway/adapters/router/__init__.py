"""Routers that need technology: the embedded one (`clearway[router]`: numpy, onnxruntime, scikit-learn), and plots."""
