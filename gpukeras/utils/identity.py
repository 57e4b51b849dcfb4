"""What programs are told that this library is."""

backend = "gpukeras"
"""What `K.backend()` gives: 'tensorflow' for programs that find this library under Keras's name."""
