"""Names of Keras 1 where Keras 2.0.9 has them."""
