"""How TensorFlow is to run, for whoever imports it later: it reads its environment once."""

__all__ = ["TENSORFLOW"]

# oneDNN's kernels are on by default only where a processor has instructions made for networks; with AVX2 alone they
# train `fernet` 1.5 times as fast as what TensorFlow takes there.
TENSORFLOW = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
