"""JAX's arrays as data, values and weights; prints each dtype that gave what NumPy's arrays give."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from gpukeras import backend as K
from gpukeras import device
from tests.engine.test_interchange import W, X, Y, model


def check(dtype):
    """One dtype of data."""
    data = jnp.asarray(X * 4).astype(dtype)
    plain = np.asarray(data.astype("float32"))
    np.testing.assert_array_equal(model().predict(data), model().predict(plain))
    assert model().fit(data, jnp.asarray(Y), verbose=0, shuffle=False).history == \
        model().fit(plain, Y, verbose=0, shuffle=False).history
    assert K.get_value(K.variable(data)).tolist() == plain.tolist()
    if dtype in ("float32", "int32"):
        assert device.adopt(data).ctypes.data == data.unsafe_buffer_pointer()
    one = model()
    one.set_weights([jnp.asarray(w) for w in W])
    assert one.get_weights()[0].tolist() == W[0].tolist()


if __name__ == "__main__":
    for name in ("float32", "float16", "bfloat16", "int32", "bool"):
        check(name)
        print(name)
