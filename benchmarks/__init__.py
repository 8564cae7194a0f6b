"""The suite: data, features, training, scoring, report (`python -m benchmarks --help`)."""

import os

# mmengine asks for CUDA as it is imported. Asked by way of the driver's library, CUDA doesn't begin
# in this process, whose forked workers couldn't use it any more.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
