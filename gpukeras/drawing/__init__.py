"""Pictures drawn without a plotting library: models, training curves, kernels and feature maps, as SVG and PNG."""
