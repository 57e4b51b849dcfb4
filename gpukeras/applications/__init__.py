"""Networks of the ImageNet challenge, with random weights, weights from a file, or those that Keras published."""

from __future__ import annotations

from .inception_resnet_v2 import InceptionResNetV2
from .inception_v3 import InceptionV3
from .mobilenet import MobileNet
from .resnet50 import ResNet50
from .vgg16 import VGG16
from .vgg19 import VGG19
from .xception import Xception

__all__ = ["InceptionResNetV2", "InceptionV3", "MobileNet", "ResNet50", "VGG16", "VGG19", "Xception"]
