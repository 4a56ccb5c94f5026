"""Train the network that tells voices apart, over all variants, both languages and telephone bandwidth.

python -m deploy.local.models.training.embedding --minutes 8
"""

import time
from pathlib import Path
from random import Random
from typing import Annotated

import numpy as np
import torch
import typer
from pyannote.audio.core.task import Problem, Resolution, Specifications
from torch.nn import functional

from deploy.local.models.training import bank as banks
from deploy.local.models.training.checkpoints import save
from deploy.local.models.training.heard import remember
from deploy.local.models.training.registry import FOLDER
from deploy.local.models.training.speech import SAMPLE_RATE, Samples
from gpu_consumers.standins import SpeakerNet

BATCH = 32
SECONDS = (0.7, 1.0, 1.5, 2.0)  # of one example
SCALE, MARGIN = 16.0, 0.15  # of the angles between voices
SPECIFICATIONS = Specifications(
    problem=Problem.REPRESENTATION,
    resolution=Resolution.CHUNK,
    duration=10.0,
    min_duration=None,
    warm_up=(0.0, 0.0),
    classes=["a"],
    permutation_invariant=False,
)


def example(spoken: list[Samples], length: int, random: Random) -> Samples:
    """So many samples of one voice."""
    speech = np.concatenate([random.choice(spoken) for _ in range(2)])
    begin = random.randrange(max(1, len(speech) - length + 1))
    piece = np.resize(speech, length) if len(speech) < length else speech[begin : begin + length]
    if random.random() < 0.45:
        piece = banks.telephone(piece, random.choice(banks.TELEPHONE_HZ))
    heard: Samples = piece * np.float32(random.uniform(0.3, 1.0)) + banks.noise(length, random)
    return heard


def train(model: SpeakerNet, minutes: float, sentences: int) -> float:
    """Train in place to name the voice; the share of right names in the last steps."""
    random, spoken = Random(3), banks.bank(sentences, seed=5)
    remember((item.sentence, item.voice) for item in spoken)
    speakers = banks.by_speaker(spoken)
    names = sorted(speakers)
    centres = torch.nn.Parameter(torch.randn(len(names), model.dimension))
    optimizer = torch.optim.Adam([*model.parameters(), centres], lr=2e-3)
    model.train()
    began, right, step = time.monotonic(), 0.0, 0
    while time.monotonic() - began < minutes * 60:
        who = [random.randrange(len(names)) for _ in range(BATCH)]
        length = int(SAMPLE_RATE * random.choice(SECONDS))
        waves = np.stack([example(speakers[names[index]], length, random) for index in who])
        angles = functional.normalize(model(torch.from_numpy(waves)[:, None])) @ functional.normalize(centres).T
        wanted = torch.tensor(who)
        harder = angles - MARGIN * functional.one_hot(wanted, len(names))
        loss = functional.cross_entropy(SCALE * harder, wanted)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        hits = (angles.argmax(1) == wanted).float().mean().item()
        right, step = 0.98 * right + 0.02 * hits, step + 1
        if step % 100 == 0:
            print(f"step {step}, {time.monotonic() - began:.0f} s, right {right:.2f}", flush=True)
    model.eval()
    return right


def main(
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 8.0,
    sentences: Annotated[int, typer.Option(help="How many sentences to synthesize first.")] = 3200,
    out: Annotated[Path, typer.Option(help="Folder of the diarizer.")] = FOLDER / "diarizer-tiny-espeak",
) -> None:
    """Train anew and write embedding/pytorch_model.bin; then train .segmentation, which begins with its front end."""
    torch.manual_seed(0)
    model = SpeakerNet()
    model.specifications = SPECIFICATIONS
    right = train(model, minutes, sentences)
    save(model, out / "embedding" / "pytorch_model.bin")
    print(f"{right:.0%} right, written to {out}")


if __name__ == "__main__":
    typer.run(main)
