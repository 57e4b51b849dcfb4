"""The same programs in PyTorch, as one writes them who knows it: data in tensors, shuffled rows gathered a batch,
images channels last, losses on logits, the fused Adam, nothing read back before an epoch ends. Its layers' initial
weights are PyTorch's own.

PyTorch is imported inside of the functions: only the worker that measures it has it.
"""

from __future__ import annotations

from typing import Any


def build(name: str) -> Any:
    """The network of a program; images come with the channels in front, as PyTorch has them."""
    from torch import nn
    if name == "tiny":
        return nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
    if name == "quiz":
        return nn.Sequential(nn.Flatten(), nn.Linear(3072, 128), nn.ReLU(), nn.Linear(128, 5))
    if name == "mlp":
        return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, 512), nn.ReLU(),
                             nn.Dropout(0.2), nn.Linear(512, 10))
    if name == "mnist_cnn":
        return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5),
                             nn.Linear(128, 10))
    if name == "cifar10_cnn":
        return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
                             nn.MaxPool2d(2), nn.Dropout(0.25), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                             nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
                             nn.Linear(2304, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10))
    return {"lstm": _reviews, "gru": _reviews, "resnet20": _resnet, "vae": _vae}[name](name)


def _reviews(name: str) -> Any:
    import torch
    from torch import nn

    class Reviews(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(20000, 128)
            self.recurrent = (nn.LSTM if name == "lstm" else nn.GRU)(128, 128, batch_first=True)
            self.last = nn.Linear(128, 1)

        def forward(self, words: torch.Tensor) -> torch.Tensor:
            states, _ = self.recurrent(self.embedding(words))
            return self.last(states[:, -1])[:, 0]

    return Reviews()


def _resnet(name: str) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        def __init__(self, before: int, units: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(before, units, 3, stride, 1)
            self.second = nn.Conv2d(units, units, 3, 1, 1)
            self.norm_1, self.norm_2 = nn.BatchNorm2d(units), nn.BatchNorm2d(units)
            self.shortcut = nn.Conv2d(before, units, 1, stride) if stride > 1 else nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.norm_2(self.second(F.relu(self.norm_1(self.first(x)))))
            return F.relu(self.shortcut(x) + y)

    blocks: list[Any] = [nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU()]
    before = 16
    for stage, units in enumerate((16, 32, 64)):
        for block in range(3):
            blocks.append(Block(before, units, 2 if stage and not block else 1))
            before = units
    return nn.Sequential(*blocks, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10))


def _vae(name: str) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.mean, self.log_variance = nn.Linear(784, 256), nn.Linear(256, 2), nn.Linear(256, 2)
            self.decoder = nn.Sequential(nn.Linear(2, 256), nn.ReLU(), nn.Linear(256, 784))

        def forward(self, image: torch.Tensor) -> Any:
            hidden = F.relu(self.hidden(image))
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            point = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            painted = self.decoder(point)
            return (painted, mean, log_variance) if self.training else torch.sigmoid(painted)

    return Autoencoder()


class Model:
    """A network with its training loop, under the names of Keras's methods. With `compiled`, forward and loss go
    through torch.compile; on a GPU its mode records CUDA graphs."""

    def __init__(self, name: str, device: str, compiled: bool):
        import torch
        self.name, self.device = name, device
        self.images = name in ("mnist_cnn", "cifar10_cnn", "resnet20")
        self.network = build(name).to(device)
        if self.images:
            self.network = self.network.to(memory_format=torch.channels_last)
        make = {"quiz": torch.optim.Adam, "tiny": torch.optim.Adam, "lstm": torch.optim.Adam, "gru": torch.optim.Adam,
                "resnet20": torch.optim.Adam, "mnist_cnn": torch.optim.Adadelta}.get(name, torch.optim.RMSprop)
        options: dict[str, Any] = {"fused": True} if make is torch.optim.Adam else {}
        self.optimizer = make(self.network.parameters(), lr={"tiny": 1e-4, "cifar10_cnn": 1e-4, "mnist_cnn": 1.0}.get(
            name, 1e-3), **options)
        self.loss = self._loss
        if compiled:
            self.loss = torch.compile(self._loss, **({"mode": "reduce-overhead"} if device == "cuda" else {}))
        self._data: tuple[Any, Any, Any] = (None, None, None)

    def _loss(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The loss of a batch, and how many of its rows are answered rightly."""
        import torch
        from torch.nn import functional as F
        if self.images:
            x = x.permute(0, 3, 1, 2)  # a view: the memory stays channels last
        made = self.network(x)
        if self.name == "vae":
            painted, mean, log_variance = made
            badly = F.binary_cross_entropy_with_logits(painted, y, reduction="sum") / len(x)
            apart = -0.5 * torch.sum(1 + log_variance - mean.square() - log_variance.exp()) / len(x)
            return badly + apart, torch.zeros((), device=x.device)
        if self.name in ("lstm", "gru"):
            return F.binary_cross_entropy_with_logits(made, y), ((made > 0) == (y > 0.5)).sum()
        return F.cross_entropy(made, y), (made.argmax(1) == y).sum()

    def _tensors(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The data as tensors, made once for an array."""
        import torch
        if self._data[0] is not x:
            targets = y
            if self.name not in ("vae", "lstm", "gru"):
                targets = (y.argmax(1) if y.ndim == 2 else y).astype("int64")
            self._data = x, torch.from_numpy(x).to(self.device), torch.from_numpy(targets).to(self.device)
        return self._data[1:]

    def fit(self, x: Any, y: Any, batch_size: int, epochs: int, verbose: int = 0) -> list[tuple[float, float]]:
        """Trains; the mean loss and accuracy of each epoch."""
        import torch
        inputs, targets = self._tensors(x, y)
        self.network.train()
        history = []
        for _ in range(epochs):
            order = torch.randperm(len(inputs), device=self.device)
            total = torch.zeros((), device=self.device)
            right = torch.zeros((), device=self.device)
            for rows in order.split(batch_size):
                self.optimizer.zero_grad()
                loss, hits = self.loss(inputs[rows], targets[rows])
                loss.backward()
                self.optimizer.step()
                total += loss.detach() * len(rows)
                right += hits
            history.append((total.item() / len(inputs), right.item() / len(inputs)))
        return history

    def predict(self, x: Any, verbose: int = 0) -> Any:
        """The outputs as a NumPy array: probabilities, as the Kerases give them."""
        import torch
        self.network.eval()
        with torch.inference_mode():
            inputs = torch.from_numpy(x).to(self.device)
            made = self.network(inputs.permute(0, 3, 1, 2) if self.images else inputs)
            if self.name in ("lstm", "gru"):
                made = made.sigmoid()
            elif self.name != "vae":
                made = made.softmax(1)
            return made.cpu().numpy()
